"""`attune eval routing` on two made-up domains."""

import json
from pathlib import Path

import pytest
from tests.unit.embeddings.conftest import write_tiny_model
from typer.testing import CliRunner

from attune.embeddings.embedder import Embedder
from attune.embeddings.items import EmbedItem
from attune.services.cli.main import app

LETTERS = "abcdefghijklmnopqrst"
WORDS = {"pets": "cat sat on the mat", "trees": "old green trees near water"}


def corpus(directory: Path, words: str) -> Path:
    """Forty documents, and queries of which all but one are judged."""
    (directory / "qrels").mkdir(parents=True)
    documents = [
        {"_id": f"d{each}{more}", "title": each, "text": f"{words} {each} {more}"} for each in LETTERS for more in "xy"
    ]
    queries = [{"_id": f"q{each}", "text": f"{words.split(maxsplit=1)[0]} {each}"} for each in LETTERS]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = "".join(f"q{each}\td{each}x\t1\n" for each in LETTERS[1:])
    (directory / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return directory


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    work = tmp_path_factory.mktemp("routing")
    backbone = write_tiny_model(work / "backbone")
    corpora = [corpus(work / name, words) for name, words in WORDS.items()]
    for each in corpora:
        common = ("--model", work / "model", "--backbone", backbone, "--kind", "axes")
        code, _, err = run("train", "expert", "--domain", each.name, "--corpus", each, *common)
        assert code == 0, err
    return work / "model", corpora


def test_the_share_of_each_domains_texts_that_are_taken_for_its_own(trained, tmp_path):
    model, corpora = trained
    data = [part for each in corpora for part in ("--data", each)]
    out = tmp_path / "routing.json"
    code, printed, err = run("eval", "routing", "--model", model, *data, "--out", out, "--json")
    assert code == 0, err
    made = json.loads(printed)
    assert made == json.loads(out.read_text())
    embedder = Embedder.load(str(model))
    for row, each in zip(made["rows"], corpora, strict=True):
        assert (row["domain"], row["documents"], row["queries"]) == (each.name, 40, 19)
        texts = [json.loads(line)["text"] for line in (each / "queries.jsonl").read_text().splitlines()][1:]
        routed = [result.domain for result in embedder.embed([EmbedItem(text) for text in texts]).results]
        assert row["queries_right"] == pytest.approx(routed.count(each.name) / 19)
    shares = [row["documents_right"] for row in made["rows"]]
    assert made["summary"]["routing_documents"] == pytest.approx(sum(shares) / 2)
    assert out.with_suffix(".md").is_file()


def test_some_of_many_texts_are_drawn_the_same_ones_each_time(trained):
    model, [pets, _] = trained
    command = ("eval", "routing", "--model", model, "--data", pets, "--at-most", 15, "--json")
    first, again = (json.loads(run(*command)[1])["rows"] for _ in range(2))
    assert (first[0]["documents"], first[0]["queries"]) == (15, 15)
    assert first == again


def test_a_corpus_that_is_no_domain_of_the_model_is_refused(trained, tmp_path):
    code, _, err = run("eval", "routing", "--model", trained[0], "--data", corpus(tmp_path / "law", "the mat"))
    assert (code, "the model has no domain 'law': train it, or leave the corpus out" in " ".join(err.split())) == (
        1,
        True,
    )
