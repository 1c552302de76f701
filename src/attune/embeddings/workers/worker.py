"""A worker as the engine sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from attune.embeddings.domains import DomainRegistry
from attune.embeddings.workers.messages import Outcome, Text, WorkerInfo


class Worker(Protocol):
    """Computes texts in the order in which they are sent, in batches of its own making. `WorkerProcess` is one."""

    async def start(self, receive: Callable[[Outcome], None], lost: Callable[[], None]) -> WorkerInfo:
        """Load and warm up; again after a loss. `receive` is called for every batch, `lost` once if the worker dies.

        Raises `ModelError` and `SettingError` for what it cannot load, `WorkerLostError` if it dies meanwhile.
        """
        ...

    def send(self, texts: Sequence[Text]) -> None:
        """Hand texts over; does not block."""
        ...

    async def reload(self) -> DomainRegistry:
        """Load the experts that the model directory names now, while texts are computed; say which domains there are.

        Raises `ModelError` for what cannot be loaded, and leaves all as it was; `WorkerLostError` if it dies meanwhile.
        """
        ...

    async def close(self) -> None:
        """End it; what it still holds is not computed. `lost` is not called any more."""
        ...
