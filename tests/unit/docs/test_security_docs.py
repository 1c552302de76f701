"""What docs/security.md says of scopes is what is declared."""

import json

from tests.unit.docs.conftest import ROOT, blocks, rows

from attune.services.runtime.security.scopes import SCOPES
from attune.services.runtime.security.static_tokens import StaticTokens

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_the_table_of_scopes_is_what_the_rpcs_declare() -> None:
    listed = {
        name: row[0]
        for row in rows(PAGE, "| scope | who needs it | RPCs |")
        for name in row[2].replace(",", "").split()
    }
    assert listed == {path.rpartition("/")[2]: str(scope) for path, scope in SCOPES.items()}


def test_the_token_file_that_is_shown_is_one(tmp_path) -> None:
    shown = next(block for block in blocks(PAGE, "json") if "sha256:" in block)
    path = tmp_path / "tokens.json"
    path.write_text(shown)
    assert StaticTokens.load(path).tenants == {"acme", "globex"}
    assert len(json.loads(shown)) == 3
