"""Documents between messages and the index's type."""

from attune.search.v1 import search_pb2 as pb
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document


def from_message(message: pb.Document) -> Document:
    """A document as the index takes it; its entities are not linked yet."""
    return Document(
        id=message.document_id,
        title=message.title,
        text=message.text,
        domain=message.domain,
        url=message.url,
        attributes=dict(message.attributes),
    )


def to_message(document: Document) -> pb.Document:
    """A document as callers see it."""
    return pb.Document(
        document_id=document.id,
        title=document.title,
        text=document.text,
        domain=document.domain,
        url=document.url,
        attributes=document.attributes,
    )


def passage_message(document: Document, passage: Passage | None) -> pb.Passage | None:
    """A passage with its text."""
    if passage is None:
        return None
    start, end = passage.span
    return pb.Passage(start=start, end=end, text=document.text[start:end], score=passage.score)
