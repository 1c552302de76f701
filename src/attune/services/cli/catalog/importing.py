"""`attune catalog import`: a catalog from what there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attune.knowledge_store.importing.report import ImportReport, merges_in_words
from attune.services.cli.catalog import import_options as options
from attune.services.cli.catalog.sources import Import, Wishes, import_catalog
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress

_MIB = 1 << 20


def import_(  # noqa: PLR0913 - options of a command
    *,
    source: options.Source,
    input_: options.Input,
    out: options.Out,
    language: options.Languages = None,
    classes: options.Classes = None,
    no_subclasses: options.NoSubclasses = False,
    ids: options.Ids = None,
    min_sitelinks: options.MinSitelinks = 0,
    property_: options.Properties = None,
    id_: options.Id = "",
    label: options.Label = "",
    alias: options.Aliases = None,
    description: options.Description = "",
    link: options.Links = None,
    separator: options.Separator = "",
    strict: options.Strict = False,
    drop_merges: options.DropMerges = False,
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
    with told_plainly(), _reading(input_) as read:
        import_catalog(source, wishes, Import(input_, out, report, read))
    if as_json:
        print_json({**report.as_dict(), "out": str(out)})
    else:
        _show(report, out)


@contextmanager
def _reading(path: Path) -> Iterator[Callable[[int], None]]:
    """A bar that is told how many bytes of the file were read."""
    with progress() as bar:
        size = path.stat().st_size if path.exists() else 0
        task = bar.add_task(f"reading {path.name}, MiB", total=max(1, size // _MIB))
        yield lambda read: bar.update(task, completed=read // _MIB)


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
