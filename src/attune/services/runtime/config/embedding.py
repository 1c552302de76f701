"""The models, and where they compute."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class EmbeddingSettings(BaseModel):
    """The models, and where they compute."""

    model_path: Path | None = Field(
        None, description="A sentence-transformers directory; without it, all-MiniLM-L6-v2."
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="Arithmetic of the encoder; int8 is faster and a little less exact."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads of the encoder; without it, all cores.")
    devices: str = Field(
        "auto", description="Where the encoder computes, a worker for each: auto, cpu, or GPUs such as cuda:0,cuda:1."
    )
    embedding_cache_mb: int = Field(
        64, ge=0, description="Memory for vectors of interactive texts that may come again, in MiB; 0 keeps none."
    )
    cross_encoder_path: Path | None = Field(
        None, description="A directory with a CrossEncoder of sentence-transformers, for searches; without it, none."
    )
    cross_encoder_candidates: int = Field(
        30, ge=0, le=100, description="How many of the best documents of a search it orders anew, where there is one."
    )
