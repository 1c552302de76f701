"""Writes docs/api, or tells whether it is as it would be written."""

import argparse
import sys
from pathlib import Path

from tools.api_docs.contracts import read
from tools.api_docs.pages import pages

DIRECTORY = Path(__file__).parents[2] / "docs/api"


def main(arguments: list[str] | None = None, directory: Path = DIRECTORY) -> None:
    """Raises SystemExit where pages are stale and only looked at."""
    parser = argparse.ArgumentParser(prog="python -m tools.api_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is stale")
    check = parser.parse_args(arguments).check
    written = pages(read())
    found = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.md")}
    stale = sorted(name for name in {*written, *found} if written.get(name) != found.get(name))
    if check and stale:
        sys.exit(f"docs/api is not what the .proto files say: {', '.join(stale)}. `make api-docs` mends it.")
    for name in [] if check else stale:
        _replace(directory / name, written.get(name))


def _replace(path: Path, text: str | None) -> None:
    """Writes a page, or deletes that of a package that is gone."""
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
