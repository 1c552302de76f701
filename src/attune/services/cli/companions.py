"""`attune store companions`: which entities the same users care about, counted over all who allow it."""

from contextlib import closing
from typing import Annotated

import typer

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.cooccurrence import K, count_companions
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.stores import open_existing_store


def companions(
    at_least: Annotated[int, typer.Option(min=2, help="A pair of entities of fewer users is not kept.")] = K,
    as_json: Json = False,
) -> None:
    """Count which entities the same users care about, so that these are told as neighbours.

    Of each tenant by itself; of users who have withdrawn consent to statistics, nothing counts. What was counted before
    goes: run this every night, and who was forgotten during the day is out of it. Services may go on meanwhile.

    Example: attune store companions --at-least 20
    """
    started = system_clock()
    with told_plainly(), closing(open_existing_store(config := Config())) as opened, progress() as bar:
        bar.add_task("counting", total=None)
        redirects = Catalog.load(config.catalog).redirects if config.catalog.exists() else Catalog.load([]).redirects
        kept = count_companions(opened, redirects, at_least)
    seconds = (system_clock() - started).total_seconds()
    if as_json:
        print_json({"tenants": len(kept), "entities": sum(kept.values()), "at_least": at_least, "seconds": seconds})
        return
    console.print(f"{sum(kept.values())} entities of {len(kept)} tenants have companions, counted in {seconds:.1f} s")
