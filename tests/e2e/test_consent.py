"""What users allow, over gRPC: what is withdrawn is not done, told, kept through forgetting, loss and kill -9."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import grpc
import pytest
from tests.e2e.conftest import config_in, exported, record_visibly
from tests.e2e.material import QUERY, catalog_lines, reading
from tests.e2e.process import up
from tests.e2e.refusals import refused, rpc
from tests.e2e.test_forgotten_stay_forgotten import (
    after,
    lose_the_store,
    repeat_past_the_recorder,
    search_for,
    started,
)

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.search.v1.search_pb2 import SearchResponse
from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName
from attune.services.runtime.consents import restore_consents
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.purposes import purpose_of
from attune.suggestion.v1.suggestion_pb2 import SuggestQueriesResponse

pytestmark = pytest.mark.e2e


def allowed(consents: list[pb.Consent]) -> dict[str, bool]:
    return {purpose_of(each.purpose): each.granted for each in consents}


def chosen_at(consents: list[pb.Consent], purpose: Purpose) -> datetime:
    (found,) = [each for each in consents if purpose_of(each.purpose) is purpose]
    return found.since.ToDatetime(UTC)


def titles(answer: SearchResponse) -> list[str]:
    return [hit.document.title for hit in answer.hits]


def about(answer: SuggestQueriesResponse) -> set[str]:
    """The entities that they bring in."""
    return {entity_id for each in answer.suggestions for entity_id in each.entity_ids}


def texts(answer: SuggestQueriesResponse) -> list[str]:
    return [each.text for each in answer.suggestions]


# Choosing


def test_everything_is_allowed_until_a_user_says_otherwise(client: Client) -> None:
    consents = client.consents("con-new")
    assert allowed(consents) == dict.fromkeys(Purpose, True)
    assert not any(each.HasField("since") for each in consents)


def test_a_choice_changes_what_it_names_and_is_dated(client: Client) -> None:
    before = datetime.now(UTC)
    answer = client.set_consents("con-set", withdraw=["ranking", "summary"])
    assert answer == client.consents("con-set")
    assert allowed(answer) == {**dict.fromkeys(Purpose, True), "ranking": False, "summary": False}
    assert before <= chosen_at(answer, Purpose.RANKING) <= datetime.now(UTC)
    assert client.set_consents("con-set", withdraw=["ranking"]) == answer
    assert allowed(client.set_consents("con-set", grant=["ranking"], withdraw=["learning"])) == {
        **dict.fromkeys(Purpose, True),
        "learning": False,
        "summary": False,
    }
    assert allowed(client.consents("con-set-other")) == dict.fromkeys(Purpose, True)


def test_a_purpose_that_does_not_exist_is_told_which_ones_do(client: Client) -> None:
    with pytest.raises(ValueError, match="purpose 'fun' is unknown: use one of learning, ranking"):
        client.set_consents("con-fun", grant=["fun"])


def test_an_operator_may_ask_for_consent_first(tmp_path: Path) -> None:
    config = config_in(tmp_path, consent_default="withdrawn")
    roles = [RoleName.KNOWLEDGE, RoleName.INGEST]
    with (
        running_system(config, system_clock, roles=roles) as system,
        Client(Addresses.of(system.config), timeout_s=30) as client,
    ):
        assert allowed(client.consents("una")) == dict.fromkeys(Purpose, False)
        too_soon = client.record([search_for("una", "asyncio", datetime.now(UTC), "1")])
        assert (too_soon.accepted, too_soon.rejected[0].field) == (0, "user_id")
        granted = client.set_consents("una", grant=["learning"])
        since = after(chosen_at(granted, Purpose.LEARNING))
        record_visibly(client, [search_for("una", "asyncio", since, "2")])
        assert client.profile("una").events == 1
        assert allowed(client.consents("una")) == {**dict.fromkeys(Purpose, False), "learning": True}


# Learning


def test_nothing_is_taken_in_while_learning_is_withdrawn(client: Client) -> None:
    record_visibly(client, reading("con-learning", "asyncio.gather"))
    held = exported(client, "con-learning")
    withdrawn_at = after(chosen_at(client.set_consents("con-learning", withdraw=["learning"]), Purpose.LEARNING))
    during = search_for("con-learning", "multiprocessing", withdrawn_at, "during")
    other = search_for("con-learning-other", "multiprocessing", withdrawn_at, "during")
    answer = client.record([other, during])
    assert (answer.accepted, answer.rejected_count) == (1, 1)
    (rejected,) = answer.rejected
    assert (rejected.index, rejected.event_id, rejected.field) == (1, "during", "user_id")
    assert "until SetConsents grants it" in rejected.reason
    kept = [each for each in exported(client, "con-learning") if not each.HasField("consent")]
    assert kept == held  # what was there stays
    after(chosen_at(client.set_consents("con-learning", grant=["learning"]), Purpose.LEARNING))
    again = client.record([during])
    assert (again.accepted, again.rejected[0].field) == (0, "occurred_at")
    record_visibly(client, [search_for("con-learning", "multiprocessing", datetime.now(UTC), "since")])
    assert client.profile("con-learning").events == 2


# Using


def test_search_ranks_plainly_for_who_does_not_allow_more_and_says_so(client: Client) -> None:
    user, plain = "con-ranking", titles(client.search(QUERY))
    record_visibly(client, reading(user, *["multiprocessing.Pool", "multiprocessing.shared_memory"] * 4))
    personal = client.search(QUERY, user=user)
    assert titles(personal) != plain
    assert list(personal.notices) == []
    client.set_consents(user, withdraw=["ranking"])
    answer = client.search(QUERY, user=user)
    assert titles(answer) == plain
    assert not answer.personalization.applied
    assert answer.personalization.reason.startswith("the user does not allow ranking by what is known of them")
    assert "SetConsents grants it" in answer.personalization.reason
    assert list(answer.notices) == []  # said once
    assert not any(hit.explanation.entities for hit in answer.hits)
    client.set_consents(user, grant=["ranking"])
    assert titles(client.search(QUERY, user=user)) == titles(personal)


def test_suggestions_draw_on_the_context_alone_for_who_does_not_allow_more(client: Client) -> None:
    user = "con-suggestion"
    record_visibly(client, reading(user, *["multiprocessing.Pool", "multiprocessing.shared_memory"] * 4))
    personal = client.suggest(QUERY, user=user, limit=50)
    assert any(each.entity_ids for each in personal.suggestions)
    assert client.suggest("", user=user).suggestions
    client.set_consents(user, withdraw=["suggestion"])
    answer = client.suggest(QUERY, user=user, limit=50)
    assert answer.suggestions == client.suggest(QUERY, limit=50).suggestions  # as for nobody
    (notice,) = answer.notices
    assert notice.startswith("user_id: these suggestions draw on the query, its session and documents alone")
    assert list(client.suggest("", user=user).suggestions) == []
    client.set_consents(user, grant=["suggestion"])
    assert texts(client.suggest(QUERY, user=user, limit=50)) == texts(personal)


def test_suggestions_draw_on_the_store_whether_or_not_search_may(client: Client) -> None:
    user = "con-both"
    record_visibly(client, reading(user, *["multiprocessing.Pool", "multiprocessing.shared_memory"] * 4))
    personal = client.suggest(QUERY, user=user, limit=50)
    client.set_consents(user, withdraw=["ranking"])
    answer = client.suggest(QUERY, user=user, limit=50)
    assert about(answer) == about(personal) != set()


def test_a_suggestion_is_removed_and_counts_against_nothing_where_learning_is_not_allowed(client: Client) -> None:
    client.set_consents("con-removal", withdraw=["learning"])
    assert client.remove_suggestion("con-removal", "asyncio", entity_ids=["asyncio"]).entity_ids == []
    assert [each.WhichOneof("record") for each in exported(client, "con-removal")] == [
        "profile",
        "suppressed_suggestion",
        "consent",
    ]


def test_who_asks_with_a_purpose_gets_nothing_of_a_user_who_withholds_it(client: Client, system: System) -> None:
    user, retrieve = "con-purpose", rpc(system.config, RoleName.KNOWLEDGE, "RetrieveEntities")
    record_visibly(client, reading(user, "asyncio.gather"))
    client.set_consents(user, withdraw=["statistics"])
    request = pb.RetrieveEntitiesRequest(user_id=user, query="asyncio.Queue", purpose=pb.PURPOSE_STATISTICS)
    withheld = retrieve(request)
    assert (withheld.withheld, list(withheld.entities)) == (True, [])
    assert list(withheld.context_entity_ids) == ["asyncio.Queue"]
    for purpose in (pb.PURPOSE_UNSPECIFIED, pb.PURPOSE_RANKING):
        request.purpose = purpose
        answer = retrieve(request)
        assert answer.entities
        assert not answer.withheld


# Keeping


def test_an_export_tells_the_choices_and_forgetting_leaves_them(client: Client) -> None:
    client.set_consents("con-export", withdraw=["learning"])
    client.set_consents("con-export", grant=["learning"], withdraw=["ranking"])
    told = [each.consent for each in client.export("con-export") if each.HasField("consent")]
    assert [(purpose_of(each.purpose), each.granted) for each in told] == [
        ("learning", False),
        ("learning", True),
        ("ranking", False),
    ]
    before = client.consents("con-export")
    client.forget("con-export")
    assert client.consents("con-export") == before
    assert [each.consent for each in client.export("con-export") if each.HasField("consent")] == told


def test_a_store_that_is_built_again_holds_the_same(tmp_path: Path) -> None:
    config, users = config_in(tmp_path), ("jon", "kay", "lea")
    past = datetime.now(UTC) - timedelta(hours=1)
    with started(config) as (client, _):
        record_visibly(client, [search_for(user, "asyncio", past, "before") for user in users])
        withdrawn = after(chosen_at(client.set_consents("jon", withdraw=["learning"]), Purpose.LEARNING))
        client.set_consents("kay", withdraw=["ranking", "suggestion"])
        client.set_consents("lea", withdraw=["learning"])
        client.forget("lea")
        during = [search_for(user, "multiprocessing", withdrawn, "during") for user in ("jon", "lea")]
        repeat_past_the_recorder(config, during)
        granted = after(chosen_at(client.set_consents("jon", grant=["learning"]), Purpose.LEARNING))
        repeat_past_the_recorder(config, during)  # logged when it is allowed, of a time when it was not
        record_visibly(client, [search_for("jon", "asyncio.Queue", granted, "since")])
        before = {user: (exported(client, user), client.consents(user)) for user in users}
        assert [client.profile(user).events for user in users] == [2, 1, 0]
    lose_the_store(config)
    with started(config) as (client, _):
        assert {user: (exported(client, user), client.consents(user)) for user in users} == before


# Crashing


class Fickle:
    """A user who grants and withdraws learning in turn, until the service is gone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_under_way = threading.Event()
        self.acknowledged: datetime | None = None
        """When the last choice was made that the service has answered."""

    def choose(self, addresses: Addresses) -> None:
        with Client(addresses, timeout_s=60) as client:
            for number in count():
                choice = {"grant" if number % 2 else "withdraw": ["learning"]}
                self.acknowledged = chosen_at(client.set_consents(self.name, **choice), Purpose.LEARNING)
                if number == 5:
                    self.is_under_way.set()


