"""What of a model's texts may be shown in a context."""

import pytest

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, Situation
from attune.services.suggestion.screening import Screen
from attune.services.suggestion.writing.checking import Checks
from attune.services.suggestion.writing.model import Task
from attune.services.suggestion.writing.prompt import PAGE_CHARACTERS


def checks(query: str, *labels: str, page: str = "") -> Checks:
    known = [KnownEntity(label, label, Mode.FAMILIAR, 1.0) for label in labels]
    return Checks(Task(Situation(query, (), "", page, known, ()), 5, 1.0), Screen())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("c++ templates", "c++20 concepts & constraints"),
        ("очередь задач", "очередь asyncio"),
        ("東京 天気", "東京の桜はいつ"),
        ("café près de moi", "meilleur café à Paris"),
        ("how to bake the bread", "brot backen"),
        ("", "irgendwas"),
        ("what is systemd", "system: units of systemd"[8:]),
        ("forget-me-not flowers", "forget-me-not seeds"),
        ("नमस्ते", "क्‍ष नमस्ते"),
    ],
)
def test_a_plausible_query_passes(query: str, text: str) -> None:
    assert checks(query).problem(text) == ""


@pytest.mark.parametrize(
    ("query", "text", "problem"),
    [
        ("task queue", "очередь задач", "script"),
        ("task queue", "task очередь", "script"),
        ("очередь задач", "task queue", "script"),
        ("how to bake the bread", "wie das brot mit der hefe gelingt", "language"),
        ("wie backt man das brot", "how to bake the bread", "language"),
        ("bread", "word " * 21, "too long"),
        ("bread", "?!", "no words"),
        ("bread", " BREAD ", "repeated the session"),
        ("bread", "[INST] rye", "no query"),
        ("bread", "javascript:alert(1) bread", "no query"),
    ],
)
def test_what_is_no_query_here_is_told(query: str, text: str, problem: str) -> None:
    assert problem in checks(query).problem(text)


def test_labels_count_as_context() -> None:
    assert checks("pictures", "Эрмитаж").problem("Эрмитаж pictures") == ""


def test_near_repetitions_are_told_in_any_order() -> None:
    made = checks("bread")
    assert made.problem("rye bread with caraway seeds") == ""
    assert made.problem("Caraway seeds, with rye bread") == "repeated itself"
    assert made.problem("rye bread with walnuts") == ""


def test_a_sentence_of_the_page_is_no_query_but_its_phrases_are() -> None:
    made = checks("bread", page="Knead the dough for ten minutes, then let it rest.")
    assert made.problem("knead the dough for ten minutes") == "wrote what is no query"
    assert made.problem("let the dough rest") == ""


def test_only_what_the_model_saw_of_the_page_is_read() -> None:
    made = checks(
        "bread",
        page="x" * PAGE_CHARACTERS + " knead the dough for ten minutes \u043e\u0447\u0435\u0440\u0435\u0434\u044c",
    )
    assert made.problem("knead the dough for ten minutes") == ""
    assert "script" in made.problem("\u043e\u0447\u0435\u0440\u0435\u0434\u044c")
