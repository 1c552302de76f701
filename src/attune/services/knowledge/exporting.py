"""ExportUser's work: the library's export records (knowledge_store/privacy.py) as messages."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import UserKey, decay, decay_fast
from attune.services.knowledge.convert import label
from attune.services.runtime.purposes import purpose_number

Record = Mapping[str, Any]


def export_messages(knowledge: Knowledge, user: UserKey, now: datetime) -> list[pb.ExportUserResponse]:
    """Everything that is stored of a user, the profile first. A user's store is bounded, and so is this list.

    The library's records have weights as of last_seen, the messages have them as of `now`, like every other answer.
    """
    catalog = knowledge.catalog
    return [_MESSAGES[record["record"]](record, catalog, now) for record in knowledge.export(user)]


def _profile(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    profile = pb.GetUserProfileResponse(
        user_id=record["user"],
        events=record["events"],
        entities=record["entities"],
        first_seen=_time(record["first_seen"]),
        last_seen=_time(record["last_seen"]),
        forgotten_at=_time(record["forgotten_at"]),
    )
    return pb.ExportUserResponse(profile=profile, format=record["format"])


def _entity(record: Record, catalog: Catalog, now: datetime) -> pb.ExportUserResponse:
    elapsed = max(now - datetime.fromisoformat(record["last_seen"]), timedelta(0))
    evidence = pb.EntityEvidence(
        counts=record["counts"],
        total=sum(record["counts"].values()),
        first_seen=_time(record["first_seen"]),
        last_seen=_time(record["last_seen"]),
        weight=record["weight"] * decay(elapsed),
        recent=record["recent"] * decay_fast(elapsed),
    )
    entity_id = record["entity_id"]
    entity = pb.UserEntity(entity_id=entity_id, label=label(catalog, entity_id), evidence=evidence)
    return pb.ExportUserResponse(entity=entity)


def _read_document(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    read = pb.ReadDocument(document_id=record["object_id"], read_at=_time(record["at"]), rejected=record["rejected"])
    return pb.ExportUserResponse(read_document=read)


def _statement(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    return pb.ExportUserResponse(statement=pb.Statement(text=record["text"], said_at=_time(record["at"])))


def _forgotten_entity(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    forgotten = pb.ForgottenEntity(entity_id=record["entity_id"], forgotten_at=_time(record["forgotten_at"]))
    return pb.ExportUserResponse(forgotten_entity=forgotten)


def _suppressed_suggestion(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    return pb.ExportUserResponse(suppressed_suggestion=bytes.fromhex(record["fingerprint"]))


def _suppressed_history(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    return pb.ExportUserResponse(suppressed_history_until=_time(record["until"]))


def _summary(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    fields = {name: record[name] for name in ("text", "version", "events", "made_by")}
    return pb.ExportUserResponse(summary=pb.UserSummary(**fields, made_at=_time(record["made_at"])))


def _consent(record: Record, _catalog: Catalog, _now: datetime) -> pb.ExportUserResponse:
    purpose = purpose_number(Purpose(record["purpose"]))
    return pb.ExportUserResponse(
        consent=pb.Consent(purpose=purpose, granted=record["granted"], since=_time(record["at"]))
    )


def _time(iso: str | None) -> Timestamp | None:
    if iso is None:
        return None
    made = Timestamp()
    made.FromJsonString(iso)
    return made


_MESSAGES: Mapping[str, Callable[[Record, Catalog, datetime], pb.ExportUserResponse]] = {
    "profile": _profile,
    "entity": _entity,
    "read_document": _read_document,
    "statement": _statement,
    "forgotten_entity": _forgotten_entity,
    "suppressed_suggestion": _suppressed_suggestion,
    "suppressed_history": _suppressed_history,
    "summary": _summary,
    "consent": _consent,
}