def of_the_log(directory: Path, users: list[str]) -> dict[str, list[tuple[datetime, bool]]]:
    """What a new store holds after reading the log."""
    log, built = LocalEventLog(directory / "events"), MemoryStore()
    restore_consents(log, built)
    log.close()
    held = built.consents([UserKey("default", user) for user in users])
    return {user.user: [(each.at, each.granted) for each in consents.choices] for user, consents in held.items()}


def of_the_service(client: Client, user: str) -> list[tuple[datetime, bool]]:
    told = [each.consent for each in client.export(user) if each.HasField("consent")]
    return [(each.since.ToDatetime(UTC), each.granted) for each in told]


def test_killed_between_log_and_store_it_knows_every_choice_of_the_log_afterwards(tmp_path: Path) -> None:
    (tmp_path / "catalog.jsonl").write_text(catalog_lines())
    users = [Fickle(f"fickle-{number}") for number in range(4)]
    with up(tmp_path, "--role", "knowledge") as running, ThreadPoolExecutor() as callers:
        addresses = Addresses(knowledge=running.announced["roles"]["knowledge"])
        calls = [callers.submit(user.choose, addresses) for user in users]
        assert all(user.is_under_way.wait(60) for user in users)
        running.kill()
        assert {refused(call.result).code for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    with up(tmp_path, "--role", "knowledge") as running:
        addresses = Addresses(knowledge=running.announced["roles"]["knowledge"])
        with Client(addresses, timeout_s=30) as client:
            told = {user.name: of_the_service(client, user.name) for user in users}
    assert told == of_the_log(tmp_path, list(told))
    assert all(told[user.name][-1][0] >= user.acknowledged for user in users)
