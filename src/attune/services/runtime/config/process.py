"""Where a process keeps things, listens, is found and is watched."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class ProcessSettings(BaseModel):
    """Where a process keeps things, listens, is found and is watched."""

    data_dir: Path = Field(Path(".attune"), description="Where the index, the store and the event log are kept.")
    host: str = Field("127.0.0.1", description="The address that servers listen on.")
    embedding_port: int = Field(50051, ge=0, le=65535, description="Port of the embedding service; 0 takes a free one.")
    knowledge_port: int = Field(50052, ge=0, le=65535, description="Port of the knowledge service.")
    ingest_port: int = Field(50053, ge=0, le=65535, description="Port of the ingest worker (health and reflection).")
    suggestion_port: int = Field(50054, ge=0, le=65535, description="Port of the suggestion service.")
    search_port: int = Field(50055, ge=0, le=65535, description="Port of the search service.")
    embedding_address: str = Field("", description="Where others find the embedding service; empty: host and port.")
    knowledge_address: str = Field("", description="Where others find the knowledge service.")
    suggestion_address: str = Field("", description="Where others find the suggestion service.")
    search_address: str = Field("", description="Where others find the search service.")
    metrics_port: int = Field(9464, ge=-1, le=65535, description="Prometheus metrics over HTTP; -1 turns them off.")
    health_port: int = Field(
        -1,
        ge=-1,
        le=65535,
        description="Port that answers health checks alone, in plain text and to anybody, for probes; -1: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severe log line.")
    otlp_endpoint: str = Field(
        "",
        description="Where traces go, as http://collector:4317 (OTLP over gRPC; https:// encrypts); without it there "
        "are none. Needs `pip install 'attune[tracing]'`.",
    )
    trace_ratio: float = Field(
        1.0, ge=0, le=1, description="Of so many of the calls that begin a trace here; callers decide for theirs."
    )
