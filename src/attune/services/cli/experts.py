"""`attune experts`: the domains of a running service."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from attune.embedding.v1.embedding_pb2 import Augmenter, Domain, ReloadDomainsResponse
from attune.embeddings.errors import SettingError
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.client.augmentations import name_of

experts = typer.Typer(help="The domains that have an expert, in a running service.", no_args_is_help=True)
_MIB = 1 << 20


@experts.command("list")
def show(token: Token = "", as_json: Json = False) -> None:
    """List the domains, with the version of each expert and its memory.

    Example: attune experts list --json
    """
    with told_plainly(), connect(token) as client:
        domains = client.domains()
    if as_json:
        print_json([as_dict(each) for each in domains])
    else:
        _table(domains)


@experts.command()
def reload(token: Token = "", as_json: Json = False) -> None:
    """Load the experts that the model directory names now, without dropping a request.

    Example: attune experts reload
    """
    with told_plainly(), connect(token) as client:
        answer = client.reload_domains()
    if as_json:
        print_json(as_dict(answer))
        return
    _table(answer.domains)
    console.print(_changes(answer), markup=False)


@experts.command()
def route(
    text: Annotated[str, typer.Argument(help="A text of unknown domain.")], token: Token = "", as_json: Json = False
) -> None:
    """Show which domains a text may belong to, the likeliest first.

    Example: attune experts route "sue for breach of contract"
    """
    with told_plainly(), connect(token) as client:
        [found] = client.route_domains([text])
    if as_json:
        print_json(as_dict(found))
        return
    for each in found.domains:
        console.print(f"{each.probability:.3f}  {each.domain}", markup=False)


@experts.command()
def augment(
    text: Annotated[str, typer.Argument(help="A query.")],
    domain: Annotated[str, typer.Option(help="Whose expert embeds it. Default: it is routed.")] = "",
    augmentation: Annotated[str, typer.Option(help="How; none leaves it. Default: the domain's default.")] = "",
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Show how a query's vector is augmented: which tokens move it, and how far.

    Example: attune experts augment "wing flutter at mach 2" --domain cran --augmentation probes
    """
    with told_plainly(), connect(token) as client:
        try:
            found = client.explain_query(text, domain=domain, augmentation=augmentation)
        except ValueError as error:
            raise SettingError(str(error)) from error
    if as_json:
        print_json(as_dict(found))
        return
    kind = name_of(found.augmentation) or "none"
    console.print(f"domain {found.domain}: {kind}, moved by {found.explanation.moved:.3f} (1 - cosine)", markup=False)
    table = Table("token", "weight", "moved")
    for each in found.explanation.influences:
        table.add_row(escape(each.token), f"{each.weight:.2f}", f"{each.moved:.4f}")
    if found.explanation.influences:
        console.print(table)


def _table(domains: Iterable[Domain]) -> None:
    table = Table("domain", "expert", "version", "memory, MiB", "augmenters, MiB", "description")
    for each in domains:
        memory, augmenters = f"{each.memory_bytes / _MIB:.1f}", ", ".join(map(_augmenter, each.augmenters))
        table.add_row(each.domain, each.expert, each.version, memory, augmenters, escape(each.description))
    console.print(table)


def _augmenter(found: Augmenter) -> str:
    name = name_of(found.augmentation) + (" (default)" if found.default else "")
    return f"{name} {found.memory_bytes / _MIB:.1f}"


def _changes(answer: ReloadDomainsResponse) -> str:
    parts = {"added": answer.added, "changed": answer.changed, "removed": answer.removed}
    told = [f"{what} {', '.join(names)}" for what, names in parts.items() if names]
    return "; ".join(told) or "no expert has changed; augmenters were read again"
