"""What a campaign has found."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Report:
    """Filled while the campaign runs."""

    store: str
    brokers: int
    seed: int
    rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """By kind."""
    recovery_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By kind, how long it took until an event of afterwards was applied in every partition."""
    workers: int = 0
    records: int = 0
    """In the topic of events."""
    duplicates: int = 0
    wrong: int = 0
    wishes: int = 0
    dead_letters: int = 0
    repeated_dead_letters: int = 0
    fenced_writes: int = 0
    seconds: float = 0
    differences: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """For machines."""
        return json.dumps(
            {
                "fault_rounds": self.rounds,
                "fault_differences": len(self.differences),
                "differences": self.differences[:20],
                **self._settings(),
                "faults": dict(sorted(self.faults.items())),
                "recovery_s": {
                    kind: {"count": len(each), "median": round(median(each), 2), "max": round(max(each), 2)}
                    for kind, each in sorted(self.recovery_s.items())
                },
                **self._counts(),
            },
            indent=1,
        )

    def as_text(self) -> str:
        """For people."""
        lines = [f"{count:>9,}  {name.replace('_', ' ')}" for name, count in self._counts().items()]
        lines += [f"{count:>9,}  {kind}" for kind, count in sorted(self.faults.items())]
        lines += [
            f"{median(each):>9.1f}  s median until all is applied again after: {kind} (most {max(each):.1f} s)"
            for kind, each in sorted(self.recovery_s.items())
        ]
        lines += [f"{self.rounds:>9,}  rounds", f"{len(self.differences):>9,}  differences"]
        return "\n".join([*lines, *self.differences[:20]])

    def _settings(self) -> dict[str, object]:
        return {"store": self.store, "brokers": self.brokers, "seed": self.seed}

    def _counts(self) -> dict[str, int]:
        return {
            "records": self.records,
            "duplicates": self.duplicates,
            "wrong_records": self.wrong,
            "dead_letters": self.dead_letters,
            "repeated_dead_letters": self.repeated_dead_letters,
            "users_or_entities_forgotten": self.wishes,
            "fenced_writes": self.fenced_writes,
            "workers_started": self.workers,
            "seconds": round(self.seconds),
        }
