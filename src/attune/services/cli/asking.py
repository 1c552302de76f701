"""`attune search`, `attune suggest` and `attune complete`. What others wrote is printed as it is, never as markup."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from attune.services.cli.failures import told_plainly
from attune.services.cli.field_values import to_filter
from attune.services.cli.options import Json, Token, User, connect, known_augmentation
from attune.services.cli.output import as_dict, console, print_json
from attune.suggestion.v1 import suggestion_pb2 as suggestion


def search(  # noqa: PLR0913, PLR0917 - options of a command
    text: Annotated[str, typer.Argument(help="What is searched for.")],
    user: User = "",
    domain: Annotated[list[str] | None, typer.Option(help="Only documents of this domain; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many hits.")] = 10,
    augmentation: Annotated[
        str,
        typer.Option(help="How the query's vector is changed by its tokens; none, probes, ... Default: the domain's."),
    ] = "",
    only: Annotated[
        str,
        typer.Option(
            "--filter",
            help='Only documents with such fields, as JSON: {"condition": {"field": "year", "range": {"gte": '
            '{"number": 2020}}}}.',
        ),
    ] = "",
    principal: Annotated[
        list[str] | None, typer.Option(help="Who asks, as documents name who may see them; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Only documents in this language, such as de; may be repeated.")
    ] = None,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Search, ranked for a user, with reasons.

    Example: attune search "run several tasks at once" --user ada
    """
    with told_plainly(), connect(token) as client:
        known_augmentation(augmentation)
        answer = client.search(
            text,
            user=user,
            domains=domain or [],
            page_size=limit,
            augmentation=augmentation,
            filter=to_filter(only),
            principals=principal or [],
            languages=language or [],
        )
    if as_json:
        print_json(as_dict(answer))
        return
    table = Table("", "document", "score", "why")
    for place, hit in enumerate(answer.hits, start=1):
        title = hit.document.title or hit.document.document_id
        table.add_row(str(place), Text(title), f"{hit.score:.3f}", Text(hit.explanation.summary))
    console.print(table)
    if user:
        console.print(f"personalization: {answer.personalization.reason}", style="dim", markup=False)
    for notice in answer.notices:
        console.print(notice, style="yellow", markup=False)


def suggest(
    text: Annotated[str, typer.Argument(help="What the user asked last; may be empty.")] = "",
    user: User = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many suggestions.")] = 5,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Suggest what a user may want to ask next.

    Example: attune suggest "run several tasks at once" --user ada
    """
    with told_plainly(), connect(token) as client:
        answer = client.suggest(text, user=user, limit=limit)
    if as_json:
        print_json(as_dict(answer))
        return
    table = Table("suggestion", "why")
    for each in answer.suggestions:
        table.add_row(Text(each.text), Text(each.rationale))
    console.print(table)
    if answer.fallback_reason:
        console.print(f"filled up by the ranker: {answer.fallback_reason}", style="yellow", markup=False)
    for notice in answer.notices:
        console.print(notice, style="yellow", markup=False)


def complete(
    text: Annotated[str, typer.Argument(help="What was typed until now; may be empty.")] = "",
    user: User = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many completions.")] = 10,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Complete what a user is typing: from queries that many users asked, the user's own entities, and titles.

    Example: attune complete "asyn" --user ada
    """
    with told_plainly(), connect(token) as client:
        answer = client.complete(text, user=user, limit=limit)
    if as_json:
        print_json(as_dict(answer))
        return
    table = Table("completion", "from")
    for each in answer.completions:
        source = suggestion.SuggestionSource.Name(each.source).removeprefix("SUGGESTION_SOURCE_")
        table.add_row(Text(each.text), source.replace("_", " ").lower())
    console.print(table)
    for notice in answer.notices:
        console.print(notice, style="yellow", markup=False)
