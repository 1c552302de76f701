"""The catalog, the store, and how events get into it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class KnowledgeSettings(BaseModel):
    """The catalog, the store, and how events get into it."""

    catalog_path: Path | None = Field(
        None, description="JSONL of entities; without it, <data_dir>/catalog.jsonl where that exists."
    )
    catalog_poll_s: float = Field(
        5, ge=0, description="How often the catalog's file is looked at for a new version, in seconds; 0: never."
    )
    store_url: SecretStr = Field(
        SecretStr(""),
        description="A PostgreSQL database for the knowledge store, postgresql://...; empty: SQLite in data_dir.",
    )
    entities_per_user: int = Field(512, ge=1, description="How many entities a user's store holds at most.")
    ingest_batch_records: int = Field(
        2000, ge=1, description="A batch of events is applied when it has so many, and no more are read meanwhile."
    )
    ingest_batch_bytes: int = Field(4 << 20, ge=1, description="The same in bytes.")
    ingest_batch_wait_ms: int = Field(
        100, ge=0, description="A batch is applied when its first event has waited so long, in milliseconds."
    )
    consent_default: Literal["granted", "withdrawn"] = Field(
        "granted", description="What counts for a purpose that a user has made no choice about."
    )
    learn_simulated: bool = Field(
        False,
        description='Whether the knowledge store learns from events whose origin is "simulated", too: for evaluation.',
    )
