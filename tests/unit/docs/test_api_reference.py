"""docs/api is what the .proto files say, all of it, and they say something of each part."""

import re
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from tests.unit.docs.conftest import ROOT
from tools.api_docs.__main__ import main
from tools.api_docs.contracts import Contracts, read, written_oneofs
from tools.api_docs.pages import pages
from tools.api_docs.rules import field_rules, is_required, message_rules

from attune.services.runtime.security.scopes import SCOPES
from buf.validate import validate_pb2


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    return read()


def message(contracts: Contracts, name: str) -> DescriptorProto:
    return next(each for file in contracts.files for each in file.message_type if each.name == name)


def field(contracts: Contracts, path: str) -> FieldDescriptorProto:
    whole, _, part = path.partition(".")
    return next(each for each in message(contracts, whole).field if each.name == part)


def write_proto(directory: Path, text: str) -> Path:
    path = directory / "attune/x/v1/x.proto"
    path.parent.mkdir(parents=True)
    path.write_text(f'syntax = "proto3";\n// About.\npackage attune.x.v1;\n{text}')
    return directory


def test_every_rpc_message_field_and_value_has_a_comment(contracts: Contracts) -> None:
    assert len(contracts.comments) > 700
    assert contracts.undocumented == []


def test_what_has_no_comment_is_found(tmp_path: Path) -> None:
    text = (
        "// A.\nmessage A {\n  string a = 1;\n  // B.\n  string b = 2;\n  oneof c {\n    // D.\n    bool d = 3; } }\n"
    )
    rest = "// E.\nenum E {\n  E_UNSPECIFIED = 0;\n}\n// S.\nservice S {\n  rpc Do(A) returns (A);\n}\n"
    found = read(write_proto(tmp_path, text + rest)).undocumented
    assert found == [f"attune.x.v1.{name}" for name in ("A.a", "A.c", "E.E_UNSPECIFIED", "S.Do")]


def test_a_contract_that_is_none_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        read(write_proto(tmp_path, "message {"))
    assert "x.proto" in capfd.readouterr().err


def test_the_pages_are_current() -> None:
    main(["--check"])


def test_a_stale_page_is_told_then_written_and_that_of_a_package_that_is_gone_deleted(tmp_path: Path) -> None:
    for name in ("search.md", "gone.md"):
        (tmp_path / name).write_text("old")
    with pytest.raises(SystemExit, match=r"gone\.md.*search\.md.*make api-docs"):
        main(["--check"], tmp_path)
    assert (tmp_path / "search.md").read_text() == "old"
    main([], tmp_path)
    main(["--check"], tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pages(read())


def test_every_part_is_on_a_page(contracts: Contracts) -> None:
    text = "\n".join(pages(contracts).values())
    parts = {name.rpartition(".")[2] for name in contracts.comments if not name.endswith(".proto")}
    assert parts <= set(re.findall(r"\w+", text))


def test_no_page_has_two_headings_that_are_linked_alike(contracts: Contracts) -> None:
    for text in pages(contracts).values():
        headings = Counter(heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
        assert [each for each, count in headings.items() if count > 1] == []


def test_the_index_has_each_rpc_with_its_scope(contracts: Contracts) -> None:
    listed = re.findall(r"^\| \[\w+\.(\w+)\].*\| `(\w+)` \|", pages(contracts)["README.md"], re.MULTILINE)
    assert dict(listed) == {path.rpartition("/")[2]: str(scope) for path, scope in SCOPES.items()}


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("SearchRequest.query", ["characters ≥ 1", "bytes ≤ 8,192"]),
        ("SearchRequest.page_size", ["≥ 0", "≤ 100"]),
        (
            "SearchRequest.user_id",
            ["must have at most 128 characters, none of them a slash or a control character"],
        ),
        (
            "UnlinkObjectsRequest.object_ids",
            ["each: characters ≥ 1", "each: characters ≤ 512", "items ≥ 1", "items ≤ 1,024"],
        ),
        ("InteractionEvent.occurred_at", ["required", "≥ 1970-01-01T00:00:00Z"]),
        ("RemoveSuggestionRequest.all_history", ["true"]),
        ("Hit.score", []),
    ],
)
def test_the_rules_of_a_field_are_told_in_words(contracts: Contracts, path: str, rules: list[str]) -> None:
    assert sorted(field_rules(field(contracts, path))) == sorted(rules)


def test_a_rule_without_words_is_an_error() -> None:
    made = FieldDescriptorProto(name="a")
    made.options.Extensions[validate_pb2.field].string.prefix = "x"
    with pytest.raises(KeyError, match="prefix"):
        field_rules(made)


def test_rules_among_fields_are_told_as_callers_are(contracts: Contracts) -> None:
    assert "dwell_ms is required for dwell events" in message_rules(message(contracts, "InteractionEvent"))


def test_a_oneof_of_the_file_is_told_from_that_of_an_optional_field(contracts: Contracts) -> None:
    assert [each.name for each in written_oneofs(message(contracts, "Filter"))] == ["filter"]
    assert is_required(written_oneofs(message(contracts, "Filter"))[0])
    assert written_oneofs(message(contracts, "EmbeddedItem")) == []


def test_a_page_names_its_sources() -> None:
    text = (ROOT / "docs/api/search.md").read_text(encoding="utf-8")
    assert "[documents.proto](../../protos/attune/search/v1/documents.proto)" in text
