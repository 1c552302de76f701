"""What an operator may set of how documents are taken from the log."""

from dataclasses import dataclass, field
from typing import Self

from attune.services.runtime.config import Config
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit
from attune.services.runtime.documents import DOCUMENTS_TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.security.role_tokens import RoleTokens


def _limit() -> DeadLetterLimit:
    return DeadLetterLimit(topic=DOCUMENTS_TOPIC)


@dataclass(frozen=True)
class DocumentLogSettings:
    """How batches are cut, what may come in, how much of it may be wrong, and as whom other roles are asked."""

    batches: BatchLimits = field(default_factory=BatchLimits)
    admission: Admission = field(default_factory=Admission)
    dead_letters: DeadLetterLimit = field(default_factory=_limit)
    role_tokens: RoleTokens = field(default_factory=RoleTokens)

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured. Raises ConfigError where the token file cannot be read."""
        wait_s = config.documents_batch_wait_ms / 1000
        return cls(
            BatchLimits(config.documents_batch_records, config.documents_batch_bytes, wait_s),
            Admission.of(config),
            DeadLetterLimit.of(config, DOCUMENTS_TOPIC),
            RoleTokens.of(config),
        )
