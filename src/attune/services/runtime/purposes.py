"""Purposes in three shapes: the library's, the contract's, and as people write them."""

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge_store.consent import Purpose

_PREFIX = "PURPOSE_"


def purpose_number(purpose: Purpose) -> pb.Purpose.ValueType:
    """As messages have it."""
    return pb.Purpose.Value(f"{_PREFIX}{purpose.upper()}")


def purpose_of(number: pb.Purpose.ValueType) -> Purpose:
    """As the library has it. Raises ValueError for the unspecified one and those of a later version."""
    return Purpose(pb.Purpose.Name(number).removeprefix(_PREFIX).lower())


def known_purpose(name: str) -> Purpose:
    """The purpose of a name that somebody wrote. Raises ValueError."""
    try:
        return Purpose(name)
    except ValueError as error:
        raise ValueError(f"purpose {name!r} is unknown: use one of {', '.join(Purpose)}") from error
