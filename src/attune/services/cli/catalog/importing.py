"""`attune catalog import`: a catalog from what there is."""

from pathlib import Path
from typing import Annotated

import typer

from attune.knowledge_store.importing.report import ImportReport, merges_in_words
from attune.services.cli.catalog.sources import Format, Import, Wishes, import_catalog
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress

_MIB = 1 << 20


def import_(  # noqa: PLR0913 - options of a command
    *,
    source: Annotated[Format, typer.Option("--from", help="What the input is.")],
    input_: Annotated[Path, typer.Option("--input", help="A file; .gz and .bz2 are unpacked on the way.")],
    out: Annotated[Path, typer.Option(help="The catalog. It is replaced when the new one is whole; its merges stay.")],
    language: Annotated[
        list[str] | None,
        typer.Option(help="wikidata, RDF: of names and descriptions, the most wanted first; repeatable. Default: en."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="wikidata: instances and subclasses of this, and of its subclasses as the dump's own P279 statements"
            " tell them; a dump without the classes tells none. The dump is read twice. Repeatable.",
        ),
    ] = None,
    no_subclasses: Annotated[
        bool,
        typer.Option("--no-subclasses", help="wikidata: only the classes named by --class; the dump is read once."),
    ] = False,
    ids: Annotated[Path | None, typer.Option(help="wikidata: a file with the ids of the wanted items.")] = None,
    min_sitelinks: Annotated[int, typer.Option(min=0, help="wikidata: pages that an item has at least.")] = 0,
    property_: Annotated[
        list[str] | None,
        typer.Option(
            "--property", help="wikidata, RDF: ID=NAME or IRI=NAME of a property that becomes a link. Default: all."
        ),
    ] = None,
    id_: Annotated[str, typer.Option("--id", help="products: the column of the id.")] = "",
    label: Annotated[str, typer.Option(help="products: the column of the name.")] = "",
    alias: Annotated[list[str] | None, typer.Option(help="products: a column of other names; repeatable.")] = None,
    description: Annotated[str, typer.Option(help="products: the column of the description.")] = "",
    link: Annotated[
        list[str] | None,
        typer.Option(help="products: COLUMN=RELATION; each value becomes an entity that products link to."),
    ] = None,
    separator: Annotated[str, typer.Option(help="products: what stands between several values of a cell.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="End at the first bad line. Default: count them.")] = False,
    drop_merges: Annotated[
        bool,
        typer.Option(
            "--drop-merges", help="Drop merges into entities that the new catalog lacks. Default: nothing is imported."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a catalog of a JSONL file, a Wikidata dump, RDF, or your products. Large files take little memory.

    Nothing is written until all of it is: an import that was broken off leaves the catalog of before, and so does one
    that no entity came of.

    Example: attune catalog import --from wikidata --input latest-all.json.gz --out catalog.jsonl --class Q9143
    """
    wishes = Wishes(
        languages=language or (),
        classes=classes or (),
        no_subclasses=no_subclasses,
        ids=ids,
        min_sitelinks=min_sitelinks,
        properties=property_ or (),
        id=id_,
        label=label,
        aliases=alias or (),
        description=description,
        links=link or (),
        separator=separator,
    )
    report = ImportReport(str(input_), strict, drop_merges)
    with told_plainly(), progress() as bar:
        size = input_.stat().st_size if input_.exists() else 0
        task = bar.add_task(f"reading {input_.name}, MiB", total=max(1, size // _MIB))
        run = Import(input_, out, report, lambda read: bar.update(task, completed=read // _MIB))
        import_catalog(source, wishes, run)
    if as_json:
        print_json({**report.as_dict(), "out": str(out)})
    else:
        _show(report, out)


def _show(report: ImportReport, out: Path) -> None:
    merges = f", {report.merges} merges" if report.merges else ""
    counts = f"{report.entities} entities, {report.aliases} aliases, {report.links} links{merges}"
    console.print(f"{out}: {counts}", markup=False, soft_wrap=True)
    if report.subclasses:
        console.print(f"  of the classes and {report.subclasses} subclasses of theirs", markup=False)
    for reason, count in report.left_out.most_common():
        console.print(f"  left out, {reason}: {count}", markup=False)
    if report.dropped_merges:
        console.print(f"  merges dropped: {merges_in_words(report.dropped_merges)}", style="yellow", markup=False)
    if report.bad_lines:
        console.print(f"  bad lines: {report.bad_lines}", style="yellow")
        for each in report.examples:
            console.print(f"    line {each.number}: {each.reason}", markup=False, highlight=False)
