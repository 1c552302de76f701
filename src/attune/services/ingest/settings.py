"""What an operator may set of the ingest worker."""

from dataclasses import dataclass, field
from typing import Self

from attune.services.runtime.config import Config
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit
from attune.services.runtime.records.admission import Admission


@dataclass(frozen=True)
class IngestSettings:
    """How batches are cut, what may come in, and how much of it may be wrong."""

    batches: BatchLimits = field(default_factory=BatchLimits)
    admission: Admission = field(default_factory=Admission)
    dead_letters: DeadLetterLimit = field(default_factory=DeadLetterLimit)

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured. Raises ConfigError where the token file cannot be read."""
        wait_s = config.ingest_batch_wait_ms / 1000
        return cls(
            BatchLimits(config.ingest_batch_records, config.ingest_batch_bytes, wait_s),
            Admission.of(config),
            DeadLetterLimit.of(config),
        )
