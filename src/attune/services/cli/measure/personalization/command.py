"""`attune eval personalization`: queries of users with their sessions and histories, beside those of others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.search.leaning.gates import Gates

if TYPE_CHECKING:
    from attune.services.cli.measure.personalization.cases import CaseSet
    from attune.services.cli.measure.personalization.ground import Grounds

_Report: TypeAlias = tuple[list[Row], dict[str, float]]
_PERSONAL = ("ikat", "ikat-rewritten", "acm_cr", "cosobe")


def personalization(  # noqa: PLR0913 - options of a command
    *,
    data: Annotated[Path, typer.Option(help="The directory that has retrieval/ and users/.")],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="ikat, ikat-rewritten, acm_cr, cosobe, or a judged corpus of data; NAME:COUNT bounds its documents in "
            "the place of --at-most-documents; may be repeated.",
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A model directory; without it, the packaged one.")] = None,
    at_most_documents: Annotated[
        int,
        typer.Option(min=0, help="Of a larger corpus, those that are judged or read and the best by words; 0: all."),
    ] = 0,
    vectors: Annotated[
        Path | None, typer.Option(help="Keep vectors in this file, and do not compute again what it has.")
    ] = None,
    gates: Annotated[Path | None, typer.Option(help="Write the gates that all users have taught to this file.")] = None,
    as_packaged: Annotated[
        bool,
        typer.Option("--as-packaged", help="Judge the gates that searches use, on sets that have not taught them."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure what a session and a history add to the plain ranking (dense and BM25, fused), in nDCG@10.

    Gates are cross-fitted by user: nobody is judged by what was learned from them. With --as-packaged they are those
    that searches use. Controls get another user's session or history; of other judged corpora each query gets a
    stranger's. Intervals are of 95%, with users drawn anew.

    Example: attune eval personalization --data ../data --set ikat --set ikat-rewritten
    """
    with told_plainly():
        if as_packaged and gates is not None:
            raise SettingError("--gates writes what the sets have taught, and with --as-packaged they teach nothing")
        names = sets or list(_PERSONAL)
        grounds = _grounds(list(_chosen(data, names, at_most_documents)), model, vectors)
        rows, summary = _as_packaged(grounds) if as_packaged else _cross_fitted(grounds, names, gates)
        made = make_report(rows, summary, system_clock())
        if out is not None:
            write(made, out, page_of("What a session and a history add", made))
    show(made, as_json=as_json, brief=("set", "sees", "ndcg_at_10", "over_plain", "harmed_share"))


def _chosen(data: Path, names: Sequence[str], most: int) -> "Iterator[tuple[CaseSet, int]]":
    """The sets, and how many documents each may have at most."""
    for name in names:
        known, bound = _part(name, most)
        yield _read(data, known), bound


def _cross_fitted(grounds: "Sequence[Grounds]", names: Sequence[str], gates: Path | None) -> _Report:
    """By gates that others have taught; what all have taught goes to the file `gates`."""
    from attune.services.cli.measure.personalization.ladder import fitted  # noqa: PLC0415 - torch
    from attune.services.cli.measure.personalization.report import (  # noqa: PLC0415 - torch
        Folds,
        learned,
        measured,
        summarised,
    )

    folds = Folds([case.user for each in grounds if not each.set.is_strangers for case in each.set.cases])
    taught = learned(grounds, folds)
    found = list(measured(grounds, taught, folds))
    if gates is not None:
        provenance = {"sets": list(names), "lessons": len(taught), "made_by": "attune eval personalization"}
        replace(fitted(taught), provenance=provenance).save(gates)
    return [each.row() for each in found], summarised(found)


def _as_packaged(grounds: "Sequence[Grounds]") -> _Report:
    from attune.services.cli.measure.personalization.report import measured_by, summarised  # noqa: PLC0415 - torch

    found = list(measured_by(Gates.packaged(), grounds))
    return [each.row() for each in found], summarised(found)


def _part(name: str, most: int) -> tuple[str, int]:
    """Of NAME or NAME:COUNT the name, and how many documents at most. Raises SettingError."""
    name, colon, count = name.partition(":")
    if not colon:
        return name, most
    if not count.isdecimal() or not int(count):
        raise SettingError(f"--set {name}:{count}: after the colon comes the number of documents, above 0")
    return name, int(count)


def _read(data: Path, name: str) -> "CaseSet":
    from attune.services.cli.measure.personalization import sets  # noqa: PLC0415 - with the rest

    if not (data / "retrieval").is_dir():
        raise SettingError(f"--data {data}: it has no directory retrieval; give the one that has retrieval/ and users/")
    readers: dict[str, Callable[[], CaseSet]] = {
        "ikat": lambda: sets.ikat(data),
        "ikat-rewritten": lambda: sets.ikat(data, rewritten=True),
        "acm_cr": lambda: sets.acm_cr(data),
        "cosobe": lambda: sets.cosobe(data),
    }
    if name in readers:
        return readers[name]()
    if not (data / "retrieval" / name).is_dir():
        raise SettingError(f"--set {name}: {data / 'retrieval'} has no such corpus; give one of {', '.join(_PERSONAL)}")
    return sets.strangers(data, name)


def _grounds(chosen: "Sequence[tuple[CaseSet, int]]", model: Path | None, vectors: Path | None) -> "list[Grounds]":
    from attune.embeddings.embedder import Embedder  # noqa: PLC0415 - torch, which no other command waits for
    from attune.embeddings.stored_vectors import StoredVectors  # noqa: PLC0415
    from attune.services.cli.measure.personalization.ground import Grounds, Texts, within  # noqa: PLC0415

    stored = StoredVectors(vectors)
    with progress() as bar:
        task = bar.add_task("embedding", total=None)
        texts = Texts(Embedder.load(str(model) if model else None), stored, lambda count: bar.advance(task, count))
        try:
            return [Grounds(within(cases, most), texts) for cases, most in chosen]
        finally:
            stored.save()
