"""The typed Python client: numpy vectors, default deadlines, gRPC's own retries."""

from attune.services.client.channels import Addresses, Tls
from attune.services.client.client import Client
from attune.services.client.events import interaction
from attune.services.client.feedback import feedback
from attune.services.client.paths import path_name
from attune.services.client.records import EventRecord, deletion_record, document_record, event_record
from attune.services.client.suggesting import SuggestionStream

__all__ = [
    "Addresses",
    "Client",
    "EventRecord",
    "SuggestionStream",
    "Tls",
    "deletion_record",
    "document_record",
    "event_record",
    "feedback",
    "interaction",
    "path_name",
]
