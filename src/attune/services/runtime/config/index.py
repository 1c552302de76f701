"""The index of documents: its engine, its graphs, and documents from the log."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class IndexSettings(BaseModel):
    """The index of documents: its engine, its graphs, and documents from the log."""

    documents_from_log: bool = Field(
        False, description="Whether the search role indexes the documents that arrive on attune.documents.v1, too."
    )
    documents_batch_records: int = Field(
        256,
        ge=1,
        description="A batch of these is indexed when it has so many, and no more are read meanwhile.",
    )
    documents_batch_bytes: int = Field(8 << 20, ge=1, description="The same in bytes.")
    documents_batch_wait_ms: int = Field(
        200, ge=0, description="A batch is indexed when its first document has waited so long, in milliseconds."
    )
    search_fields: str = Field(
        "",
        description="What searches can be filtered by: name:type, with types keyword, number, time and boolean, "
        "as in year:number,topics:keyword.",
    )
    qdrant_url: str = Field("", description="A Qdrant server or cluster; empty: the engine embedded in this process.")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="Its API key.")
    qdrant_shards: int | None = Field(
        None, ge=1, description="Shards of a collection, when it is made; without it, as the server thinks."
    )
    qdrant_replicas: int | None = Field(
        None, ge=1, description="Copies of each shard, when a collection is made; without it, as the server thinks."
    )
    qdrant_write_consistency: int | None = Field(
        None, ge=1, description="Of how many copies a write waits for, when a collection is made; without it, as above."
    )
    index_hnsw_m: int = Field(16, ge=2, le=256, description="Links of a document in a vector graph.")
    index_hnsw_ef_construct: int = Field(
        100, ge=4, description="Candidates for them: more make a better graph, and take longer."
    )
    index_hnsw_ef: int = Field(
        128, ge=1, description="Candidates that a search of a graph keeps: more find more, and take longer."
    )
    index_scanned_mib: int = Field(
        20, ge=1, description="Vectors that the embedded engine scans, exactly, rather than put into a graph, in MiB."
    )
    index_quantization: Literal["none", "int8"] = Field(
        "int8",
        description="int8: vectors are searched by a byte a dimension, and what is found is scored by all of it.",
    )
    index_oversampling: float = Field(
        2, ge=1, description="How many times as many documents as wanted are found by int8 and scored again."
    )
    index_kept_mib: int = Field(
        64,
        ge=0,
        description="How much memory the embedded engine has for what it lately read of documents, about, in MiB; 0: "
        "none.",
    )
    index_rebuild: bool = Field(
        False,
        description="Start though another model wrote the index: `attune index DIR --rebuild` mends it, and until then "
        "searches are refused.",
    )
