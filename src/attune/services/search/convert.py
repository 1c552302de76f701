"""Documents between messages and the index's type."""

from attune.search.v1 import search_pb2 as pb
from attune.services.search.filtering import to_value
from attune.services.search.index.fields import FieldValue
from attune.services.search.index.generations import Generation, GenerationState
from attune.services.search.index.passages import Passage
from attune.services.search.index.port import Document

_STATES = {
    GenerationState.SERVING: pb.GENERATION_STATE_SERVING,
    GenerationState.BUILDING: pb.GENERATION_STATE_BUILDING,
    GenerationState.RETIRED: pb.GENERATION_STATE_RETIRED,
}


def from_message(message: pb.Document) -> Document:
    """A document as the index takes it; its entities are not linked yet."""
    return Document(
        id=message.document_id,
        title=message.title,
        text=message.text,
        domain=message.domain,
        url=message.url,
        attributes=dict(message.attributes),
        fields={name: to_value(value) for name, value in message.fields.items()},
        principals=tuple(dict.fromkeys(message.principals)),
        language=message.language,
    )


def to_message(document: Document) -> pb.Document:
    """A document as callers see it: without the principals that may see it."""
    return pb.Document(
        document_id=document.id,
        title=document.title,
        text=document.text,
        domain=document.domain,
        url=document.url,
        attributes=document.attributes,
        fields={name: _field_value(value) for name, value in document.fields.items()},
        language=document.language,
    )


def of_generation(generation: Generation) -> pb.Generation:
    """A generation as callers see it."""
    return pb.Generation(
        name=generation.name,
        state=_STATES[generation.state],
        model_id=generation.model_id,
        dimension=generation.dimension,
        documents=generation.documents,
    )


def _field_value(value: FieldValue) -> pb.FieldValue:
    if isinstance(value, bool):
        return pb.FieldValue(boolean=value)
    if isinstance(value, float):
        return pb.FieldValue(number=value)
    if isinstance(value, tuple):
        return pb.FieldValue(keywords=pb.Keywords(values=value))
    if isinstance(value, str):
        return pb.FieldValue(keyword=value)
    found = pb.FieldValue()
    found.time.FromDatetime(value)
    return found


def passage_message(document: Document, passage: Passage | None) -> pb.Passage | None:
    """A passage with its text."""
    if passage is None:
        return None
    start, end = passage.span
    return pb.Passage(start=start, end=end, text=document.text[start:end], score=passage.score)
