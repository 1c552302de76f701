from dataclasses import replace
from itertools import groupby

import pytest

from attune.services.cli.corpora.histories import MIN_DOCUMENTS, plan_from_corpus
from attune.services.cli.corpora.model import Corpus, CorpusDocument, CorpusError
from attune.services.cli.corpora.plan import MINUTES_PER_DAY, HistoryPlan, PlannedEvent
from attune.services.cli.corpora.scenario import stdlib_plan
from attune.services.cli.corpora.seeds import Topics, choose_seeds

TWO_WEEKS = 14 * MINUTES_PER_DAY


def of_user(plan: HistoryPlan, user: str) -> list[PlannedEvent]:
    return [event for event in plan.events if event.user == user]


def plain(texts: list[str]) -> Corpus:
    return Corpus("plain", [CorpusDocument(f"d{n}", "", text, "plain") for n, text in enumerate(texts)])


def assert_sound(plan: HistoryPlan, corpus: Corpus) -> None:
    ids = {document.id for document in corpus.documents}
    assert plan.shared_queries
    assert all(query.strip() for query in plan.shared_queries)
    assert {event.user for event in plan.events} == set(plan.users)
    assert [event.minutes_ago for event in plan.events] == sorted((e.minutes_ago for e in plan.events), reverse=True)
    for _, group in groupby(sorted(plan.events, key=lambda e: (e.session, -e.minutes_ago)), key=lambda e: e.session):
        session = list(group)
        assert session[0].kind == "query"
        assert [event.kind for event in session[1:]] == ["click", "dwell"] * (len(session) // 2)
        assert len({(event.user, event.query) for event in session}) == 1
    for event in plan.events:
        assert event.query.strip()
        assert (event.object_id in ids and bool(event.title)) == (event.kind != "query")
        assert (event.dwell_ms > 0) == (event.kind == "dwell")
        assert event.minutes_ago > 0


def test_the_stdlib_scenario_is_sound_and_its_documents_exist(stdlib: Corpus) -> None:
    plan = stdlib_plan()
    assert plan.users == ("ada", "bea")
    assert_sound(plan, stdlib)
    assert "read data from a connection" in plan.shared_queries


@pytest.mark.parametrize("user", ["ada", "bea"])
def test_each_stdlib_user_has_recent_topics_and_a_lapsed_one(user: str) -> None:
    events = of_user(stdlib_plan(), user)
    assert 14 <= len(events) <= 35
    assert max(event.minutes_ago for event in events) <= 40 * MINUTES_PER_DAY
    read = {event.object_id.split(".")[0]: event.minutes_ago for event in events if event.kind == "click"}
    lapsed = {module for module, minutes_ago in read.items() if minutes_ago > TWO_WEEKS}
    assert lapsed
    assert len(read.keys() - lapsed) >= 2


def test_the_stdlib_users_read_different_documents() -> None:
    read = [{event.object_id for event in of_user(stdlib_plan(), user)} - {""} for user in ("ada", "bea")]
    assert read[0].isdisjoint(read[1])


def test_users_of_a_corpus_have_different_topics_and_share_a_query(small_corpus: Corpus) -> None:
    plan = plan_from_corpus(small_corpus)
    assert_sound(plan, small_corpus)
    assert plan.users == ("ada", "bea")
    assert plan.shared_queries == ["quiet river"]
    queries = [{event.query for event in of_user(plan, user)} for user in plan.users]
    assert {"where does the red fox live 0", "where does the red fox live 1"} <= queries[0] | queries[1]
    assert any("red fox" in query for query in queries[0]) != any("red fox" in query for query in queries[1])
    assert any("grey wolf" in query for query in queries[0]) != any("grey wolf" in query for query in queries[1])


def test_clicks_are_on_relevant_documents_of_the_judged_query(small_corpus: Corpus) -> None:
    grades = {query.text: small_corpus.qrels[query.id] for query in small_corpus.queries}
    clicks = [
        event for event in plan_from_corpus(small_corpus).events if event.kind == "click" and event.query in grades
    ]
    assert clicks
    assert all(grades[click.query][click.object_id] > 0 for click in clicks)


def test_without_queries_the_topic_is_asked_for(small_corpus: Corpus) -> None:
    corpus = replace(small_corpus, queries=[], qrels={})
    plan = plan_from_corpus(corpus)
    assert_sound(plan, corpus)
    text_of = {document.id: document.text.lower() for document in corpus.documents}
    topics = {e.query for e in plan.events if e.kind == "query" and e.minutes_ago == MINUTES_PER_DAY}
    assert len(topics) == 2
    for event in plan.events:
        if event.kind == "click" and event.query in topics:
            assert event.query in text_of[event.object_id]


def test_a_plan_is_the_same_every_time(small_corpus: Corpus) -> None:
    assert plan_from_corpus(small_corpus) == plan_from_corpus(small_corpus)


@pytest.mark.parametrize(
    "text",
    [
        "every document says the same thing",
        "",
        "unique{n} words{n} only{n}",
        "日本語の文書",
        "1 2 3 ... !",
    ],
)
def test_a_corpus_without_topics_still_gives_two_histories(text: str) -> None:
    corpus = plain([text.format(n=n) for n in range(MIN_DOCUMENTS)])
    plan = plan_from_corpus(corpus)
    assert_sound(plan, corpus)
    read = [{event.object_id for event in of_user(plan, user)} - {""} for user in plan.users]
    assert read[0]
    assert read[0].isdisjoint(read[1])


def test_a_corpus_too_small_is_refused_in_a_sentence() -> None:
    with pytest.raises(CorpusError, match=r"plain: 49 documents are too few .* give a corpus of 50 or more"):
        plan_from_corpus(plain(["x"] * 49))


def test_seeds_are_apart_and_share_what_lies_between(small_corpus: Corpus) -> None:
    topics = Topics(small_corpus)
    seeds = choose_seeds(topics, {"red_fox": 2, "grey_wolf": 2})
    assert seeds is not None
    assert {seeds.first, seeds.second} == {"red_fox", "grey_wolf"}
    assert seeds.between == "quiet_river"
    assert set(topics.documents[seeds.first]).isdisjoint(topics.documents[seeds.second])


def test_no_seeds_where_nothing_lies_between() -> None:
    assert choose_seeds(Topics(plain(["x"] * 60)), {}) is None


def test_one_query_twice_in_the_judgements_is_no_trouble(small_corpus: Corpus) -> None:
    corpus = replace(small_corpus, qrels={**small_corpus.qrels, "unknown": {"d0": 1}, "q0-0": {"gone": 1}})
    assert_sound(plan_from_corpus(corpus), corpus)
