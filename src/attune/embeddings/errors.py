"""Every error this library raises on purpose; each says what is wrong and the mend."""

from collections.abc import Iterable


class EmbeddingsError(Exception):
    """Base of the errors of `attune.embeddings`."""


class ModelError(EmbeddingsError):
    """The model directory is missing, incomplete, damaged or of a kind that is not supported."""


class SettingError(EmbeddingsError):
    """A setting such as the precision or the number of threads has an impossible value."""


class VectorError(EmbeddingsError):
    """Vectors cannot be converted as asked: dtype, dimension, range or byte count."""


class TextError(EmbeddingsError):
    """One text of a request cannot be embedded; its neighbours are unaffected.

    `index` is the position of the text in the request, `reason` a sentence that the caller may be shown.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"text {index}: {reason}")
        self.index = index
        self.reason = reason

    def at(self, index: int) -> "TextError":
        """The same error for the text's position in another list."""
        return TextError(index, self.reason)

    def __reduce__(self) -> tuple[type["TextError"], tuple[int, str]]:
        """How it travels between processes."""
        return TextError, (self.index, self.reason)


class UnknownDomainError(EmbeddingsError):
    """A text names a domain that no expert serves."""

    def __init__(self, domain: str, known: Iterable[str]) -> None:
        self.domain = domain
        self.known = tuple(sorted(known))
        super().__init__(
            f"domain {domain!r} is unknown: use one of {', '.join(self.known)}, "
            "or leave it empty to have the text routed"
        )

    def __reduce__(self) -> tuple[type["UnknownDomainError"], tuple[str, tuple[str, ...]]]:
        """How it travels between processes."""
        return UnknownDomainError, (self.domain, self.known)


class UnknownAugmentationError(EmbeddingsError):
    """A query asks for an augmentation that its domain does not have."""

    def __init__(self, augmentation: str, domain: str, known: Iterable[str]) -> None:
        self.augmentation = augmentation
        self.domain = domain
        self.known = tuple(known)
        super().__init__(
            f"domain {domain!r} has no augmentation '{augmentation}': use one of {', '.join(self.known)}, or train it "
            "(attune train augmenter)"
        )

    def __reduce__(self) -> tuple[type["UnknownAugmentationError"], tuple[str, str, tuple[str, ...]]]:
        """How it travels between processes."""
        return UnknownAugmentationError, (self.augmentation, self.domain, self.known)


class ComputeError(EmbeddingsError):
    """A text could not be computed, alone neither; its neighbours were."""


class WorkerLostError(EmbeddingsError):
    """The process that was to compute the texts has died. It is started again; so can the request be."""


class EngineClosedError(EmbeddingsError):
    """The batching engine is shutting down or was not started."""


class DeadlineExpiredError(EmbeddingsError):
    """The request's deadline passed before its texts were computed."""


class Overloaded(EmbeddingsError):  # noqa: N818 - the name of the state that callers back off from
    """The texts cannot be computed in time. `retry_after_s` estimates, in seconds, when they could have been."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many texts wait: retry after {retry_after_s:.2f} s, or send fewer at once")
        self.retry_after_s = retry_after_s
