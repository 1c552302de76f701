"""The demo's result on a terminal."""

from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from attune.services.cli.demo.result import Ranking, Result
from attune.services.cli.output import console
from attune.services.cli.user import WHAT_EVENTS_COUNT

_COLOURS = ("cyan", "magenta")


def show(result: Result) -> None:
    """All of it, in the order in which it happened."""
    colours = {store["user"]: colour for store, colour in zip(result.stores, _COLOURS, strict=False)}
    console.print(_opening(result))
    for query in dict.fromkeys(each.query for each in result.rankings):
        console.print(Rule(Text(f"search: {query}", style="bold"), align="left"))
        console.print(_rankings([each for each in result.rankings if each.query == query], colours))
    console.print(Rule(Text("what each may want to ask next", style="bold"), align="left"))
    console.print(_side_by_side([_suggestions(each, colours) for each in result.suggestions]))
    console.print(Rule(Text("what is known of each (entities, never text)", style="bold"), align="left"))
    console.print(_side_by_side([_store(each, colours) for each in result.stores]))
    console.print(Text(WHAT_EVENTS_COUNT, style="dim"))
    console.print(_forgotten(result.forgotten))
    console.print(_times(result))


def _opening(result: Result) -> Panel:
    corpus, indexed = result.corpus, result.indexed
    lines = Group(
        Text.assemble(
            (f"{corpus['documents']:,} documents", "bold"),
            f" of {corpus['name']}, {corpus['entities']:,} entities: ",
            f"{indexed['new']:,} indexed now, {indexed['unchanged']:,} were there already",
        ),
        Text(f"{result.events['sent']} events of two users streamed, {result.events['new']} of them new to the store"),
        Text(f"vectors: {result.machine['model']}, {result.machine['precision']}", style="dim"),
    )
    return Panel(lines, title="[bold]attune demo", title_align="left", border_style="green")


def _rankings(rankings: list[Ranking], colours: dict[str, str]) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1))
    for each in rankings:
        table.add_column(Text(each.user or "nobody", style=f"bold {colours.get(each.user or '', 'white')}"), ratio=1)
    for row in zip(*(each.hits for each in rankings), strict=False):
        table.add_row(*(_hit(hit, place) for place, hit in _placed(row, rankings)))
    return table


def _placed(row: tuple[dict[str, Any], ...], rankings: list[Ranking]) -> list[tuple[int, dict[str, Any]]]:
    return [(each.hits.index(hit) + 1, hit) for hit, each in zip(row, rankings, strict=True)]


def _hit(hit: dict[str, Any], place: int) -> Group:
    moved = hit["plain_rank"] - place
    arrow = Text(f" ▲{moved}", style="green") if moved > 0 else Text("")
    title = Text.assemble(f"{place}. ", (hit["title"] or hit["id"], "bold"), arrow)
    return Group(title, Padding(Text(hit["why"], style="dim"), (0, 0, 0, 3)))


def _suggestions(suggested: dict[str, Any], colours: dict[str, str]) -> RenderableType:
    table = Table(box=None, padding=(0, 1), title=_name(suggested["user"], colours), title_justify="left")
    table.add_column()
    for query, why in zip(suggested["queries"], suggested["why"], strict=True):
        table.add_row(Text.assemble(("→ ", "green"), (query, "bold"), (f"\n  {why}", "dim")))
    return table


def _store(store: dict[str, Any], colours: dict[str, str]) -> RenderableType:
    title = Text.assemble(_name(store["user"], colours), f" · {store['size']} entities")
    table = Table("entity", "events", "weight", "last seen", box=None, padding=(0, 1), title=title)
    table.title_justify = "left"
    for each in store["entities"]:
        table.add_row(each["label"], str(each["events"]), f"{each['weight']:.2f}", each["last_seen"][:10])
    return table


def _forgotten(forgotten: dict[str, Any]) -> Panel:
    removed = ", ".join(
        f"{count} {place.replace('_', ' ')}" for place, count in sorted(forgotten["removed"].items()) if count
    )
    text = Text.assemble(
        (forgotten["user"], "bold"), f" is forgotten: removed {removed}. ", (f"Left: {forgotten['remaining']}.", "bold")
    )
    return Panel(text, border_style="red" if forgotten["remaining"] else "green")


def _times(result: Result) -> Text:
    steps = " · ".join(f"{step.replace('_', ' ')} {seconds:.2f} s" for step, seconds in result.seconds.items())
    return Text(steps, style="dim")


def _name(user: str, colours: dict[str, str]) -> Text:
    return Text(user, style=f"bold {colours.get(user, 'white')}")


def _side_by_side(parts: list[RenderableType]) -> Columns:
    return Columns(parts, equal=True, expand=True)
