"""How prominent each entity of a catalog is, before any text is read.

popularity(e) = PageRank(e)^PAGERANK_POWER * number(e)^-NUMBER_POWER

The second factor is for catalogs of Wikidata items only (all ids are Q and a number): Wikidata numbers its items in the
order in which people thought of them. (Ours; the powers were fitted on development texts, docs/results/linking.md.)
"""

import re
from collections.abc import Mapping

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph

PAGERANK_POWER = 0.4
NUMBER_POWER = 0.22
_ITEM = re.compile(r"Q([1-9][0-9]{0,17})")


def popularity(catalog: Catalog, graph: CatalogGraph) -> Mapping[str, float]:
    """A positive number for each entity, on no particular scale."""
    ranks = {entity.id: graph.prior(entity.id) ** PAGERANK_POWER for entity in catalog}
    items = {entity.id: _ITEM.fullmatch(entity.id) for entity in catalog}
    if not all(items.values()):
        return ranks
    return {id_: ranks[id_] * int(item[1]) ** -NUMBER_POWER for id_, item in items.items() if item}
