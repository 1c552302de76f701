"""`attune search`, `attune suggest` and `attune complete`. What others wrote is printed as it is, never as markup."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from attune.embeddings.errors import SettingError
from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1.search_pb2 import SearchResponse
from attune.services.cli.failures import told_plainly
from attune.services.cli.field_values import to_filter
from attune.services.cli.options import Json, Token, User, connect, known_augmentation
from attune.services.cli.output import as_dict, console, print_json
from attune.services.cli.session import PageFile, PageText, PageTitle, Previous, Session, Writer, context_of
from attune.services.cli.session import page_text as text_of_page
from attune.suggestion.v1 import suggestion_pb2 as suggestion

Domains = Annotated[list[str] | None, typer.Option(help="Only documents of this domain; may be repeated.")]
Augmentation = Annotated[
    str,
    typer.Option(help="How the query's vector is changed by its tokens; none, probes, ... Default: the domain's."),
]
Only = Annotated[
    str,
    typer.Option(
        "--filter",
        help='Only documents with such fields, as JSON: {"condition": {"field": "year", "range": {"gte": '
        '{"number": 2020}}}}.',
    ),
]
Principals = Annotated[
    list[str] | None, typer.Option(help="Who asks, as documents name who may see them; may be repeated.")
]
Languages = Annotated[
    list[str] | None, typer.Option(help="Only documents in this language, such as de; may be repeated.")
]
Rankings = Annotated[
    list[str] | None,
    typer.Option(help="plain, personal, learned or challenger; two of them are interleaved. Default: as configured."),
]
Boosts = Annotated[
    list[str] | None,
    typer.Option(help="A declared boost to count, as NAME or NAME=WEIGHT, of which 0 is none; may be repeated."),
]
Personalization = Annotated[
    float | None,
    typer.Option(
        min=0, max=2, help="How much of what is known of the user and the session counts: 0 is none, 1 usual."
    ),
]
PageToken = Annotated[
    str, typer.Option(help="next_page_token of the page before, as --json prints it; all else must be as it was.")
]
CrossEncoded = Annotated[
    int | None,
    typer.Option(min=0, max=100, help="How many hits the cross-encoder orders. Default: as configured."),
]


def search(  # noqa: PLR0913 - one parameter an option
    text: Annotated[str, typer.Argument(help="What is searched for.")],
    *,
    user: User = "",
    domain: Domains = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many hits.")] = 10,
    augmentation: Augmentation = "",
    only: Only = "",
    principal: Principals = None,
    language: Languages = None,
    session: Annotated[str, typer.Option(help="The visit, in which `attune feedback` holds.")] = "",
    previous: Previous = None,
    personalization: Personalization = None,
    ranking: Rankings = None,
    boost: Boosts = None,
    cross_encoder_candidates: CrossEncoded = None,
    page_token: PageToken = "",
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Search, ranked for a user, with reasons.

    Example: attune search "run several tasks at once" --user ada

    In a session: attune search "and how do I cancel it?" --previous "run several tasks at once"
    """
    with told_plainly(), connect(token) as client:
        known_augmentation(augmentation)
        answer = client.search(
            text,
            user=user,
            context=_with_strength(context_of(session, previous or ()), personalization),
            domains=domain or [],
            page_size=limit,
            page_token=page_token,
            augmentation=augmentation,
            rankings=ranking or [],
            filter=to_filter(only),
            principals=principal or [],
            languages=language or [],
            boosts=_boosts(boost or []),
            cross_encoder_candidates=cross_encoder_candidates,
        )
    if as_json:
        print_json(as_dict(answer))
    else:
        _show_hits(answer, personal=bool(user))


def _show_hits(answer: SearchResponse, *, personal: bool) -> None:
    table = Table("", "document", "score", "why")
    for place, hit in enumerate(answer.hits, start=1):
        title = hit.document.title or hit.document.document_id
        table.add_row(str(place), Text(title), f"{hit.score:.3f}", Text(hit.explanation.summary))
    console.print(table)
    if personal:
        console.print(f"personalization: {answer.personalization.reason}", style="dim", markup=False)
    for notice in answer.notices:
        console.print(notice, style="yellow", markup=False)


def _with_strength(context: Context, personalization: float | None) -> Context:
    if personalization is not None:
        context.personalization = personalization
    return context


def _boosts(choices: Sequence[str]) -> dict[str, float | None]:
    """The weights of boosts by their names; None: the declared one."""
    found: dict[str, float | None] = {}
    for choice in choices:
        name, _, weight = choice.partition("=")
        try:
            found[name] = float(weight) if weight else None
        except ValueError:
            raise SettingError(f"--boost {choice}: {weight!r} is no number: give one, as in fresh=0.1") from None
    return found


def suggest(  # noqa: PLR0913, PLR0917 - an option each, given by name
    text: Annotated[str, typer.Argument(help="What the user asked last; may be empty.")] = "",
    user: User = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many suggestions.")] = 5,
    session: Session = "",
    previous: Previous = None,
    page_title: PageTitle = "",
    page_text: PageText = "",
    page_file: PageFile = None,
    path: Writer = None,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Suggest what a user may want to ask next.

    Example: attune suggest "run several tasks at once" --user ada

    In a session: attune suggest "cancel a task" --previous "run tasks" --path ranker

    Reading a page: attune suggest "cancel a task" --page-title "Coroutines and tasks" --page-file page.txt
    """
    with told_plainly(), connect(token) as client:
        context = context_of(session, previous or (), page_title, text_of_page(page_text, page_file))
        answer = client.suggest(text, user=user, context=context, limit=limit, path=path or "")
    if as_json:
        print_json(as_dict(answer))
        return
    table = Table("suggestion", "why")
    for each in answer.suggestions:
        table.add_row(Text(each.text), Text(each.rationale))
    console.print(table)
    console.print(f"by the {_writers(answer)}", style="dim", markup=False, highlight=False)
    if answer.fallback_reason:
        console.print(f"filled up by the ranker: {answer.fallback_reason}", style="yellow", markup=False)
    for notice in answer.notices:
        console.print(notice, style="yellow", markup=False)


def _writers(answer: suggestion.SuggestQueriesResponse) -> str:
    """Who answered: "ranker", "language model" with its name, or both with how many each wrote."""
    if answer.path != suggestion.SUGGESTION_PATH_LLM:
        return "ranker"
    written = sum(each.path == suggestion.SUGGESTION_PATH_LLM for each in answer.suggestions)
    model = f"language model {answer.usage.model}".strip()
    others = len(answer.suggestions) - written
    return f"{model} ({written}) and the ranker ({others})" if others else model


def complete(
    text: Annotated[str, typer.Argument(help="What was typed until now; may be empty.")] = "",
    user: User = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many completions.")] = 10,
    session: Session = "",
    previous: Previous = None,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Complete what a user is typing: from queries that many users asked, the user's own entities, and titles.

    Example: attune complete "asyn" --user ada

    In a session: attune complete "can" --previous "run tasks"
    """
    with told_plainly(), connect(token) as client:
        answer = client.complete(text, user=user, context=context_of(session, previous or ()), limit=limit)
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
