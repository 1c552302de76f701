"""A limit on dead letters: a producer gone wrong, or a wrong configuration here, must not drain the topic into them.

One bad record in a thousand is set aside and read another day. Where most are bad the fault is not theirs, and a
worker that went on would leave an empty topic and a full one to be mended by hand.
"""

from collections import Counter, deque
from collections.abc import Sequence

from attune.services.runtime.config import Config
from attune.services.runtime.events import TOPIC


class TooManyDeadLettersError(Exception):
    """The share is above the limit: stop, and let people look."""

    def __init__(self, topic: str, dead: int, read: int, limit: float, commonest: str) -> None:
        super().__init__(
            f"{dead} of the last {read} records of {topic} ({dead / read:.0%}) are dead letters, most of them "
            f"{commonest}, and ATTUNE_DEAD_LETTER_RATIO is {limit:g}: look at "
            f"`attune events dlq list --topic {topic}`, mend the producer or the configuration and start again; "
            "a higher ATTUNE_DEAD_LETTER_RATIO sets them all aside, 1 turns this off"
        )
        self.ratio = dead / read
        self.commonest = commonest


class DeadLetterLimit:
    """The share of dead letters among the records read last, held against a limit. For one thread."""

    def __init__(self, window: int = 1000, min_records: int = 100, ratio: float = 0.5, topic: str = TOPIC) -> None:
        """`window` and `min_records` count records, `ratio` is from 0 to 1.

        The batches of the window are kept whole, so it has up to one batch more. A window below `min_records` is of
        that many.
        """
        self._window = max(window, min_records)
        self._min_records = min_records
        self._ratio = ratio
        self._topic = topic
        self._batches: deque[tuple[int, Counter[str]]] = deque()
        self._read = 0
        self._dead: Counter[str] = Counter()

    @classmethod
    def of(cls, config: Config, topic: str = TOPIC) -> "DeadLetterLimit":
        """As configured."""
        return cls(config.dead_letter_window, config.dead_letter_min_records, config.dead_letter_ratio, topic)

    def add(self, read: int, reasons: Sequence[str] | Counter[str]) -> None:
        """Count a batch: how many records it had, and the reason of each dead letter among them.

        To be called before the dead letters are set aside and the offset moves: what stops the worker is then the next
        thing to be read, and was moved nowhere.

        Raises:
            TooManyDeadLettersError: the share is above the limit now.
        """
        dead = Counter(reasons)
        self._batches.append((read, dead))
        self._read += read
        self._dead += dead
        while self._read - self._batches[0][0] >= self._window:
            old_read, old_dead = self._batches.popleft()
            self._read -= old_read
            self._dead -= old_dead
        total = self._dead.total()
        if self._read >= self._min_records and total > self._ratio * self._read:
            (commonest, _), *_ = self._dead.most_common(1)
            raise TooManyDeadLettersError(self._topic, total, self._read, self._ratio, commonest)
