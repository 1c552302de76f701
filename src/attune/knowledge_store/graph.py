"""The catalog as a directed graph: neighbours, containers, and each entity's popularity prior."""

import math
from collections import deque
from dataclasses import dataclass

import networkx as nx

from attune.knowledge_store.catalog import Catalog

CONTAINER_RELATION = "part_of"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entity one edge away; `outgoing` when the edge points from the entity that was asked about to this one."""

    entity_id: str
    relation: str
    outgoing: bool


class CatalogGraph:
    """A networkx MultiDiGraph (edge key = relation) with PageRank priors. Unknown ids have no neighbours."""

    def __init__(self, catalog: Catalog) -> None:
        self.graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self.graph.add_nodes_from(entity.id for entity in catalog)
        for entity in catalog:
            for link in entity.links:
                self.graph.add_edge(entity.id, link.target, key=link.relation)
        self._linked = {
            node: frozenset((*self.graph.successors(node), *self.graph.predecessors(node)))
            for node in self.graph
            if self.graph.degree(node)
        }
        self._priors: dict[str, float] = nx.pagerank(self.graph)
        self._degrees = dict(self.graph.degree())
        self._hubs = {entity_id: 1 + math.log2(1 + degree) for entity_id, degree in self._degrees.items()}
        self._neighbours: dict[str, list[Neighbour]] = {}
        self._closest: dict[str, list[str]] = {}

    def prior(self, entity_id: str) -> float:
        """The entity's PageRank: priors are positive and sum to 1 over the catalog; 0 for an id that is not in it."""
        return self._priors.get(entity_id, 0.0)

    def linked(self, entity_id: str) -> frozenset[str]:
        """The entities one edge away, either way; none for an id that is not in the graph."""
        return self._linked.get(entity_id, frozenset())

    def degree(self, entity_id: str) -> int:
        """How many edges the entity has, either way; 0 for an id that is not in the graph."""
        return self._degrees.get(entity_id, 0)

    def hub(self, entity_id: str) -> float:
        """1 + log2(1 + degree): how little one edge of the entity says."""
        return self._hubs.get(entity_id, 1.0)

    def neighbours(self, entity_id: str) -> list[Neighbour]:
        """Both directions, by relation, then the most popular first, then by id. Sorted once, when first asked for."""
        if entity_id not in self.graph:
            return []
        if entity_id not in self._neighbours:
            self._neighbours[entity_id] = self._sorted_neighbours(entity_id)
        return self._neighbours[entity_id]

    def closest(self, entity_id: str) -> list[str]:
        """The entities one edge away, either way: those with the fewest edges first, then the most popular, then by id.
        Sorted once, when first asked for.
        """
        if entity_id not in self._closest:
            around = self.linked(entity_id)
            self._closest[entity_id] = sorted(around, key=lambda each: (self.hub(each), -self.prior(each), each))
        return self._closest[entity_id]

    def _sorted_neighbours(self, entity_id: str) -> list[Neighbour]:
        outgoing = [
            Neighbour(there, key, outgoing=True) for _, there, key in self.graph.out_edges(entity_id, keys=True)
        ]
        incoming = [Neighbour(here, key, outgoing=False) for here, _, key in self.graph.in_edges(entity_id, keys=True)]
        return sorted(
            outgoing + incoming, key=lambda n: (n.relation, -self.prior(n.entity_id), n.entity_id, n.outgoing)
        )

    def containers(self, entity_id: str) -> list[str]:
        """What the entity is part of, and what that is part of, nearest first; a cycle ends where it closes."""
        found: dict[str, None] = {entity_id: None}
        waiting = deque([entity_id])
        while waiting:
            for container in self._direct_containers(waiting.popleft()):
                if container not in found:
                    found[container] = None
                    waiting.append(container)
        return list(found)[1:]

    def _direct_containers(self, entity_id: str) -> list[str]:
        if entity_id not in self.graph:
            return []
        edges = self.graph.out_edges(entity_id, keys=True)
        targets = (target for _, target, relation in edges if relation == CONTAINER_RELATION)
        return sorted(targets, key=lambda target: (-self.prior(target), target))
