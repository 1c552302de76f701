"""`attune train augmenter` and `attune eval finegrained` as commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.embeddings.conftest import write_tiny_model
from typer.testing import CliRunner

from attune.embeddings.embedder import Embedder
from attune.embeddings.items import EmbedItem
from attune.services.cli.main import app

WORDS = ["cat", "sat", "mat", "dogs", "ran", "fast", "under", "some", "old", "green", "trees", "near", "water"]
BM25_READ = "bm25 of what is read"
FIGURES = [
    "keyword_relative_gain",
    "keyword_relative_gain_dropped",
    "part_of_passage_relative_gain",
    "natural_gain",
    "natural_gain_low",
]


def corpus(directory: Path, seed: int, *, judged: bool = True) -> Path:
    random = np.random.default_rng(seed)
    (directory / "qrels").mkdir(parents=True)
    texts = [" ".join(random.choice(WORDS, 150)) for _ in range(30)]
    texts += [f"{each} {' '.join(random.choice(WORDS, 20))}" for each in "abcdefgh"]
    documents = [{"_id": f"d{place}", "title": "", "text": text} for place, text in enumerate(texts)]
    (directory / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    if judged:
        queries = [{"_id": f"q{place}", "text": " ".join(random.choice(WORDS, 3))} for place in range(6)]
        (directory / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
        rows = "".join(f"q{place}\td{place}\t1\n" for place in range(6))
        (directory / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return directory


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def train(*arguments: object) -> dict[str, object]:
    code, out, err = run("train", "augmenter", *arguments, "--steps", 4, "--queries", 64, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "backbone")


def test_levels_are_trained_and_measured_with_their_ablations(backbone, tmp_path):
    common = ("--corpus", corpus(tmp_path / "one", 1), "--vectors", tmp_path / "vectors.npz")
    for kind, *more in (["probes"], ["tower"], ["paired", "--domain", "words"]):
        found = train("--model", tmp_path / kind, "--backbone", backbone, "--kind", kind, *more, *common)
        assert {"keywords", "plain_keywords", "natural"} <= found["metrics"].keys()
    levels = {"plugin": "probes", "query_route": "tower@general:tower", "paired": "paired@words"}
    code, out, err = run(
        "eval",
        "finegrained",
        *("--data", corpus(tmp_path / "two", 2), "--data", corpus(tmp_path / "three", 3, judged=False)),
        *(option for name, place in levels.items() for option in ("--level", f"{name}={tmp_path / place}")),
        *("--level", f"plugin={tmp_path / 'probes'}", "--queries", 12, "--out", tmp_path / "out.json", "--json"),
    )
    assert code == 0, err
    report = json.loads(out)
    assert report == json.loads((tmp_path / "out.json").read_text())
    assert {f"{level}_{figure}" for level in levels for figure in FIGURES} <= report["summary"].keys()
    assert {"fused_keyword_gain", "fused_part_of_passage_gain"} <= report["summary"].keys()
    rows = {(row["level"], row["seed"], row["system"]): row for row in report["rows"]}
    assert {key[:2] for key in rows} == {("plugin", 0), ("query_route", 0), ("paired", 0), ("plugin", 1)}
    assert rows["plugin", 0, "dropped"]["keywords"] == rows["plugin", 0, "plain"]["keywords"]
    assert rows["query_route", 0, "dropped"]["keywords"] != rows["query_route", 0, "plain"]["keywords"]
    plain = {level: rows[level, 0, "plain"] for level in levels}
    assert plain["plugin"]["keywords"] == plain["paired"]["keywords"] == plain["query_route"]["keywords"]
    parts = {system: rows["plugin", 0, system]["parts_of_passages"] for system in ("plain", "bm25", BM25_READ)}
    assert parts["bm25"] > max(parts["plain"], parts[BM25_READ])
    assert 0 < report["summary"]["span_16_unread_share"] < 1


def test_a_level_is_measured_beside_an_expert(backbone, tmp_path):
    common = ("--corpus", corpus(tmp_path / "one", 1))
    model = tmp_path / "me@home"
    train("--model", model, "--backbone", backbone, "--kind", "paired", "--domain", "words", *common)
    train("--model", model, "--kind", "probes", "--domain", "words", *common)
    measure = ("eval", "finegrained", "--data", tmp_path / "one", "--queries", 10, "--json")
    code, out, err = run(*measure, "--level", f"words={model}@words:probes", "--base", "words")
    assert code == 0, err
    rows = {row["system"]: row for row in json.loads(out)["rows"]}
    assert rows["plain"] == rows["dropped"] | {"system": "plain"}
    assert rows["plain"]["keywords"] != rows["applied"]["keywords"]
    _, out, _ = run(*measure, "--level", f"words={model}@words:none")
    alone = {row["system"]: row for row in json.loads(out)["rows"]}
    assert alone["applied"]["keywords"] == rows["plain"]["keywords"] != alone["plain"]["keywords"]
    code, _, err = run(*measure, "--level", f"words={model}", "--base", "law")
    assert code == 1
    assert "--base law: the model of --level words has no such domain" in " ".join(err.split())


def test_augmenting_is_timed_beside_plain_queries(backbone, tmp_path):
    data = ("--corpus", corpus(tmp_path / "one", 1))
    train("--model", tmp_path / "model", "--backbone", backbone, *data)
    code, out, err = run(
        *("bench", "augmentation", "--data", tmp_path / "one", "--queries", 10, "--json"),
        *("--level", f"mine={tmp_path / 'model'}", "--level", f"none={tmp_path / 'model'}@general:none"),
    )
    assert code == 0, err
    report = json.loads(out)
    assert [(row["level"], row["queries"]) for row in report["rows"]] == [("mine", 10), ("none", 10)]
    shares = [report["summary"][f"{name}_added_latency_share"] for name in ("mine", "none")]
    assert report["summary"]["added_latency_share"] == max(shares)
    assert all(row["plain_ms"] > 0 and row["augmented_ms"] > 0 for row in report["rows"])


def test_paired_words_read_what_the_backbone_does_not(backbone, tmp_path):
    model, common = tmp_path / "model", ("--corpus", corpus(tmp_path / "one", 1))
    train("--model", model, "--backbone", backbone, "--kind", "paired", "--domain", "words", *common)
    embedder, first = Embedder.load(str(model), "fp32"), "the cat sat on the mat " * 10
    texts = [f"{first} dogs ran fast", f"{first} old green trees"]
    for domain, same in (("general", True), ("words", False)):
        one, other = (result.vector for result in embedder.embed([EmbedItem(text, domain) for text in texts]).results)
        assert np.allclose(one, other, atol=1e-6) == same


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--kind", "magic"], "kind 'magic' is unknown: use one of statistical"),
        (["--kind", "paired"], "name a domain for them with --domain"),
        (["--kind", "paired", "--domain", "Law"], "domain id 'Law' is malformed"),
        (["--domain", "law"], "no such domain: use one of general, or train its expert first"),
    ],
)
def test_what_cannot_be_made_is_refused_before_a_model_is(backbone, tmp_path, options, problem):
    made = ("--model", tmp_path / "model", "--backbone", backbone, "--corpus", corpus(tmp_path / "one", 1))
    code, _, err = run("train", "augmenter", *made, *options)
    assert code == 1
    assert problem in " ".join(err.split())
    assert not (tmp_path / "model").exists()


def test_a_model_of_vectors_of_any_length_is_refused(tmp_path):
    made = ("--model", tmp_path / "model", "--backbone", write_tiny_model(tmp_path / "long", normalize=False))
    code, _, err = run("train", "augmenter", *made, "--corpus", corpus(tmp_path / "one", 1))
    assert code == 1
    assert "augmenters are for vectors of length 1" in " ".join(err.split())


def test_a_corpus_of_few_documents_is_refused(backbone, tmp_path):
    file = tmp_path / "few.jsonl"
    file.write_text('{"_id": "1", "title": "", "text": "the cat sat"}\n')
    code, _, err = run("train", "augmenter", "--model", tmp_path / "model", "--backbone", backbone, "--corpus", file)
    assert code == 1
    assert "few: 1 passages: at least 10 are needed" in " ".join(err.split())
    assert not (tmp_path / "model").exists()


def test_pairs_of_people_teach_too(backbone, tmp_path):
    pairs = tmp_path / "asked.jsonl"
    rows = [{"a": f"{one} {other}", "b": f"the {one} near the {other}"} for one in WORDS for other in WORDS[:4]]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = ("--model", tmp_path / "model", "--backbone", backbone, "--corpus", corpus(tmp_path / "one", 1))
    found = train(*made, "--pairs", pairs, "--kind", "learned")
    assert found["kind"] == "learned"
    assert found["outcome"] in ("default", "not_better")
    assert found["message"].endswith(f"the default of general, in {tmp_path / 'model'}")


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        ("plugin", "write NAME=PATH"),
        ("plugin={model}@law", "has no domain 'law'"),
        ("plugin={model}@general:learned", "no augmentation 'learned': use one of none"),
    ],
)
def test_a_level_that_is_not_there_is_told(backbone, tmp_path, level, problem):
    level = level.replace("{model}", str(backbone))
    code, _, err = run("eval", "finegrained", "--data", corpus(tmp_path / "one", 1), "--level", level)
    assert code == 1
    assert problem in " ".join(err.split())
