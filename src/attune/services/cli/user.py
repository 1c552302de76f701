"""`attune user`: what is known of a user, and how to end that."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from attune.knowledge.v1.knowledge_pb2 import Consent, GetUserProfileResponse
from attune.knowledge_store.consent import Purpose
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.runtime.purposes import purpose_of

user = typer.Typer(help="What is known of a user.", no_args_is_help=True)
WHAT_EVENTS_COUNT = (
    "events: queries, openings, stays and verdicts, one by one; where a reason of search says "
    '"read", opening a document and staying on it are one reading'
)
WHAT_STAYS = "what was learned stays until it is forgotten: attune user forget"
MEANINGS = {
    Purpose.LEARNING: "what the user does adds to the store",
    Purpose.RANKING: "search ranks by the store",
    Purpose.SUGGESTION: "queries are suggested from the store",
    Purpose.SUMMARY: "the store is put into words",
    Purpose.STATISTICS: "the store counts among those of many users",
}
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
def consent(
    who: Who,
    grant: Annotated[list[Purpose] | None, typer.Option("--grant", help="Allow this from now on; repeatable.")] = None,
    withdraw: Annotated[
        list[Purpose] | None, typer.Option("--withdraw", help="Allow this no more from now on; repeatable.")
    ] = None,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Show what a user allows, and grant or withdraw it.

    Example: attune user consent ada --withdraw learning
    """
    with told_plainly(), connect(token) as client:
        changes = bool(grant or withdraw)
        consents = (
            client.set_consents(who, grant=grant or (), withdraw=withdraw or ()) if changes else client.consents(who)
        )
    if as_json:
        print_json({"consents": [_consent(each) for each in consents]})
        return
    table = Table("purpose", "allowed", "since", "what it means", title=f"what {who} allows", caption=WHAT_STAYS)
    for each in consents:
        purpose = purpose_of(each.purpose)
        since = f"{each.since.ToDatetime():%Y-%m-%d %H:%M} UTC" if each.HasField("since") else "by default"
        table.add_row(purpose, "yes" if each.granted else "no", since, MEANINGS[purpose])
    console.print(table)


def _consent(consent: Consent) -> dict[str, Any]:
    """With False, too, which as_dict leaves out as the default."""
    return as_dict(consent) | {"purpose": str(purpose_of(consent.purpose)), "granted": consent.granted}


@user.command()
def export(who: Who, token: Token = "") -> None:
    """Print everything that is stored of a user, one JSON object a line.

    Example: attune user export ada > ada.jsonl
    """
    with told_plainly(), connect(token) as client:
        for record in client.export(who):
            fields = as_dict(record)
            print_json(fields | {"consent": _consent(record.consent)} if "consent" in fields else fields)


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
