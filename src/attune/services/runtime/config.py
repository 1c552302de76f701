"""The one place that reads the environment. Every setting is ATTUNE_<NAME>; the README lists them from here."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

_PREFIX = "ATTUNE_"


class ConfigError(Exception):
    """A setting or a file it names is wrong; the message says which and how to mend it."""


class RoleName(StrEnum):
    """The parts of the system that can run alone, in the order in which they need each other."""

    EMBEDDING = "embedding"
    KNOWLEDGE = "knowledge"
    INGEST = "ingest"
    SEARCH = "search"
    SUGGESTION = "suggestion"


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret ATTUNE_X from the file that ATTUNE_X_FILE names: an environment is seen by too many."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file, without the line's end; None where no file is named."""
        setting = f"{_PREFIX}{field_name.upper()}"
        named = os.environ.get(f"{setting}_FILE", "") if field.annotation is SecretStr else ""
        if not named:
            return None, field_name, False
        if os.environ.get(setting):
            raise ConfigError(f"{setting} and {setting}_FILE are both set: set one of them")
        try:
            content = Path(named).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{setting}_FILE ({named}) cannot be read, or is not text in UTF-8") from error
        if not content:
            raise ConfigError(f"{setting}_FILE ({named}) is empty")
        return content, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All secrets that are in files."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class Config(BaseSettings):
    """Settings of one process. A secret ATTUNE_X may be in a file that ATTUNE_X_FILE names."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

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
    tokens_file: Path | None = Field(
        None,
        description="JSON object of the bearer tokens that are accepted, with their tenants and scopes; without any "
        'credential configured, everybody is tenant "default".',
    )
    service_token: SecretStr = Field(
        SecretStr(""),
        description="The secret by which roles know each other, the same for all; needed where credentials are and the "
        "roles are separate processes. Of several, with commas, the first is sent.",
    )
    token: SecretStr = Field(SecretStr(""), description="The bearer token of the command line's own calls.")
    quota_calls_per_s: float = Field(
        0, ge=0, description="Calls per second of a tenant that each server answers; 0: any number."
    )
    quota_burst: float | None = Field(
        None, ge=1, description="How many calls may come at once after a pause; without it, those of ten seconds."
    )
    quotas_file: Path | None = Field(
        None,
        description="JSON object of tenants with other quotas: calls_per_s and burst of each, or null for any number.",
    )
    tls_cert_file: Path | None = Field(
        None,
        description="The certificate of this process and those that lead to its root, PEM: servers show it, and roles "
        "when they call others. Without it, plain text, on a loopback host only.",
    )
    tls_key_file: Path | None = Field(None, description="Its private key, PEM, without a password.")
    tls_client_ca_file: Path | None = Field(
        None, description="Certificates that sign those of callers, PEM; with it, a caller must have one."
    )
    tls_ca_file: Path | None = Field(
        None, description="Certificates that sign those of the servers that are called, PEM; with it, calls use TLS."
    )
    tls_server_name: str = Field(
        "", description="The name in those servers' certificates, where it is not the one that they are called by."
    )
    allow_plaintext: bool = Field(
        False, description="Plain text beyond this machine: where a mesh or a tunnel encrypts."
    )
    allow_anonymous: bool = Field(
        False, description="Calls without credentials from beyond this machine: where everybody who calls may do all."
    )
    jwks_file: Path | None = Field(
        None, description="The public keys that JSON Web Tokens are signed with, a JSON Web Key Set."
    )
    jwks_url: str = Field("", description="Or where their issuer publishes them, https://...")
    jwks_refresh_s: float = Field(
        300, gt=0, description="How old the keys may be before they are read anew, in seconds."
    )
    jwt_issuer: str = Field("", description="Who issues the tokens, as their claim iss says it.")
    jwt_audience: str = Field("", description="Whom they are for, as their claim aud says it.")
    jwt_algorithms: str = Field("RS256,ES256,EdDSA", description="The algorithms that they may be signed by.")
    jwt_leeway_s: float = Field(30, ge=0, description="How far the issuer's clock may be off, in seconds.")
    jwt_tenant_claim: str = Field("tenant", min_length=1, description="The claim that names the tenant.")
    jwt_scope_claim: str = Field(
        "scope", min_length=1, description="The claim that lists scopes, with spaces between or as a list."
    )
    jwt_scope_prefix: str = Field("", description="What attune's scopes begin with there, such as attune: or empty.")
    default_deadline_s: float = Field(30, gt=0, description="Deadline of a unary call that brings none, in seconds.")
    stream_deadline_s: float = Field(
        600, gt=0, description="Deadline of a streaming call that brings none, in seconds."
    )
    drain_s: float = Field(20, ge=0, description="How long calls in flight may take to end when a server stops.")
    connection_age_s: float = Field(
        300,
        gt=0,
        description="After so long callers are asked to connect anew, and find replicas that were added, in seconds.",
    )
    max_message_bytes: int = Field(16 << 20, gt=0, description="The largest request or response, in bytes.")
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
    catalog_path: Path | None = Field(
        None, description="JSONL of entities; without it, <data_dir>/catalog.jsonl where that exists."
    )
    catalog_poll_s: float = Field(
        5, ge=0, description="How often the catalog's file is looked at for a new version, in seconds; 0: never."
    )
    queries_dir: Path | None = Field(
        None, description="Where `attune queries count` puts what it counted; without it, <data_dir>/queries."
    )
    denylist_path: Path | None = Field(
        None, description="A text file of words and phrases that are never suggested, one a line; without it, none."
    )
    completion_budget_ms: float = Field(
        50, gt=0, description="How long a completion waits for the knowledge and search services, in milliseconds."
    )
    store_url: SecretStr = Field(
        SecretStr(""),
        description="A PostgreSQL database for the knowledge store, postgresql://...; empty: SQLite in data_dir.",
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
    entities_per_user: int = Field(512, ge=1, description="How many entities a user's store holds at most.")
    ingest_batch_records: int = Field(
        2000, ge=1, description="A batch of events is applied when it has so many, and no more are read meanwhile."
    )
    ingest_batch_bytes: int = Field(4 << 20, ge=1, description="The same in bytes.")
    ingest_batch_wait_ms: int = Field(
        100, ge=0, description="A batch is applied when its first event has waited so long, in milliseconds."
    )
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
    consent_default: Literal["granted", "withdrawn"] = Field(
        "granted", description="What counts for a purpose that a user has made no choice about."
    )
    search_fields: str = Field(
        "",
        description="What searches can be filtered by: name:type, with types keyword, number, time and boolean, "
        "as in year:number,topics:keyword.",
    )
    learn_simulated: bool = Field(
        False,
        description='Whether the knowledge store learns from events whose origin is "simulated", too: for evaluation.',
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
    index_rebuild: bool = Field(
        False,
        description="Start though another model wrote the index: `attune index DIR --rebuild` mends it, and until then "
        "searches are refused.",
    )
    search_passages: int = Field(
        64, ge=0, le=1000, description="How many passages a document has at most that the model cannot read at once."
    )
    search_boosts_path: Path | None = Field(
        None, description="A JSON file that declares boosts by recency, numbers and keywords; without it, none."
    )
    search_rankings_kept: int = Field(
        500, ge=0, description="How many rankings are kept in memory for their further pages; 0: pages are ranked anew."
    )
    search_rankings_kept_s: float = Field(
        600, gt=0, description="How long a ranking is kept after it was last read, in seconds."
    )
    ranker_path: Path | None = Field(
        None, description="A ranker of suggestions, as `attune train ranker` writes it; without it, the packaged one."
    )
    search_ranker_path: Path | None = Field(
        None,
        description="A ranker of search, as `attune train ranker --for search` writes it, by which searches are ranked "
        "then; without it, the formula.",
    )
    search_challenger_path: Path | None = Field(
        None, description="Another one, to be compared: the ranking named challenger."
    )
    search_compare: str = Field(
        "",
        description="Two rankings to compare, such as personal,plain (of plain, personal, learned, challenger); empty: "
        "none.",
    )
    search_compare_by: Literal["interleaving", "users"] = Field(
        "interleaving", description="How: both in one list, or the second one for some of the users."
    )
    search_compare_share: float = Field(
        0.5, ge=0, le=1, description="In which share of the sessions, or for which share of the users."
    )
    suggestion_exploration: float = Field(
        0,
        ge=0,
        le=10,
        description="The temperature at which the ranker's suggestions are shuffled, to learn from the log; 0: never.",
    )
    llm_base_url: str = Field(
        "", description="An OpenAI-compatible server, for suggestions and summaries; empty: no language model."
    )
    llm_model: str = Field("", description="The model to ask there.")
    llm_api_key: SecretStr = Field(SecretStr("none"), description="Its API key.")
    llm_timeout_s: float = Field(10, gt=0, description="How long the language model may take, in seconds.")
    llm_model_path: Path | None = Field(
        None, description="Instead of a server: a directory with a model of transformers, for suggestions, in-process."
    )
    llm_waiting: int = Field(8, ge=0, description="How many requests may wait for the in-process model.")
    llm_prompt_style: Literal["chat", "completion"] = Field(
        "chat", description="How the model is asked for suggestions; completion is for base models, by examples."
    )
    suggestion_prompt_path: Path | None = Field(
        None, description="A prompt template for suggestions, instead of the one that comes along."
    )
    llm_retries: int = Field(
        2, ge=0, le=10, description="How often a question may be asked again after HTTP 429, 5xx or no connection."
    )
    llm_breaker_failures: int = Field(
        5, ge=1, description="After so many failures in a row the language model is left alone for a while."
    )
    llm_breaker_open_s: float = Field(30, gt=0, description="That while, in seconds.")
    llm_price_prompt: float | None = Field(
        None, ge=0, description="Price of a million tokens read, for costs in answers and metrics."
    )
    llm_price_completion: float | None = Field(None, ge=0, description="Price of a million tokens written.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, the first that has one: a caller, the environment, files that it names."""
        return init_settings, env_settings, dotenv_settings, _SecretFiles(settings_cls), file_secret_settings

    def port(self, role: RoleName) -> int:
        """The port that a role listens on."""
        return {
            RoleName.EMBEDDING: self.embedding_port,
            RoleName.KNOWLEDGE: self.knowledge_port,
            RoleName.INGEST: self.ingest_port,
            RoleName.SUGGESTION: self.suggestion_port,
            RoleName.SEARCH: self.search_port,
        }[role]

    def address(self, role: RoleName) -> str:
        """Where other services find a role."""
        given = {
            RoleName.EMBEDDING: self.embedding_address,
            RoleName.KNOWLEDGE: self.knowledge_address,
            RoleName.SUGGESTION: self.suggestion_address,
            RoleName.SEARCH: self.search_address,
        }
        return given.get(role) or f"{self.host}:{self.port(role)}"

    def at_address(self, role: RoleName, address: str) -> "Config":
        """The same settings, with a role found at `address`."""
        return self.model_copy(update={f"{role}_address": address})

    @property
    def catalog(self) -> Path:
        """The file that the catalog of entities is read from."""
        return self.catalog_path or self.data_dir / "catalog.jsonl"

    @property
    def queries(self) -> Path:
        """The directory of the counted queries."""
        return self.queries_dir or self.data_dir / "queries"
