"""The log: what is taken from it, and the brokers that keep it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class EventLogSettings(BaseModel):
    """The log: what is taken from it, and the brokers that keep it."""

    max_event_bytes: int = Field(
        1 << 20, gt=0, description="The largest event or document taken from the log, in bytes: key, value and headers."
    )
    events_to: Literal["service", "kafka"] = Field(
        "service",
        description="Where `attune events send` sends to: the knowledge service, or straight to the event log.",
    )
    dead_letter_window: int = Field(1000, ge=1, description="Over how many records the share of dead letters is taken.")
    dead_letter_min_records: int = Field(
        100, ge=1, description="Of fewer records than this no share is taken: the first ones may be bad by chance."
    )
    dead_letter_ratio: float = Field(
        0.5, ge=0, le=1, description="The share of dead letters above which reading a topic stops; 1: it never does."
    )
    kafka_bootstrap_servers: str = Field(
        "", description="Kafka brokers for the event log, host:port,host:port; empty: the local log in data_dir."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="What the brokers speak."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="How the user is proved to them, with a SASL_ protocol."
    )
    kafka_username: str = Field("", description="That user.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Its password.")
    kafka_ca_file: Path | None = Field(
        None, description="PEM certificates that sign the brokers'; without it, those of the system."
    )
    kafka_group: str = Field(
        "attune.ingest", min_length=1, description="The consumer group of ingest workers that share a store."
    )
    kafka_session_ms: int = Field(
        10_000,
        ge=100,
        description="How long a worker that reads Kafka may be silent before its partitions go to others, "
        "in milliseconds; brokers set bounds to it.",
    )
    kafka_documents_group: str = Field(
        "attune.documents", min_length=1, description="The consumer group of search roles that share an index."
    )
