"""Whether any record, however wrong, gets lost or stops the worker."""

from collections.abc import Iterator

from attune.services.cli.measure.ingest.fuzz import fuzzed
from attune.services.cli.measure.ingest.reading import Reading
from attune.services.cli.measure.ingest.traffic import append
from attune.services.cli.measure.report import Row
from attune.services.runtime.dead_letters import dead_letters
from attune.services.runtime.eventlog.port import Entry

_POLL_S = 0.1


def fuzz_row(reading: Reading, number: int, seed: int) -> Row:
    """So many records through the log and the worker: each is counted, or lies among the dead letters."""
    worker = reading.worker
    before = {each.position for each in dead_letters(reading.source.log)}
    right = wrong = 0

    def entries() -> Iterator[Entry]:
        nonlocal right, wrong
        for each in fuzzed(seed, number):
            right += each.is_event is True
            wrong += each.is_event is False
            yield each.entry

    append(reading.source.log, entries())
    reading.begin()
    applied = 0
    while applied < number:
        applied += worker.step(_POLL_S)
    set_aside = len({each.position for each in dead_letters(reading.source.log)} - before)
    taken = sum(reading.counted.outcomes.values()) - reading.counted.outcomes["dead_letters"]
    return {
        "kind": "fuzzed",
        "engines": reading.engines,
        "fuzzed": number,
        "must_be_events": right,
        "must_be_dead_letters": wrong,
        "taken": taken,
        "dead_letters": set_aside,
        "lost": number - taken - set_aside,
    }
