"""From the library's types to messages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Consents, Purpose
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.history import History
from attune.knowledge_store.linking import Mention
from attune.knowledge_store.model import Entity, EntityState, LinkedEntity, Summary
from attune.knowledge_store.privacy import encode_counts
from attune.knowledge_store.retrieval import Mode, Retrieved
from attune.knowledge_store.store_model import Profile
from attune.services.runtime.purposes import purpose_number

MODES = {
    Mode.FAMILIAR: pb.RETRIEVAL_MODE_FAMILIAR,
    Mode.UNFAMILIAR: pb.RETRIEVAL_MODE_UNFAMILIAR,
    Mode.LAPSED: pb.RETRIEVAL_MODE_LAPSED,
    Mode.NEIGHBOUR: pb.RETRIEVAL_MODE_NEIGHBOUR,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOST_ALIASES = 16
"""Some entities have hundreds, in many languages."""


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A moment as a message; None stays None, which leaves the field out."""
    if moment is None:
        return None
    # By FromDatetime it takes four times as long, and a history has a hundred.
    seconds, microseconds = divmod((moment - _EPOCH) // _MICROSECOND, 1_000_000)
    return Timestamp(seconds=seconds, nanos=1000 * microseconds)


def label(catalog: Catalog, entity_id: str) -> str:
    """An entity's name; its id where the catalog no longer has it."""
    entity = catalog.get(entity_id)
    return entity.label if entity else entity_id


def linked_text(texts: Sequence[Sequence[Mention]]) -> pb.LinkedText:
    """The mentions of one input: those of each of its texts."""
    return pb.LinkedText(
        mentions=[
            pb.Mention(
                text_index=index,
                start=each.start,
                end=each.end,
                surface=each.surface,
                entity_id=each.entity_id,
                score=each.score,
                candidates=[pb.Candidate(entity_id=one.entity_id, score=one.score) for one in each.candidates],
            )
            for index, mentions in enumerate(texts)
            for each in mentions
        ]
    )


def object_entities(object_id: str, linked: Sequence[LinkedEntity]) -> pb.ObjectEntities:
    """The entities of one document."""
    entities = [pb.ObjectEntity(entity_id=each.entity_id, salience=each.salience) for each in linked]
    return pb.ObjectEntities(object_id=object_id, entities=entities)


def user_entity(state: EntityState, catalog: Catalog, now: datetime) -> pb.UserEntity:
    """An entity of a user, with its weight as of now."""
    return pb.UserEntity(
        entity_id=state.entity_id,
        label=label(catalog, state.entity_id),
        evidence=pb.EntityEvidence(
            counts=encode_counts(state.counts),
            total=state.count,
            first_seen=timestamp(state.first_seen),
            last_seen=timestamp(state.last_seen),
            weight=state.weight_at(now),
            recent=state.recent_at(now),
        ),
    )


def tell_retrieved(
    message: pb.RetrievedEntity, found: Retrieved, catalog: Catalog, *, with_aliases: bool = False
) -> None:
    """An entity of a context, as the user knows it, into a message: parts that are made apart are copied, which takes
    twice as long.
    """
    message.entity.entity_id, message.entity.label = found.entity_id, label(catalog, found.entity_id)
    evidence = message.entity.evidence
    evidence.counts.update(encode_counts(found.counts))
    evidence.total, evidence.weight, evidence.recent = found.count, found.weight, found.recent
    if first := timestamp(found.first_seen):
        evidence.first_seen.CopyFrom(first)
    if last := timestamp(found.last_seen):
        evidence.last_seen.CopyFrom(last)
    message.mode, message.score = MODES[found.mode], found.score
    if found.via:
        message.via_entity_id, message.via_label, message.via_users = (
            found.via,
            label(catalog, found.via),
            found.via_users,
        )
    for name, value in found.factors:
        message.factors.add(name=name, value=value)
    if with_aliases and (entity := catalog.get(found.entity_id)):
        message.aliases.extend(entity.aliases[:_MOST_ALIASES])


def profile_response(
    user_id: str, profile: Profile, summary: Summary | None, applied: Mapping[int, int]
) -> pb.GetUserProfileResponse:
    """A user in numbers and in words, and up to where each partition of the log is applied."""
    return pb.GetUserProfileResponse(
        user_id=user_id,
        events=profile.events,
        entities=profile.entities,
        first_seen=timestamp(profile.first_seen),
        last_seen=timestamp(profile.last_seen),
        forgotten_at=timestamp(profile.forgotten_at),
        applied_offset=min(applied.values()),
        applied_offsets=applied,
        summary=user_summary(summary) if summary else None,
    )


def user_history(history: History) -> pb.UserHistory:
    """What a user has read and said."""
    return pb.UserHistory(
        documents=[pb.ReadDocument(document_id=each.text, read_at=timestamp(each.at)) for each in history.readings],
        statements=[pb.Statement(text=each.text, said_at=timestamp(each.at)) for each in history.statements],
    )


def user_summary(summary: Summary) -> pb.UserSummary:
    """A user in a few words."""
    return pb.UserSummary(
        text=summary.text,
        version=summary.version,
        events=summary.events,
        made_at=timestamp(summary.made_at),
        made_by=summary.made_by,
    )


def consent_messages(consents: Consents, *, default: bool) -> list[pb.Consent]:
    """What a user allows, one message for each purpose, in their order."""
    made = []
    for purpose in Purpose:
        newest = consents.newest(purpose)
        made.append(
            pb.Consent(
                purpose=purpose_number(purpose),
                granted=consents.allow(purpose, default=default),
                since=timestamp(newest.at if newest else None),
            )
        )
    return made


def entity_response(entity: Entity, graph: CatalogGraph, catalog: Catalog) -> pb.GetEntityResponse:
    """An entity of the catalog with its edges."""
    links = [
        pb.EntityLink(
            relation=each.relation,
            entity_id=each.entity_id,
            label=label(catalog, each.entity_id),
            incoming=not each.outgoing,
        )
        for each in graph.neighbours(entity.id)
    ]
    return pb.GetEntityResponse(
        entity_id=entity.id,
        label=entity.label,
        aliases=entity.aliases,
        description=entity.description,
        links=links,
        prior=graph.prior(entity.id),
    )
