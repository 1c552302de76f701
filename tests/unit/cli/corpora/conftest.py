import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attune.services.cli.corpora.model import Corpus, CorpusDocument, CorpusQuery
from attune.services.cli.corpora.phrases import phrase_entities
from attune.services.cli.corpora.stdlib import load_stdlib


@pytest.fixture(scope="session")
def stdlib() -> Corpus:
    return load_stdlib()


@pytest.fixture
def write_beir(tmp_path: Path) -> Callable[..., Path]:
    """Write a BEIR directory from objects (as JSON) or raw strings; leave out what is None."""

    def write(
        corpus: list[Any] | None, queries: list[Any] | None = None, qrels: str | None = None, name: str = "My Set"
    ) -> Path:
        directory = tmp_path / name
        (directory / "qrels").mkdir(parents=True)
        for file, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
            if lines is not None:
                text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
                (directory / file).write_text(text, encoding="utf-8")
        if qrels is not None:
            (directory / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
        return directory

    return write


TOPICS = (
    ("red fox", "The red fox is near the quiet river at night, and the den of the red fox is under the oak."),
    ("grey wolf", "The grey wolf is near the quiet river in the pack, and the howl of the grey wolf is heard."),
    ("sea otter", "The sea otter is in the cold kelp forest for urchins, and the fur of the sea otter is dense."),
)


@pytest.fixture
def small_corpus() -> Corpus:
    """120 documents: foxes and wolves near a river, otters elsewhere, and filler; two judged queries about each."""
    documents = [
        CorpusDocument(f"d{number}", f"Note {number}", text, "animals")
        for number, text in enumerate(
            TOPICS[n % 3][1] if n < 15 else f"Filler about matter x{n} y{n}." for n in range(120)
        )
    ]
    queries = [CorpusQuery(f"q{n}-{k}", f"where does the {TOPICS[n][0]} live {k}") for n in range(3) for k in range(2)]
    qrels = {
        f"q{n}-{k}": {f"d{n + 3 * k}": 1, f"d{n + 3 * k + 3}": 1, f"d{n + 20}": 0} for n in range(3) for k in range(2)
    }
    return Corpus("animals", documents, phrase_entities(documents), queries, qrels)
