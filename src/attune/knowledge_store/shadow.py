"""A store that is built anew beside the one in use, and takes its place in one transaction.

The order in which that is safe, for what users want and allow reaches a log before it reaches the store:

1. The shadow is sown with what the live store knows of that, before any event is applied to it (`sow`).
2. Events are applied, while the live store goes on. Whoever does so reads up to an end of the log that was taken before
   the topics of removals and consents were read: so none of the events is from before a removal that is not known.
3. `swap` locks the live store: transactions that have begun are waited for, others wait. Whatever is in the live store
   now, is in the log as well. The topics are read once more, then the live tombstones are taken row by row, for they
   may reach further than the log tells; then the rest of the events.
4. The shadow takes the live store's place, and the lock falls, in the same transaction. Who waited finds the shadow.

So there is no moment at which a tombstone is missing from what can be read. Claims of partitions are not taken over:
workers of before are refused, claim anew, and read on from the shadow's positions.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from attune.knowledge_store.kept import Kept, KeptConsents, KeptObject, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.store_rows import RowStore

_CARRIED_AT_ONCE = 256
_CLOCKS_DIFFER = timedelta(minutes=5)
Step = Callable[[], object]


class ShadowInUseError(StoreError):
    """Another process is building a shadow of the same store."""

    def __init__(self) -> None:
        super().__init__("another process builds this store anew at the moment: wait until it has ended, or stop it")


class Shadow(Protocol):
    """One shadow of a live store. It is this process's alone until `close`."""

    @property
    def store(self) -> RowStore:
        """The shadow itself: empty at first."""
        ...

    @property
    def had_leftover(self) -> bool:
        """Whether one was found that a process had left behind, and removed."""
        ...

    def swap(self, state: Step, events: Step, summaries_since: datetime | None) -> None:
        """Locks the live store, calls `state` and `events` (which let the shadow take what is left of these), and puts
        the shadow in its place, in one transaction.

        With `summaries_since`, summaries that were made in the live store since are carried over, too.

        Raises StoreBusyError where others have the live store for too long; nothing was changed, and it may be tried
        again. Neither was anything by whatever the steps raise.
        """
        ...

    def close(self) -> None:
        """Throws away what has not been swapped in."""
        ...


def sow(live: RowStore, shadow: RowStore) -> None:
    """Takes what users of the live store want and allow, and what documents are about, into the empty shadow."""
    shadow.load(_seeds(live.dump()))


def carry_summaries(live: Iterable[KeptSummary], shadow: RowStore, since: datetime | None = None) -> None:
    """Carries over those summaries that tell of no more events than the shadow has; with `since`, those made since."""
    made = (each for each in live if since is None or each.summary.made_at >= since - _CLOCKS_DIFFER)
    while batch := list(islice(made, _CARRIED_AT_ONCE)):
        shadow.carry_summaries(batch)


def _seeds(kept: Iterable[Kept]) -> Iterator[Kept]:
    for each in kept:
        match each:
            case KeptUser(user, record) if record.suppressed != Suppressed():
                yield KeptUser(user, UserRecord(suppressed=record.suppressed))
            case KeptTombstone() | KeptConsents() | KeptObject():
                yield each
