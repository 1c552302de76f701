"""`attune eval merge`: several reports in one file, as what is measured of experts, or of a store, takes several
commands.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Report
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json

_Choice = Callable[[Sequence[float]], float]
_OPTIONS: Mapping[_Choice, str] = {max: "--largest", min: "--smallest"}
_GIVE = "give files that --out of a measurement wrote, of eval or of bench"


def merge(
    *,
    reports: Annotated[list[Path], typer.Argument(help="What --out of other measurements wrote.")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
    largest: Annotated[
        list[str] | None, typer.Option(help="A figure of which the largest counts, not the first; repeated.")
    ] = None,
    smallest: Annotated[list[str] | None, typer.Option(help="One of which the smallest counts; repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Put reports into one file: each as it is, and the figures of all their summaries together.

    Of a figure that several reports have, the first one's counts, or the largest where `--largest` names it, or the
    smallest where `--smallest` does.

    Example: attune eval merge pairs.json retrieval.json routing.json --out experts.json
    """
    with told_plainly():
        found = [_read(file) for file in reports]
        summary = _summary([each["summary"] for each in found], {max: largest or (), min: smallest or ()})
        _write(out, {"summary": summary, "reports": found})
    print_json(summary) if as_json else console.print(f"{len(summary)} figures of {len(found)} reports, in {out}")


def _summary(summaries: Sequence[Mapping[str, float]], chosen: Mapping[_Choice, Collection[str]]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for each in summaries:
        merged = {**each, **merged}
    for choose, name in ((choose, name) for choose, names in chosen.items() for name in names):
        if name not in merged:
            raise SettingError(f"{_OPTIONS[choose]} {name}: no report has it: give one of {', '.join(sorted(merged))}")
        merged[name] = choose([each[name] for each in summaries if name in each])
    return merged


def _read(file: Path) -> Report:
    try:
        found: Report = json.loads(file.read_bytes())
    except OSError as error:
        raise SettingError(f"{file} cannot be read ({error.strerror}): {_GIVE}") from None
    except ValueError:
        raise SettingError(f"{file} is no report, as it is not JSON: {_GIVE}") from None
    if not (isinstance(found, dict) and isinstance(found.get("rows"), list) and _figures(found.get("summary"))):
        raise SettingError(f"{file} is no report, as it has no rows, or no figures in its summary: {_GIVE}")
    return found


def _figures(summary: object) -> bool:
    return isinstance(summary, dict) and all(isinstance(value, int | float) for value in summary.values())


def _write(out: Path, merged: Mapping[str, object]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(merged, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingError(f"--out {out} cannot be written ({error.strerror}): give another file") from None
