"""A thousand schedules of faults, after each of which the store is what one reader of the log would have."""

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.simulation.__main__ import command
from tests.simulation.engine import Engine
from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import engine, run, run_one

SCHEDULES = 1000
SCHEDULES_UNTIL_NOTICED = 300
DRAWN = (
    "choice about learning",
    "dead letters redacted by a worker",
    "duplicate by a producer",
    "entity forgotten",
    "failed commit",
    "fenced after a stall",
    "killed after log.append",
    "killed after store.apply",
    "killed after store.claim",
    "killed before commit",
    "killed before log.append",
    "killed before store.apply",
    "killed before store.claim",
    "killed while stalled",
    "killed within log.append",
    "killed within the transaction of store.apply",
    "late event",
    "member expelled",
    "offsets reset to an older commit",
    "poison",
    "poll of a member that hears nothing",
    "rebalance",
    "redelivery",
    "refused",
    "stalled before store.apply",
    "stalled before store.claim",
    "store lost",
    "user forgotten",
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with engine() as made:
        yield made


@pytest.mark.timeout(900)
def test_whatever_happens_the_store_is_what_one_reader_would_have(shared: Engine) -> None:
    happened: Counter[str] = Counter()
    for seed, outcome in run(range(SCHEDULES), shared):
        assert not outcome.differences, f"{outcome.differences[0]}\nrepeat it: {command(seed)}"
        happened += outcome.happened
    assert [each for each in DRAWN if not happened[each]] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", MUTATIONS)
def test_a_guard_that_is_missing_is_noticed(guard: str, shared: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = run(range(SCHEDULES_UNTIL_NOTICED), shared, MUTATIONS[guard])
    noticed = next((seed + 1 for seed, outcome in outcomes if outcome.differences), None)
    with capsys.disabled():
        print(f"\nwithout {guard}: noticed after {noticed} schedules", end="")  # noqa: T201 - a figure to be read
    assert noticed is not None


def test_a_seed_repeats_all_that_happens(shared: Engine) -> None:
    def told(seed: int) -> list[str]:
        lines: list[str] = []
        run_one(seed, shared, tell=lines.append)
        return lines

    assert told(3) == told(3)
    assert told(3) != told(4)
