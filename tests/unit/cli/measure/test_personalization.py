"""What a session and a history are worth: sets without leaks, controls, folds, harm."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from attune.services.cli.main import app
from attune.services.cli.measure.personalization.cases import Case, CaseSet, Passage
from attune.services.cli.measure.personalization.ground import Grounds, within
from attune.services.cli.measure.personalization.ladder import Inputs, Lesson, fitted, ladder
from attune.services.cli.measure.personalization.report import Folds, Measured, measured_by, summarised
from attune.services.cli.measure.personalization.sets import acm_cr, cosobe, ikat, strangers
from attune.services.search.leaning.gate import FEATURES, Gate
from attune.services.search.leaning.gates import Gates


def write(path: Path, rows: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def judge(path: Path, rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("query-id\tcorpus-id\tscore\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))


def turn(user: str, number: int, utterance: str, response: str) -> dict[str, object]:
    metadata = {"user": user, "turn": number, "utterance": utterance, "response": response}
    return {"_id": f"{user}_{number}", "text": f"{utterance} in full", "metadata": metadata}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    documents = [{"_id": f"d{place}", "title": f"Canal {place}", "text": "Boats on the canal."} for place in range(6)]
    write(tmp_path / "retrieval/ikat/corpus.jsonl", documents)
    turns = [turn("1-1", 2, "and now?", "second"), turn("1-1", 1, "canals?", "first"), turn("1-1", 3, "more?", "third")]
    write(tmp_path / "retrieval/ikat/queries.jsonl", [*turns, turn("1-2", 1, "boats?", "")])
    judge(tmp_path / "retrieval/ikat/qrels/test.tsv", [("1-1_1", "d0", 1), ("1-1_3", "d1", 2), ("1-2_1", "d2", 1)])
    personas = [{"user": "1-1", "ptkb": {"1": "I like canals."}}, {"user": "1-2", "ptkb": {"1": "I row."}}]
    write(tmp_path / "users/ikat/users_ptkb.jsonl", personas)
    return tmp_path


def test_a_session_is_the_last_answer_strictly_before(data: Path) -> None:
    cases = ikat(data).cases
    assert [(each.user, each.query, each.session) for each in cases] == [
        ("1-1", "canals?", ""),
        ("1-1", "more?", "second"),  # of the second turn, which is judged by nobody
        ("1-2", "boats?", ""),
    ]
    assert cases[0].histories["statements"] == ("I like canals.",)


def test_rewritten_queries_are_the_texts(data: Path) -> None:
    assert [each.query for each in ikat(data, rewritten=True).cases][:2] == ["canals? in full", "more? in full"]


def test_a_paper_has_read_what_its_earlier_paragraphs_cite(data: Path) -> None:
    documents = [
        {"_id": f"d{place}", "title": f"T{place}", "text": "x", "metadata": {"keywords": [f"k{place}"]}}
        for place in range(4)
    ]
    directory = data / "retrieval/acm_cr"
    write(directory / "corpus.jsonl", documents)
    (directory / "corpus.jsonl").rename(directory / "corpus.jsonl.gz.plain")
    import gzip  # noqa: PLC0415 - of this test alone

    (directory / "corpus.jsonl.gz").write_bytes(gzip.compress((directory / "corpus.jsonl.gz.plain").read_bytes()))
    paragraphs = [("7003", "third"), ("7001", "first"), ("7002", "second"), ("8001", "other")]
    write(directory / "queries.jsonl", [{"_id": key, "text": text} for key, text in paragraphs])
    rows = [("7001", "d0", 1), ("7002", "d1", 1), ("7003", "d2", 1), ("8001", "d3", 1)]
    judge(directory / "qrels/test.tsv", rows)
    cases = acm_cr(data).cases
    assert [(each.user, each.query, each.session) for each in cases] == [
        ("7", "second", "first"),
        ("7", "third", "second"),
    ]
    assert [each.histories["documents"] for each in cases] == [("T0\nx",), ("T0\nx", "T1\nx")]
    assert cases[1].histories["entities"] == ("k0", "k1")


def test_a_programmer_has_clicked_on_results_of_earlier_queries(data: Path) -> None:
    def asked(query: str, *clicks: int) -> dict[str, object]:
        results = [{"rank": rank, "url": f"u{rank}", "title": f"{query} {rank}"} for rank in (1, 2)]
        return {"query": query, "results": results, "clicks": [{"rank": rank} for rank in clicks]}

    session = {"session": "5", "iterations": [asked("a", 2), asked("b", 1), asked("c")]}
    write(data / "users/cosobe/sessions.jsonl", [session])
    rows = [("5", number, rank, rank) for number in (1, 2, 3) for rank in (1, 2)]
    judge(data / "users/cosobe/labels.tsv", rows)
    cases = cosobe(data).cases
    assert [(each.query, each.session, each.histories["documents"]) for each in cases] == [
        ("b", "a 2", ("a 2",)),
        ("c", "b 1", ("a 2", "b 1")),
    ]
    assert cases[0].grades == {"u1": 1, "u2": 2}
    assert cases[0].pool == ("u1", "u2")


def test_strangers_have_read_what_other_queries_look_for(data: Path) -> None:
    found = strangers(data, "ikat")
    assert found.is_strangers
    texts = {each.id: each.text for each in found.corpus}
    for case in found.cases:
        if len(found.cases) > 3:
            assert not {texts[each] for each in case.grades} & set(case.histories["documents"])
    assert {step.session for step in ladder(type("G", (), {"set": found})())} <= {"another", ""}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["--set", "nosuch"], "has no such corpus"),
        (["--set", "cosobe"], "cannot be read"),
        (["--set", "ikat:many"], "after the colon comes the number of documents, above 0"),
        (["--as-packaged", "--gates", "gates.json"], "with --as-packaged they teach nothing"),
        (["--set", "ikat:0"], "after the colon comes the number of documents, above 0"),
    ],
)
def test_what_is_not_there_is_told(data: Path, wanted: list[str], said: str) -> None:
    found = CliRunner().invoke(app, ["eval", "personalization", "--data", str(data), *wanted])
    assert found.exit_code == 1
    assert said in " ".join(found.stderr.split())


def test_a_directory_of_something_else_is_told(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["eval", "personalization", "--data", str(tmp_path)])
    assert found.exit_code == 1
    assert "has no directory retrieval" in " ".join(found.stderr.split())


def of(*users: str) -> CaseSet:
    return CaseSet("set", [], [Case(user, f"{user}{place}", {}) for place, user in enumerate(users)])


def test_the_other_is_always_another_user_and_the_same_one() -> None:
    cases = of("a", "a", "b", "c", "c", "c")
    others = [cases.others(place).user for place in range(6)]
    assert others == ["b", "b", "c", "a", "a", "a"]
    assert cases.others(5).query == "a1"  # as far in the session, or the last one


def test_conversations_about_one_subject_are_in_one_fold() -> None:
    users = [f"{subject}-{persona}" for subject in range(30) for persona in (1, 2)]
    folds = Folds(users)
    assert all(folds.of(f"{subject}-1") == folds.of(f"{subject}-2") for subject in range(30))
    assert {folds.of(user) for user in users} == set(range(10))


def test_a_gate_has_learned_nothing_of_the_fold_that_it_judges() -> None:
    values = np.random.default_rng(0).standard_normal((40, len(FEATURES)))
    learned = [Lesson("session", place % 2, row, float(row[3]), 1.0) for place, row in enumerate(values)]
    alone = fitted([each for each in learned if each.fold == 1])
    assert np.array_equal(fitted(learned, leave_out=0).session.weights, alone.session.weights)
    assert fitted(learned, leave_out=0).documents.weight(values[0]) == 0  # nobody taught it


def test_of_a_large_corpus_what_is_judged_and_read_stays() -> None:
    corpus = [Passage(str(place), f"word{place} common") for place in range(50)]
    case = Case("u", "word7 word8", {"3": 1}, histories={"documents": ("word4 common",)})
    kept = within(CaseSet("set", corpus, [case]), 4)
    assert [each.id for each in kept.corpus] == ["3", "4", "7", "8"]
    assert within(kept, 0) is kept


def test_of_strangers_stay_so_many_as_need_half_of_the_documents() -> None:
    corpus = [Passage(str(place), f"word{place}") for place in range(50)]
    cases = [
        Case(str(place), f"word{place}", {str(place): 1}, histories={"documents": (f"word{place + 1}",)})
        for place in range(40)
    ]
    kept = within(CaseSet("set", corpus, cases, is_strangers=True), 10)
    assert [case.user for case in kept.cases] == ["0", "1", "2", "3"]
    assert {"0", "1", "2", "3", "4"} <= {each.id for each in kept.corpus}
    assert len(within(CaseSet("set", corpus, cases), 10).cases) == 40  # of users with contexts of their own, all


def measured(name: str, inputs: Inputs, gains: list[float]) -> Measured:
    values = np.array(gains)
    return Measured(name, inputs, np.full(len(values), 0.5), values, values != 0, np.arange(len(values)))


def test_the_summary_names_gains_differences_and_the_worst_harm() -> None:
    own, other = Inputs(history="own", kind="statements"), Inputs(history="another", kind="statements")
    found = summarised(
        [
            measured("ikat", Inputs("own"), [0.2, 0.0]),
            measured("ikat", own, [0.04, 0.0]),
            measured("ikat", other, [-0.02, 0.0]),
            measured("ikat rewritten", Inputs("own"), [-0.2, 0.1]),
            measured("ikat rewritten", Inputs("another"), [-0.9, -0.9]),  # a control, no harm that counts
            measured("ikat rewritten", Inputs("own", "own", "entities"), [-0.9, -0.9]),  # nobody is served that
            measured("cran", Inputs("another"), [0.0, 0.0]),
        ]
    )
    assert found["ndcg_at_10_gain_ikat_session"] == pytest.approx(0.1)
    assert found["ndcg_at_10_gain_ikat_history"] == pytest.approx(0.02)
    assert found["ikat_own_minus_other"] == pytest.approx(0.03)
    assert found["harm_worst_set"] == pytest.approx(-0.05)
    assert found["harmed_query_share"] == 0.5


class Words:
    """Stands where `Texts` does: a text's vector says which letters it has."""

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = [1 + text.lower().count(letter) for text in texts for letter in LETTERS]
        found = np.array(counts, np.float32).reshape(-1, len(LETTERS))
        return found / np.linalg.norm(found, axis=1, keepdims=True)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("are_open", [False, True])
def test_gates_are_judged_as_they_are(are_open: bool) -> None:
    words = ("fox", "quay", "jazz", "zoo")
    corpus = [Passage(f"d{place}", f"the {word} of the town") for place, word in enumerate(words)]
    case = Case("ada", "tell me more about it", {"d2": 1}, "jazz jazz jazz")
    grounds = Grounds(CaseSet("set", corpus, [case]), Words())  # type: ignore[arg-type]
    gate = replace(Gate.closed(), bias=9.0, threshold=0.5) if are_open else Gate.closed()
    plain, dense, own, *_ = measured_by(Gates(gate, gate, gate), [grounds])
    assert (plain.inputs.name, dense.inputs.name, own.inputs.name) == ("plain", "dense alone", "own session")
    assert own.applied.tolist() == [are_open]
    assert (own.gains > 0).tolist() == [are_open]
