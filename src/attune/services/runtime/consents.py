"""What users allow, in the event log: written before the store is changed, and read before any event is.

    attune.consents.v1   all choices of a user that count, anew at each choice. Kept for ever, also when the user is
                         forgotten; of each key, the newest is all that is needed

A store that is built again would learn, without them, what was left out of the lost one. The key is that of the user's
events. Choices are a set: records may be read again, and in any order.
"""

from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from attune.knowledge.v1.consent_pb2 import ConsentRecord, DatedChoice
from attune.knowledge_store.consent import Choice, Consents
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.services.runtime.eventlog.port import EventLog, LogReader, Record
from attune.services.runtime.purposes import purpose_number, purpose_of
from attune.services.runtime.state_topics import append_of_user, read_on, timestamp, unreadable

CONSENTS_TOPIC = "attune.consents.v1"


def append_consents(event_log: EventLog, user: UserKey, consents: Consents, at: datetime) -> None:
    """Make all that a user allows durable in the log."""
    choices = [
        DatedChoice(purpose=purpose_number(each.purpose), granted=each.granted, at=timestamp(each.at))
        for each in consents.choices
    ]
    message = ConsentRecord(tenant_id=user.tenant, user_id=user.user, choices=choices)
    append_of_user(event_log, CONSENTS_TOPIC, user, message, at)


def restore_consents(event_log: LogReader, store: Store) -> None:
    """Let the store take the choices that it has not read yet.

    Raises:
        ConfigError: a record does not tell what a user allows.
    """
    read_on(
        event_log,
        store,
        CONSENTS_TOPIC,
        lambda records, position: store.restore_consents([_parse(each) for each in records], position),
    )


def _parse(record: Record) -> tuple[UserKey, list[Choice]]:
    try:
        message = ConsentRecord.FromString(record.value)
        user = UserKey(message.tenant_id, message.user_id)
        choices = [Choice(each.at.ToDatetime(UTC), purpose_of(each.purpose), each.granted) for each in message.choices]
    except (DecodeError, ValueError) as error:
        raise unreadable(record, "consent") from error
    return user, choices
