"""What the documentation says holds: links, anchors, settings, commands, RPCs, ports, code blocks."""

import ast
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr
from tests.unit.docs.conftest import PAGES, ROOT, blocks, rows, without_blocks
from typer.main import get_command
from typer.testing import CliRunner

from attune.embedding.v1 import embedding_pb2
from attune.knowledge.v1 import knowledge_pb2
from attune.search.v1 import search_pb2
from attune.services.cli.main import app
from attune.services.runtime.config import Config, RoleName
from attune.suggestion.v1 import suggestion_pb2

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_COMMAND = re.compile(r"`(attune [^`]*)`")
CONTRACTS = (embedding_pb2, knowledge_pb2, search_pb2, suggestion_pb2)


def pages() -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def anchors(page: str) -> set[str]:
    """As GitHub makes them of headings: lower case, no punctuation, hyphens for spaces."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(page)}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in _LINK.findall(without_blocks(page.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", pages())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A (b) c\n[x](nowhere.md) [y](#nothing) [z](#a-b-c) [w](page.md#gone) [v](https://example.com)\n")
    assert broken_links(page) == ["nowhere.md", "#nothing", "page.md#gone"]


def shown_default(default: object) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if value is None or value == "" else f"`{value}`"


def test_the_configuration_table_is_the_configuration(readme: str) -> None:
    settings = [
        [f"`ATTUNE_{name.upper()}`", shown_default(field.default), str(field.description).replace("<", r"\<")]
        for name, field in Config.model_fields.items()
    ]
    assert list(rows(readme, "| setting | default | meaning |")) == settings


def test_the_services_table_has_every_role_and_its_port(readme: str) -> None:
    table = {row[0]: row[1] for row in rows(readme, "| role | port | contract | code | RPCs |")}
    assert table == {str(role): str(Config.model_fields[f"{role}_port"].default) for role in RoleName}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.DESCRIPTOR.package)
def test_the_services_table_names_exactly_the_rpcs(readme: str, contract: ModuleType) -> None:
    role = contract.DESCRIPTOR.package.split(".")[1]
    listed = next(row[4] for row in rows(readme, "| role | port | contract | code | RPCs |") if row[0] == role)
    (service,) = contract.DESCRIPTOR.services_by_name.values()
    assert listed.split(", ") == [method.name for method in service.methods]


def quoted_commands() -> list[str]:
    """`attune ...` in prose, and lines of shell blocks that call it."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line.strip() for block in blocks(text, "sh", "bash") for line in block.splitlines()]
        found |= dict.fromkeys(line for line in lines if line.startswith("attune "))
        found |= dict.fromkeys(_COMMAND.findall(without_blocks(text)))
    return list(found)


def parse_problem(line: str) -> str:
    """Why a quoted command line is none of ours; empty where it is. Arguments may be left out in prose."""
    command: Any = get_command(app)
    words = shlex.split(line, comments=True)[1:]
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        if name.startswith("-"):
            return "" if name == "--help" else f"no option {name}"
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("line", quoted_commands())
def test_a_quoted_command_exists_with_its_options(line: str) -> None:
    assert parse_problem(line) == ""


@pytest.mark.parametrize("line", ["attune fly", "attune user vanish ada", "attune search x --loud"])
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    assert parse_problem(line).startswith("no ")


def test_the_documentation_quotes_commands_at_all() -> None:
    assert len(quoted_commands()) >= 10


def every_command() -> list[tuple[str, ...]]:
    def below(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        children = getattr(command, "commands", {})
        return [path, *(found for name, child in children.items() for found in below(child, (*path, name)))]

    return below(get_command(app), ())


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_has_help_and_a_place_in_the_readme(readme: str, path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert " ".join(("attune", *path)) in readme


@pytest.mark.parametrize("code", [code for page in PAGES for code in blocks(page.read_text(), "python")])
def test_python_blocks_compile(code: str) -> None:
    compile(code, "block", "exec")


def test_grpcurl_lines_name_methods_that_exist(readme: str) -> None:
    services = {
        service.full_name: set(service.methods_by_name)
        for contract in CONTRACTS
        for service in contract.DESCRIPTOR.services_by_name.values()
    }
    called = [method for block in blocks(readme, "sh") for method in re.findall(r"(attune\.[\w.]+)/(\w+)", block)]
    assert called
    assert all(name in services[service] for service, name in called)


def test_every_make_target_that_is_quoted_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    quoted = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert {"demo", "test"} <= quoted <= targets


def test_every_environment_variable_that_is_named_exists() -> None:
    of_tests = {"ATTUNE_TEST_KAFKA_BOOTSTRAP", "ATTUNE_TEST_KAFKA_LIBS", "ATTUNE_TEST_LLM_PYTHON"}
    secrets = {name for name, field in Config.model_fields.items() if field.annotation is SecretStr}
    files = {f"{name}_file" for name in secrets} | {"x", "x_file"}
    known = {f"ATTUNE_{name.upper()}" for name in {*Config.model_fields, *files}} | of_tests
    named = {name for page in PAGES for name in re.findall(r"ATTUNE_[A-Z_]+[A-Z]", page.read_text())}
    assert named <= known


def error_reasons() -> set[str]:
    """The constants that the services hand to ServiceError and its makers, by position."""
    places = {"ServiceError": 1, "failed_precondition": 0, "invalid": 2}
    found = set()
    for path in (ROOT / "src/attune/services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = places.get(node.func.id) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                found.add(node.args[place].value)
    return found


def test_every_reason_of_an_error_is_in_the_readmes_table(readme: str) -> None:
    listed = {row[1] for row in rows(readme, "| code | reason | when | also carries |")}
    assert {"DEADLINE_EXCEEDED", "INTERNAL"} <= error_reasons() <= listed


def test_every_decision_is_listed() -> None:
    listed = set(_LINK.findall((ROOT / "docs/adr/README.md").read_text()))
    assert listed == {path.name for path in (ROOT / "docs/adr").glob("0*.md")}
