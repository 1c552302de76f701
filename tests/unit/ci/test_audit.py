"""The check for known vulnerabilities: it fails for what nobody accepted, and says where it could not look."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    loader = SourceFileLoader("ci_audit", str(ROOT / ".ci/audit"))
    spec = spec_from_loader("ci_audit", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def report(*distributions: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(distributions), "fixes": []})


GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["GHSA-1", "CVE-1"], "fix_versions": ["3"], "description": "text"}],
}
SKIPPED = {"name": "own", "skip_reason": "not found"}


def test_what_has_none_passes(audit: ModuleType) -> None:
    assert audit.judged(report(GOOD, SKIPPED), {}) == (["1 of 2 distributions audited"], True)


def test_what_has_one_fails_and_names_the_mend(audit: ModuleType) -> None:
    lines, holds = audit.judged(report(GOOD, BAD), {"GHSA-2": "other"})
    assert not holds
    assert lines[-1] == "bad 2: PYSEC-1, mended in 3"


@pytest.mark.parametrize("name", ["PYSEC-1", "GHSA-1", "CVE-1"])
def test_what_is_accepted_passes_with_its_reason(audit: ModuleType, name: str) -> None:
    lines, holds = audit.judged(report(BAD), audit.accepted(f"# why\n{name} we never call it # since May\n"))
    assert holds
    assert lines[-1].endswith("accepted: we never call it")


def test_nothing_is_accepted_without_a_reason(audit: ModuleType) -> None:
    assert audit.accepted("GHSA-1\nGHSA-2   \n# GHSA-3 why\n") == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", "Traceback", "null", report(), report(SKIPPED)])
def test_where_nothing_could_be_looked_up_it_says_so_and_passes(audit: ModuleType, text: str) -> None:
    (line,), holds = audit.judged(text, {})
    assert holds
    assert line.startswith("NOT AUDITED")


def test_the_file_of_accepted_advisories_is_read(audit: ModuleType) -> None:
    assert isinstance(audit.accepted(audit.ACCEPTED.read_text()), dict)
