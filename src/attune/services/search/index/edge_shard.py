"""Shards of the embedded engine: made, opened, and brought up to another one."""

from collections.abc import Collection
from pathlib import Path
from uuid import UUID

import qdrant_edge as edge

from attune.services.search.index.edge_messages import payload_indexes
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import BM25, DENSE
from attune.services.search.index.settings import IndexSettings

_QUANTILE = 0.99
"""Of the values of vectors that int8 tells apart: the few beyond are cut off, and the others told apart more finely."""

_BATCH = 128


def make_shard(path: Path, dimension: int, settings: IndexSettings) -> None:
    """An empty one."""
    edge.EdgeShard.create(str(path), shard_config(dimension, settings)).close()


def load_shard(path: Path, dimension: int, fields: DeclaredFields) -> edge.EdgeShard:
    """Open a shard, with what indexes of fields are missing; graphs of vectors are built later."""
    shard = edge.EdgeShard.load(str(path))
    # One of before passages has no such vector; where there is one, this changes nothing.
    shard.update(
        edge.UpdateOperation.create_dense_vector(
            PASSAGES, dimension, edge.Distance.Cosine, multivector_config=_best_row()
        )
    )
    _index_payload(shard, fields)
    return shard


def bring_up(behind: edge.EdgeShard, ahead: edge.EdgeShard, point_ids: Collection[str]) -> None:
    """Have these points in one shard as they are in another, also where they are gone."""
    ids = list(point_ids)
    for start in range(0, len(ids), _BATCH):
        batch: list[int | UUID | str] = [*ids[start : start + _BATCH]]
        records = ahead.retrieve(batch, with_payload=True, with_vector=True)
        points = [edge.Point(each.id, each.vector or {}, each.payload) for each in records]
        if points:
            behind.update(edge.UpdateOperation.upsert_points(points))
        if gone := set(batch).difference(str(each.id) for each in records):
            behind.update(edge.UpdateOperation.delete_points(list(gone)))


def _index_payload(shard: edge.EdgeShard, fields: DeclaredFields) -> None:
    """Have indexes of what searches are narrowed by, and of nothing else."""
    wanted, found = payload_indexes(fields), shard.info().payload_schema
    for key in found.keys() - wanted.keys():
        shard.update(edge.UpdateOperation.delete_field_index(key))
    for key in wanted.keys() - found.keys():
        shard.update(edge.UpdateOperation.create_field_index(key, wanted[key]))


def shard_config(dimension: int, settings: IndexSettings) -> edge.EdgeConfig:
    """How a shard keeps vectors of that dimension, and builds graphs of them."""
    return edge.EdgeConfig(
        vectors={
            DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine),
            PASSAGES: edge.EdgeVectorParams(dimension, edge.Distance.Cosine, multivector_config=_best_row()),
        },
        sparse_vectors={BM25: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        # Every search is within a tenant: links within it (payload_m) instead of across all of them (m).
        hnsw_config=edge.HnswIndexConfig(
            m=0,
            payload_m=settings.links,
            ef_construct=settings.build_width,
            full_scan_threshold=settings.scanned_anyway_kib,
        ),
        quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=_QUANTILE)
        if settings.is_quantized
        else None,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=settings.scanned_kib),
    )


def _best_row() -> edge.MultiVectorConfig:
    return edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
