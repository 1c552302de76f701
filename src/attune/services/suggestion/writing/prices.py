"""What tokens cost."""

from dataclasses import dataclass

from attune.services.suggestion.writing.model import Account

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Per million tokens, in any currency; None where it is not known."""

    prompt: float | None = None
    completion: float | None = None

    def cost(self, account: Account) -> float | None:
        """What was used costs so much; None without prices."""
        if self.prompt is None and self.completion is None:
            return None
        read = (self.prompt or 0.0) * account.prompt_tokens
        return (read + (self.completion or 0.0) * account.completion_tokens) / _MILLION
