"""`attune user`: what is known of a user, and how to end that."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from attune.knowledge.v1.knowledge_pb2 import GetUserProfileResponse
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json

user = typer.Typer(help="What is known of a user.", no_args_is_help=True)
WHAT_EVENTS_COUNT = (
    "events: queries, openings, stays and verdicts, one by one; where a reason of search says "
    '"read", opening a document and staying on it are one reading'
)
Who = Annotated[str, typer.Argument(help="The user's id.")]


@user.command()
def show(who: Who, token: Token = "", as_json: Json = False) -> None:
    """Show a user's summary, where there is one, and entities, the heaviest first.

    Example: attune user show ada
    """
    with told_plainly(), connect(token) as client:
        profile, entities = client.profile(who), list(client.entities(who))
    if as_json:
        print_json({"profile": as_dict(profile), "entities": [as_dict(each) for each in entities]})
        return
    if profile.HasField("summary"):
        _show_summary(profile)
    table = Table(
        "entity", "events", "weight", "last seen", title=f"{who}: {profile.events} events", caption=WHAT_EVENTS_COUNT
    )
    for each in entities:
        seen = each.evidence.last_seen.ToDatetime()
        table.add_row(each.label, str(each.evidence.total), f"{each.evidence.weight:.2f}", f"{seen:%Y-%m-%d}")
    console.print(table)


def _show_summary(profile: GetUserProfileResponse) -> None:
    summary = profile.summary
    since = max(0, profile.events - summary.events)
    made = f"made {summary.made_at.ToDatetime():%Y-%m-%d}, events since: {since}"
    console.print(f"summary {summary.version} by {escape(summary.made_by)}, {made}", style="dim", highlight=False)
    console.print(escape(summary.text), highlight=False)


@user.command()
def export(who: Who, token: Token = "") -> None:
    """Print everything that is stored of a user, one JSON object a line.

    Example: attune user export ada > ada.jsonl
    """
    with told_plainly(), connect(token) as client:
        for record in client.export(who):
            print_json(as_dict(record))


@user.command()
def forget(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Remove everything of a user, for good: a replay of the log does not bring it back.

    Example: attune user forget ada --yes
    """
    if not yes:
        typer.confirm(f"Remove everything of {who}, for good?", abort=True, err=True)
    with told_plainly(), connect(token) as client:
        answer = client.forget(who)
    if as_json:
        print_json(as_dict(answer))
        return
    for place, count in sorted(answer.removed.items()):
        console.print(f"{place}: {count} removed")
