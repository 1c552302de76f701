"""What `attune train expert` refuses before it computes anything, and what it leaves behind."""

import json
from pathlib import Path

import pytest
from tests.unit.embeddings.conftest import write_tiny_model
from typer.testing import CliRunner

from attune.services.cli.main import app

LETTERS = "abcdefghijklmnopqrst"


def lines(file: Path, count: int) -> Path:
    rows = [{"a": f"{x} {y} cat", "b": f"{x} {y} mat"} for x in LETTERS for y in LETTERS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:count]))
    return file


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return lines(tmp_path / "pairs.jsonl", 200)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "backbone")


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["train", "expert", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_domain_is_added_and_another_left_as_it_is(pairs, backbone, tmp_path):
    model = tmp_path / "model"
    common = ("--model", model, "--steps", 4, "--batch", 8, "--json")
    code, out, err = run("--domain", "law", "--pairs", pairs, "--backbone", backbone, *common)
    assert code == 0, err
    found = json.loads(out)
    assert found["domain"] == "law"
    assert {"dev", "general_dev", "f1max"} <= found["metrics"].keys()
    manifest = json.loads((model / "experts.json").read_text())
    assert manifest["backbone"]["name"] == "backbone"
    first = manifest["experts"]
    documents = tmp_path / "documents.jsonl"
    documents.write_text(
        "".join(
            json.dumps({"_id": x, "title": "", "text": f"dogs ran near {x} trees."}) + "\n"
            for x in LETTERS + "0123456789ABCD"
        )
    )
    code, out, err = run("--domain", "bio", "--corpus", documents, "--kind", "lora", *common)
    assert code == 0, err
    both = json.loads((model / "experts.json").read_text())["experts"]
    assert both[:1] == first
    assert both[1]["routing"]["file"].startswith("routing/bio-")
    assert list(tmp_path.glob(".model*")) == []


def test_a_whole_model_needs_a_place_of_its_own(pairs, backbone, tmp_path):
    arguments = (
        "--domain",
        "law",
        "--kind",
        "full",
        "--pairs",
        pairs,
        "--backbone",
        backbone,
        "--steps",
        2,
        "--batch",
        4,
    )
    assert run(*arguments, "--model", tmp_path / "whole")[0] == 0
    assert (tmp_path / "whole" / "model.safetensors").is_file()
    code, _, err = run(*arguments, "--model", tmp_path / "whole")
    assert (code, "a model whose shared weights are trained needs a place of its own" in err) == (1, True)


def test_documents_alone_train_nothing_unless_asked_to(backbone, tmp_path):
    documents = tmp_path / "documents.jsonl"
    texts = {f"{x}{y}": f"dogs ran near the {x} {y} trees, and sat." for x in LETTERS for y in "ab"}
    rows = [{"_id": name, "title": name, "text": text} for name, text in texts.items()]
    documents.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("--domain", "bio", "--corpus", documents, "--backbone", backbone)
    code, out, err = run(*arguments, "--model", tmp_path / "m", "--json")
    assert code == 0, err
    tried = [name for name in json.loads(out)["metrics"] if name.startswith("tried_")]
    assert tried == ["tried_axes_dev", "tried_words_dev"]
    assert json.loads((tmp_path / "m" / "training" / "bio.json").read_text()) == []


def test_domains_are_trained_together_with_what_they_share(pairs, backbone, tmp_path):
    arguments = ["--domain", "law", "--pairs", pairs, "--joint", f"bio={pairs}", "--backbone", backbone]
    code, out, err = run(*arguments, "--model", tmp_path / "both", "--steps", 4, "--batch", 4, "--json")
    assert code == 0, err
    assert json.loads(out)["domain"] == "law, bio"
    manifest = json.loads((tmp_path / "both" / "experts.json").read_text())
    assert [each["domain"] for each in manifest["experts"]] == ["law", "bio"]
    again = run(*arguments, "--model", tmp_path / "both")
    assert (again[0], "needs a place of its own" in again[2]) == (1, True)


def test_a_domain_given_twice_is_refused(pairs, backbone, tmp_path):
    twice = ["--joint", f"bio={pairs}"] * 2
    code, _, err = run("--domain", "law", "--pairs", pairs, *twice, "--model", tmp_path / "both")
    assert (code, "--joint bio is given twice" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--domain", "Law"], "domain id 'Law' is malformed"),
        (["--domain", "general"], "domain 'general' is the backbone's own: choose another name"),
        (["--domain", "law", "--pairs", ""], "nothing to train on: give --pairs, --corpus, or both"),
        (["--domain", "law", "--kind", "moe"], "kind 'moe' is unknown: use one of axes, ffn, lora, full"),
        (["--domain", "law", "--joint", "law=pairs.jsonl"], "--joint law: that is --domain itself"),
        (["--domain", "law", "--joint", "general=pairs.jsonl"], "domain 'general' is the backbone's own"),
        (["--domain", "law", "--joint", "bio"], "--joint 'bio': write NAME=PATH"),
        (["--domain", "law", "--joint", "bio=few.jsonl"], "20 different pairs in"),
        (["--domain", "law", "--joint", "bio=pairs.jsonl", "--pairs", ""], "--joint learns from pairs alone"),
        (
            ["--domain", "law", "--joint", "bio=pairs.jsonl", "--kind", "lora"],
            "cannot be trained with --joint: use ffn",
        ),
        (["--domain", "law", "--pairs", "few.jsonl"], "20 different pairs in"),
        (["--domain", "law", "--pairs", "gone.jsonl"], "gone.jsonl cannot be read"),
        (["--domain", "law", "--backbone", "nosuch"], "model directory nosuch does not exist"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_sentence(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "few.jsonl", 20)
    lines(tmp_path / "pairs.jsonl", 100)
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    options = {"--model": "model", "--pairs": "pairs.jsonl"} | given
    code, _, err = run(*(part for name, value in options.items() if value for part in (name, value)))
    assert code == 1
    assert message in " ".join(err.split())
    assert not (tmp_path / "experts.json").exists()


def test_a_directory_of_something_else_is_not_touched(pairs, backbone, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    code, _, err = run("--domain", "law", "--pairs", pairs, "--backbone", backbone, "--model", tmp_path / "model")
    assert (code, [file.name for file in (tmp_path / "model").iterdir()]) == (1, ["notes.txt"])
    assert "has no config.json" in err


def test_a_model_of_another_backbone_is_told(pairs, backbone, tmp_path):
    other = write_tiny_model(tmp_path / "model")
    (other / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes() + b" ")
    code, _, err = run("--domain", "law", "--pairs", pairs, "--backbone", backbone, "--model", other)
    assert code == 1
    assert "has another backbone than backbone: leave --backbone out" in " ".join(err.split())
