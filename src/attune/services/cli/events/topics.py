"""`attune events init`: attune's topics in Kafka."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.runtime.config import Config
from attune.services.runtime.stores import kafka_connection

if TYPE_CHECKING:
    from attune.services.runtime.eventlog.kafka_topics import Report

Partitions = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Partitions of interactions, dead letters and removals, 12 where nothing is said: as many workers as may "
        "ever share the work. The other topics have one.",
    ),
]
Replication = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Copies of each, 3 where nothing is said, or as many as there are brokers."),
]
RetentionDays = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=36_500,
        help="For how long interactions are kept, 30 days where nothing is said. A lost store can be built again from "
        "what is kept; a forgotten user's events lie there until they are as old.",
    ),
]


def init(
    partitions: Partitions = None,
    replication: Replication = None,
    retention_days: RetentionDays = None,
    as_json: Json = False,
) -> None:
    """Make the topics that attune needs in Kafka. Those that exist are left as they are, and told where they differ.

    Kafka is where ATTUNE_KAFKA_BOOTSTRAP_SERVERS says.

    Example: ATTUNE_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 attune events init --partitions 24 --retention-days 90
    """
    with told_plainly():
        connection = kafka_connection(Config())
        from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics  # noqa: PLC0415 - an extra

        retention = None if retention_days is None else timedelta(days=retention_days)
        reports = init_topics(connection, Wanted(partitions, replication, retention))
    if as_json:
        print_json({"servers": connection.servers, "topics": [_as_dict(each) for each in reports]})
        return
    _show(reports, connection.servers)


def _as_dict(report: "Report") -> dict[str, Any]:
    return {
        "topic": report.topic,
        "outcome": str(report.outcome),
        "partitions": report.found.partitions,
        "replication": report.found.replication,
        "cleanup_policy": report.found.settings["cleanup.policy"],
        "differences": [{"setting": name, "is": there, "wanted": wanted} for name, there, wanted in report.differences],
    }


def _show(reports: Sequence["Report"], servers: str) -> None:
    table = Table(title=f"topics in {servers}", title_justify="left")
    for name in ("topic", "", "partitions", "copies", "kept"):
        table.add_column(name, overflow="fold")
    for each in reports:
        found = each.found
        table.add_row(
            each.topic, str(each.outcome), str(found.partitions), str(found.replication), _kept(found.settings)
        )
    console.print(table)
    for each in reports:
        for name, there, wanted in each.differences:
            console.print(f"  {each.topic}: {name} is {there}, not {wanted}", style="yellow", soft_wrap=True)
    if any(each.differences for each in reports):
        console.print("Nothing was altered: kafka-configs.sh and kafka-topics.sh --alter do that.")


def _kept(settings: Any) -> str:
    if settings["cleanup.policy"] != "delete":
        return "for ever, by key"
    kept = int(settings["retention.ms"])
    return "for ever" if kept < 0 else f"{kept / timedelta(days=1).total_seconds() / 1000:g} days"
