"""The parts of the system's benchmark that need no system: shares, windows, growth, losses, the verdict."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from attune.knowledge_store.kept import KeptUser
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.record import REMEMBERED_EVENTS, UserRecord
from attune.knowledge_store.store_model import event_digest
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.search.v1.search_pb2 import Document, SearchResponse, SearchTimings
from attune.services.cli.main import app
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.memory import held_mib, resident_mib, watched
from attune.services.cli.measure.system import roles as roles_module
from attune.services.cli.measure.system import soaking
from attune.services.cli.measure.system.calls import SHARES, Asking, Material, stages_of
from attune.services.cli.measure.system.command import MOST_HELD_GROWTH_MIB, broken
from attune.services.cli.measure.system.figures import failed, latency_rows, outside, stage_rows, window_row
from attune.services.cli.measure.system.ledger import Ledger, Losses, RefusedEventsError, _of_user, losses
from attune.services.cli.measure.system.memory import Memory, growth_mib
from attune.services.cli.measure.system.phases import Bench, rolling, rolling_plain
from attune.services.cli.measure.system.ports import free_ports
from attune.services.cli.measure.system.roles import FOUND_WITHIN_S, SURGED, Window, running_roles
from attune.services.cli.measure.system.soaking import soak
from attune.services.cli.measure.system.traffic import OK, REFUSED, Call, Offered, Traffic
from attune.services.client import interaction
from attune.services.runtime.config import RoleName
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.search.kept_rankings import RANKINGS

DOCUMENTS = [Document(document_id=f"d{number}", title=f"number {number}", text="of many") for number in range(5)]
MATERIAL = Material(["how many", "why"], DOCUMENTS, users=["ada", "bea"])


class Unavailable(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE


class Everything:
    """A client that answers every call by an object with all that is asked of it, and remembers the calls."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **_options: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self._answers.get(name, Recorded())
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Recorded:
    """An answer to whatever was asked."""

    rejected_count = 0
    rejected: tuple[Any, ...] = ()
    log_end_offset = 7
    hits: tuple[Any, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def asking(client: Any, ledger: Ledger | None = None) -> Asking:
    return Asking(client, MATERIAL, ledger or Ledger(), Random(0))  # noqa: S311 - to be repeated


def test_the_shares_are_all_of_the_traffic_and_each_kind_can_be_called() -> None:
    assert sum(SHARES.values()) == 100
    client = Everything()
    for kind in SHARES:
        asking(client).ask(kind)
    assert len(client.calls) == len(SHARES)


def test_a_visit_is_a_query_a_page_a_click_and_a_stay_of_one_user_with_ids_of_their_own() -> None:
    client, ledger = Everything(), Ledger()
    for _ in range(20):
        asking(client, ledger).ask("record")
    sent = [list(arguments[0]) for _, arguments in client.calls]
    assert all(len({event.user_id for event in events}) == 1 for events in sent)
    ids = [event.event_id for events in sent for event in events]
    assert len(set(ids)) == len(ids) == 20 * 6
    assert {each for ids in ledger.acknowledged.values() for each in ids} == set(ids)
    assert ledger.log_end == 7


def test_what_was_refused_or_not_answered_is_not_acknowledged() -> None:
    refused = Recorded()
    refused.rejected_count, ledger = 1, Ledger()
    refused.rejected = (type("Rejected", (), {"event_id": "unknown"}),)
    with pytest.raises(RefusedEventsError):
        asking(Everything(record=refused), ledger).ask("record")
    with pytest.raises(grpc.RpcError):
        asking(Everything(record=Unavailable()), ledger).ask("record")
    assert sum(map(len, ledger.sent.values())) == 12
    assert sum(map(len, ledger.acknowledged.values())) == 6


def test_stages_are_those_that_an_answer_tells() -> None:
    answer = SearchResponse(timings=SearchTimings(embed_ms=2, total_ms=5))
    assert stages_of(answer) == {"embed": 2, "total": 5}
    assert stages_of([]) == {}


def traffic_of(client: Any) -> list[Call]:
    traffic = Traffic(client, MATERIAL, Ledger(), Offered(rate=100_000, together=4))
    with traffic.running():
        while len(traffic.calls) < 200:
            pass
    return traffic.calls


def test_traffic_is_of_all_kinds_in_their_shares() -> None:
    kinds = Counter(each.kind for each in traffic_of(Everything()))
    assert kinds["complete"] > kinds["index"]
    assert len(kinds) >= 8


def test_traffic_can_be_of_one_kind() -> None:
    traffic = Traffic(
        Everything(),  # type: ignore[arg-type]
        MATERIAL,
        Ledger(),
        Offered(rate=100_000, together=4),
        {"search": 1},
    )
    with traffic.running():
        while len(traffic.calls) < 20:
            pass
    assert {each.kind for each in traffic.calls} == {"search"}


def test_a_call_that_fails_is_counted_with_its_code_and_the_next_one_comes() -> None:
    calls = traffic_of(Everything(search=Unavailable()))
    assert {each.code for each in calls if each.kind == "search"} == {"UNAVAILABLE"}
    assert {each.code for each in calls if each.kind != "search"} == {OK}


def test_a_mistake_of_the_bench_is_no_failed_call() -> None:
    traffic = Traffic(
        Everything(complete=ZeroDivisionError()),  # type: ignore[arg-type]
        MATERIAL,
        Ledger(),
        Offered(rate=100_000, together=1),
    )
    with pytest.raises(ZeroDivisionError):
        run_until_broken(traffic)


def run_until_broken(traffic: Traffic) -> None:
    with traffic.running():
        while not traffic.is_broken:
            pass


def call(started_s: float, ended_s: float, code: str = OK, kind: str = "search", **stages: float) -> Call:
    return Call(kind, started_s, ended_s, code, stages)


def test_percentiles_are_of_the_answered_calls() -> None:
    calls = [call(0, 0.1), call(0, 0.1), call(0, 9, "UNAVAILABLE"), call(0, 9, REFUSED, kind="index")]
    rows = {str(row["call"]): row for row in latency_rows("steady", calls)}
    assert (rows["search"]["calls"], rows["search"]["failed"]) == (3, 1)
    assert rows["search"]["p99_ms"] == pytest.approx(100)
    assert (rows["index"]["failed"], rows["index"]["p50_ms"]) == (1, 0)
    assert (rows["search"]["codes"], rows["index"]["codes"]) == ("UNAVAILABLE 1", "REFUSED 1")


def test_stages_have_percentiles_of_their_own() -> None:
    rows = list(stage_rows("steady", [call(0, 1, embed=2, total=4), call(0, 1, embed=4, total=8), call(0, 1)]))
    assert [(row["stage"], row["p50_ms"]) for row in rows] == [("embed", 3), ("total", 6)]


WINDOW = Window(RoleName.SEARCH, 10, 20)


def test_a_failed_call_is_outside_unless_it_met_a_window_or_the_time_in_which_callers_find_the_role() -> None:
    soon = 20 + FOUND_WITHIN_S
    inside = [call(5, 11, "UNAVAILABLE"), call(12, 13, "CANCELLED"), call(soon - 1, soon + 5, "UNAVAILABLE")]
    beyond = [call(5, 9, "UNAVAILABLE"), call(soon + 1, soon + 2, "INTERNAL")]
    assert outside([*inside, *beyond], [WINDOW]) == beyond
    row = window_row("killed", WINDOW, [*inside, *beyond, call(12, 12.5)])
    assert (row["calls"], row["failed"], row["away_s"]) == (4, 3, 10)
    assert row["codes"] == "search UNAVAILABLE 2, search CANCELLED 1"
    assert failed([call(0, 1)]) == []


def test_growth_is_from_the_first_third_to_the_last_after_the_warm_up() -> None:
    flat = [500.0] * 30
    assert growth_mib([*[100.0, 200.0, 300.0], *flat[3:]]) == 0
    assert growth_mib([float(each) for each in range(100)]) == pytest.approx(60)
    assert growth_mib([*flat[:29], 900.0]) == 0


@pytest.mark.parametrize("samples", [0, 2, 29])
def test_of_too_few_samples_no_growth_is_told(samples: int) -> None:
    with pytest.raises(BenchError, match=f"{samples} samples of memory are too few"):
        growth_mib([500.0] * samples)


def test_a_soak_that_could_tell_nothing_is_refused_at_once() -> None:
    ended = CliRunner().invoke(app, ["bench", "system", "--soak-minutes", "0.1"])
    assert ended.exit_code == 1
    assert "--soak-minutes 0.1" in ended.output


class Growing:
    """Roles of which each holds as many MiB as calls were made, so far, and no more than search keeps rankings."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def memory(self) -> dict[RoleName, Memory]:
        held = min(RANKINGS, len(self.calls))
        return {role: Memory(held + 1.0, held) for role in RoleName}

    def check_running(self) -> None:
        """All are."""


class Filling(Bench):
    """Each round of traffic is of searches that are answered or not."""

    code = OK

    @contextmanager
    def traffic(self, *, wait_for_ready: bool = False, shares: Mapping[str, int] = SHARES) -> Iterator[list[Call]]:
        roles: Any = self.roles
        assert not wait_for_ready
        roles.calls += [call(0, 1, self.code)] * (2 * RANKINGS if shares == {"search": 1} else 50)
        yield roles.calls


def filling() -> Filling:
    roles: Any = Growing()
    return Filling(roles, MATERIAL, Ledger(), Offered(1, 1), "", lambda _: None)


def test_a_soak_watches_once_what_is_kept_is_full_and_tells_what_filling_it_took() -> None:
    bench = filling()
    soak(bench, 0.003, 0.001)
    assert bench.summary["soak_held_growth_mib_per_role"] == 0
    assert bench.summary["soak_warm_up_requests"] == 2 * RANKINGS
    assert bench.summary["soak_warm_up_held_growth_mib_per_role"] == RANKINGS
    assert 0 < bench.summary["soak_warm_up_minutes"] < 1
    assert {row["warm_up_held_grown_mib"] for row in bench.rows if "role" in row} == {RANKINGS}
    assert broken(bench.summary) == []


def test_a_filling_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "_FILLED_WITHIN_S", 0)
    monkeypatch.setattr(Filling, "code", "UNAVAILABLE")
    with pytest.raises(BenchError, match=f"{RANKINGS} searches were not answered .* 0 were, and {2 * RANKINGS} failed"):
        soak(filling(), 1, 1)


def test_a_role_that_ends_ends_the_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: Growing) -> None:
        raise BenchError("the search role ended")

    monkeypatch.setattr(Growing, "check_running", ended)
    monkeypatch.setattr(Filling, "code", "UNAVAILABLE")
    with pytest.raises(BenchError, match="the search role ended"):
        soak(filling(), 1, 1)


def test_memory_is_read_until_the_end_of_the_block() -> None:
    with watched(lambda: held_mib(os.getpid()), 0.0001) as samples:
        while len(samples) < 3:
            pass
    assert 0 < samples[0] < resident_mib(os.getpid())


class Applied(Recorded):
    applied_offset = 10


def found(directory: Path, stored: Sequence[str], logged: Sequence[str], *, counted: int | None = None) -> Losses:
    """What is missing of three acknowledged events of one user, who sent four; `counted` more or less than stored."""
    ledger = Ledger()
    ledger.sent["ada"], ledger.acknowledged["ada"] = {"a", "b", "c", "unheard"}, {"a", "b", "c"}
    log = LocalEventLog(directory / "events")
    for each in logged:
        log.append(TOPIC, [to_entry(interaction_of("ada", each))], datetime.now(UTC))
    log.close()
    digests = {event_digest(each): None for each in stored}
    record = UserRecord(events=len(stored) if counted is None else counted, digests=digests)
    store = SqliteStore(directory / "knowledge.sqlite")
    store.load([KeptUser(UserKey("bench", "ada"), record)])
    store.close()
    return losses(Everything(profile=Applied()), ledger, directory)  # type: ignore[arg-type]


def interaction_of(user: str, event_id: str) -> Any:
    event = interaction(user, "query", datetime.now(UTC), query="q", event_id=event_id)
    event.tenant_id = "bench"
    return event


@pytest.mark.parametrize(
    ("stored", "logged", "expected"),
    [
        ("abc", "abc", (0, 0, 0)),
        (["a", "b", "c", "unheard"], ["a", "b", "c", "unheard"], (0, 0, 0)),
        ("ab", "abc", (1, 0, 0)),
        ("abc", "ab", (1, 0, 0)),
        ("abc", "abcc", (0, 0, 1)),
        (["a", "b", "unheard"], "abc", (1, 0, 0)),  # as many as were acknowledged, and one of them is another
        (["a", "b", "c", "never sent"], "abc", (0, 1, 0)),
        ("abc", ["a", "b", "unheard", "unheard"], (1, 0, 1)),
    ],
)
def test_an_acknowledged_event_is_in_the_log_and_counts_once_by_its_id(
    tmp_path: Path, stored: Sequence[str], logged: Sequence[str], expected: tuple[int, int, int]
) -> None:
    result = found(tmp_path, stored, logged)
    assert result.acknowledged == 3
    assert (result.lost, result.counted_twice, result.logged_again) == expected


def test_a_loss_and_an_event_that_counts_twice_do_not_cancel_out(tmp_path: Path) -> None:
    result = found(tmp_path, "ab", "abc", counted=3)
    assert (result.lost, result.counted_twice) == (1, 1)


@pytest.mark.parametrize(("counted", "expected"), [(REMEMBERED_EVENTS + 1, 0), (REMEMBERED_EVENTS + 5, 4)])
def test_of_who_sent_more_than_the_store_knows_by_id_the_number_tells(counted: int, expected: int) -> None:
    sent = {f"{number}" for number in range(REMEMBERED_EVENTS + 1)}
    assert _of_user(UserRecord(events=counted), sent, sent) == (0, expected)


def test_a_user_whom_the_store_does_not_know_has_lost_everything(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.sent["bea"] = ledger.acknowledged["bea"] = {"a"}
    LocalEventLog(tmp_path / "events").close()
    result = losses(Everything(profile=Applied()), ledger, tmp_path)  # type: ignore[arg-type]
    assert (result.missing_in_log, result.missing_in_store, result.counted_twice) == (1, 1, 0)


def test_a_store_that_does_not_get_there_is_told(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.log_end = 11
    with pytest.raises(BenchError, match="has not applied"):
        losses(Everything(profile=Applied()), ledger, tmp_path, within_s=0)  # type: ignore[arg-type]


def test_ports_are_different() -> None:
    assert len(set(free_ports(7))) == 7


def test_what_must_be_zero_is_told_where_it_is_not() -> None:
    assert broken({"steady_failed_requests": 0, "killed_failed_requests": 5}) == []
    assert broken({"acknowledged_events_lost": 2}) == ["acknowledged_events_lost is 2"]


@pytest.mark.parametrize("name", ["steady_requests", "rolling_restart_requests", "unauthorised_calls"])
def test_a_phase_without_calls_is_told(name: str) -> None:
    assert broken({name: 0}) == [f"{name} is 0"]
    assert broken({name: 1}) == []


def test_memory_that_grows_is_told_beyond_the_bar() -> None:
    assert broken({"soak_held_growth_mib_per_role": MOST_HELD_GROWTH_MIB}) == []
    assert broken({"soak_held_growth_mib_per_role": 20}) == ["soak_held_growth_mib_per_role is 20"]


class Replaced:
    """Roles that are away from the first second to the second; one of them ends badly when it is replaced."""

    def replace(self, role: RoleName) -> Window:
        return Window(role, 0, 1, status=-9 if role is RoleName.INGEST else 0)


class Quiet(Bench):
    """With a few calls in place of traffic, and who made them."""

    made: Sequence[Call] = ()
    waited: bool | None = None

    @contextmanager
    def traffic(self, *, wait_for_ready: bool = False, shares: Mapping[str, int] = SHARES) -> Iterator[list[Call]]:
        assert shares is SHARES
        self.waited = wait_for_ready
        yield list(self.made)


def quiet(*made: Call) -> Quiet:
    roles: Any = Replaced()
    bench = Quiet(roles, MATERIAL, Ledger(), Offered(1, 1), "", lambda _: None, apart_s=0)
    bench.made = made
    return bench


def test_a_role_that_ends_badly_is_counted_and_told() -> None:
    bench = quiet(call(0, 1))
    rolling(bench)
    assert bench.waited
    assert {row["role"]: row["status"] for row in bench.rows if "role" in row} == {
        str(role): -9 if role is RoleName.INGEST else 0 for role in RoleName
    }
    assert broken(bench.summary) == ["rolling_restart_ended_badly is 1"]


def test_who_does_not_wait_may_fail_while_a_role_is_away_and_is_counted_under_a_name_of_its_own() -> None:
    beyond = 1 + FOUND_WITHIN_S + 1
    bench = quiet(call(0, 1), call(0, 1, "UNAVAILABLE"), call(beyond, beyond + 1, "UNAVAILABLE"), call(0, 1, "UNKNOWN"))
    rolling_plain(bench)
    assert bench.waited is False
    assert {row["phase"] for row in bench.rows} == {"rolling-plain"}
    assert bench.summary == {
        "rolling_restart_plain_requests": 4,
        "rolling_restart_plain_failed_requests": 3,
        "rolling_restart_plain_failed_outside_windows": 1,
        "rolling_restart_plain_failed_not_retryable": 1,
        "rolling_restart_plain_ended_badly": 1,
    }


def test_what_may_be_tried_again_and_met_a_window_is_not_told() -> None:
    bench = quiet(call(0, 1, "UNAVAILABLE"))
    rolling_plain(bench)
    assert broken(bench.summary) == ["rolling_restart_plain_ended_badly is 1"]


class Started:
    """A process that is up at once, and waits for the one before where that is asked."""

    pid = 0

    def read_line(self) -> str:
        return "{}"

    def has_logged(self, _words: str) -> bool:
        return True

    def ask_to_end(self) -> None:
        pass

    def end_within(self, _seconds: float) -> int:
        return 0


@pytest.mark.parametrize("role", list(RoleName))
def test_a_process_has_metrics_and_one_that_takes_over_has_the_ports_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: RoleName
) -> None:
    settings: list[Mapping[str, str]] = []

    def started(_name: str, _options: Any, given: Mapping[str, str], _log: Path) -> AbstractContextManager[Started]:
        settings.append(given)
        return nullcontext(Started())

    monkeypatch.setattr(roles_module, "own_system", started)
    monkeypatch.setattr(roles_module, "FOUND_WITHIN_S", 0)
    with running_roles(tmp_path, {}) as roles:
        roles.replace(role)
    *first, new = [(each[f"ATTUNE_{role.upper()}_PORT"], each["ATTUNE_METRICS_PORT"]) for each in of(role, settings)]
    assert (new in first) is (role not in SURGED)
    drawn = [each["ATTUNE_METRICS_PORT"] for each in settings]
    assert len(set(drawn)) == len(settings) - (role not in SURGED)
    assert all(int(each) > 0 for each in drawn)


def of(role: RoleName, settings: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return [each for each in settings if f"ATTUNE_{role.upper()}_PORT" in each]


def test_a_corpus_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["bench", "system", "--data", str(tmp_path)])
    assert ended.exit_code == 1
    assert "Traceback" not in ended.output
    assert str(tmp_path) in ended.output
