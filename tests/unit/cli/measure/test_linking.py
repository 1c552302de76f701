"""`attune eval linking` on a knowledge base of six entities."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from attune.knowledge_store.linking import Mention
from attune.services.cli.main import app
from attune.services.cli.measure.linking import speed
from attune.services.cli.measure.linking.gold import GoldMention, GoldSet, GoldText, split
from attune.services.cli.measure.linking.scores import Counts, TextResult, calibrated, mention_counts, nil_counts
from attune.services.cli.output import console

ENTITIES = [
    {"qid": "Q1", "label": "Georgia", "aliases": [], "description": "country", "wikipedia": None},
    {"qid": "Q2", "label": "Georgia", "description": "state", "wikipedia": "https://x/wiki/Georgia_(U.S._state)"},
    {"qid": "Q3", "label": "Tbilisi", "description": "city"},
    {"qid": "Q4", "label": "Atlanta", "description": "city", "wikipedia": "https://x/wiki/Atlanta,_Georgia"},
    {"qid": "Q5", "label": "Robert Nardelli", "description": None},
    {"qid": "Q6", "label": "", "description": "nothing is called so"},
]
TRIPLES = "/m/1\tcapital\t/m/3\ttrain\nQ2\tcapital\tQ4\n/m/1\tcapital\t/m/unknown\n"
NEWS = [
    {"text": "From Atlanta to Georgia.", "mentions": [(5, 12, "Q4"), (16, 23, "Q2")]},
    {"text": "Nardelli met Smith.", "mentions": [(0, 8, "Q5"), (13, 18, None)]},
]
QUERIES = [
    {"text": "tbilisi hotels", "entities": [{"surface": "tbilisi", "mid": "/m/3"}, {"surface": "gone", "mid": "/m/1"}]},
    {"text": "no names", "entities": []},
]


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def gold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(speed, "_SECONDS", 0.01)
    directory = tmp_path / "gold"
    directory.mkdir()
    lines(directory / "kb.jsonl", ENTITIES)
    fields = ("start", "end", "qid")
    news = [{**each, "mentions": [dict(zip(fields, m, strict=True)) for m in each["mentions"]]} for each in NEWS]
    lines(directory / "news.jsonl", news)
    lines(directory / "queries.jsonl", QUERIES)
    lines(tmp_path / "entities.jsonl", [{"id": "/m/1", "qid": "Q1"}, {"id": "/m/3", "qid": "Q3"}])
    (tmp_path / "triples.tsv").write_text(TRIPLES)
    return directory


def run(gold: Path, *arguments: object) -> tuple[int, str, str]:
    common = ("eval", "linking", "--data", gold, "--catalog", gold / "kb.jsonl")
    result = CliRunner().invoke(app, list(map(str, (*common, *arguments))))
    return result.exit_code, result.stdout, result.stderr


def test_each_set_has_its_row_and_the_summary_its_means(gold, tmp_path):
    out = tmp_path / "out" / "linking.json"
    code, printed, err = run(gold, "--triples", tmp_path / "triples.tsv", "--out", out, "--json")
    assert code == 0, err
    report = json.loads(printed)
    assert json.loads(out.read_text()) == report
    assert "Entity linking" in out.with_suffix(".md").read_text()
    news, queries, loaded = report["rows"]
    assert (news["set"], news["part"], news["texts"], news["mentions"]) == ("news", "test", 2, 4)
    assert news["covered"] == 0.75
    assert news["accuracy"] == 1.0  # the graph says which Georgia, and Nardelli is a part of a name
    assert news["popularity_accuracy"] == pytest.approx(1 / 3)  # Atlanta only: Q1 is the older Georgia
    assert news["mention_recall"] == pytest.approx(2 / 3)  # but a part alone is not sure enough to be a mention
    assert (news["nil_recall"], news["nil_precision"]) == (1.0, 0.5)
    assert (queries["mentions"], queries["unlocated"], queries["accuracy"]) == (1, 1, 1.0)
    assert (loaded["entities"], loaded["entities_without_label"]) == (5, 1)
    summary = report["summary"]
    assert summary["linking_accuracy_macro"] == 1.0
    assert summary["linking_gain_over_popularity"] == pytest.approx(1 / 3)
    assert summary["linking_gain_over_popularity_low"] <= summary["linking_gain_over_popularity_high"]
    assert summary["linking_short_texts_per_s_per_core"] > 0
    assert summary["linking_documents_per_s_per_core"] > 0
    assert "dropped" in report["machine"]


@pytest.mark.parametrize(
    ("width", "is_whole"),
    [(80, False), (200, True), (300, True)],
)
def test_every_header_can_be_read(gold, monkeypatch, width, is_whole):
    monkeypatch.setattr(console, "_width", width)
    (gold / "news.jsonl").rename(gold / "a-set-called-so.jsonl")
    code, printed, err = run(gold)
    assert code == 0, err
    assert "…" not in printed
    words = set(printed.replace("┃", " ").replace("_", " ").split())
    assert {"set", "part", "texts", "accuracy", "popularity", "mention", "f1", "nil", "a-set-called-so"} <= words
    assert ("unlocated" in words) is is_whole
    left_out = re.search(r"\d of 16 columns, for a narrow terminal: --json or --out has all", printed)  # figures differ
    assert (left_out is None) is is_whole


def test_sets_for_development_are_no_tests(gold):
    code, printed, err = run(gold, "--dev", "news=0.5", "--json")
    assert code == 0, err
    rows = json.loads(printed)["rows"]
    assert [(row["set"], row["part"], row["texts"]) for row in rows[:-1]] == [
        ("news", "dev", 1),
        ("news", "test", 1),
        ("queries", "test", 2),
    ]


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("news.jsonl", '{"text": "a"}', "news.jsonl, line 1, field mentions: missing"),
        ("news.jsonl", '{"text": "a", "mentions": {}}', "field mentions: not a list"),
        ("news.jsonl", '{"text": "a", "mentions": [{"start": 0, "end": 9}]}', "no span of the text"),
        ("news.jsonl", '{"text": "a", "mentions": [{"start": 0, "end": 1, "qid": 5}]}', "qid is a int"),
        ("news.jsonl", '{"text": "a", "entities": [{"surface": "a"}]}', "surface or mid is missing"),
        ("kb.jsonl", '{"label": "a"}', "field qid: missing"),
        ("kb.jsonl", '{"id": "a", "label": "b", "aliases": "c"}', "aliases"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_field(gold, file, content, told):
    (gold / file).write_text(content)
    code, _, err = run(gold)
    assert code == 1
    assert told in err.replace("\n", "")


def test_other_mistakes_are_told(gold, tmp_path):
    assert "no such set" in run(gold, "--dev", "other")[2]
    assert "is no share" in run(gold, "--dev", "news=2")[2]
    (tmp_path / "triples.tsv").write_text("a\tb\n")
    assert "line 1: no tail" in run(gold, "--triples", tmp_path / "triples.tsv")[2]
    empty = tmp_path / "empty"
    empty.mkdir()
    result = CliRunner().invoke(app, ["eval", "linking", "--data", str(empty), "--catalog", str(gold / "kb.jsonl")])
    assert "no .jsonl files" in result.stderr
    everything = run(gold, "--dev", "news", "--dev", "queries")
    assert everything[0] == 1
    assert "no set is left" in everything[2]


def found(start: int, end: int, entity_id: str, score: float) -> Mention:
    return Mention(start, end, "x" * (end - start), entity_id, score, ())


GOLD = GoldText("abcdef", tuple(GoldMention(i, i + 1, frozenset([f"Q{i}"])) for i in range(4)))
RESULT = TextResult(
    gold=GOLD,
    in_kb=(True, True, True, False),
    chosen=("Q0", "Q9", None, "Q7"),
    scores=(1.0, 0.5, float("-inf"), -2.0),
    found=(found(0, 1, "Q0", 1.0), found(1, 2, "Q9", 0.5), found(4, 6, "Q8", -3.0)),
)


def test_a_mention_counts_if_span_and_entity_are_right():
    assert mention_counts([RESULT], -5.0) == Counts(proposed=3, right=1, wanted=3)
    assert mention_counts([RESULT], 0.0) == Counts(proposed=2, right=1, wanted=3)
    assert mention_counts([RESULT], 0.0).f1 == pytest.approx(0.4)
    assert RESULT.right() == [True, False, False]


def test_nil_is_what_has_no_candidate_or_too_low_a_score():
    assert nil_counts([RESULT], 0.0) == Counts(proposed=2, right=1, wanted=1)
    assert nil_counts([RESULT], -5.0) == Counts(proposed=1, right=0, wanted=1)


def test_the_threshold_is_the_lowest_of_the_best():
    assert calibrated([[RESULT]]) == 0.6  # leaves the wrong one out


def test_a_set_is_divided_alike_each_time():
    whole = GoldSet("x", tuple(GoldText(str(i), ()) for i in range(11)))
    first, rest = split(whole, 0.5, seed=0)
    assert (first, rest) == split(whole, 0.5, seed=0)
    assert {*first.texts, *rest.texts} == set(whole.texts)
    assert len(first.texts) == 6
    assert split(whole, 0.5, seed=1) != (first, rest)
