"""What the options of buf.validate demand of a field or message, in words."""

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, OneofDescriptorProto
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from attune.events.v1 import rules_pb2 as _our_rules  # noqa: F401 - registers the extension that holds our own rules
from buf.validate import validate_pb2

_WORDS = {
    "required": "required",
    "const": "{}",
    "in": "one of {}",
    "not_in": "not {}",
    "defined_only": "a value of the enum",
    "finite": "finite",
    "gte": "≥ {}",
    "lte": "≤ {}",
    "len": "bytes = {}",
    "min_len": "characters ≥ {}",
    "max_len": "characters ≤ {}",
    "max_bytes": "bytes ≤ {}",
    "pattern": "matches `{}`",
    "unique": "no two alike",
    "min_items": "items ≥ {}",
    "max_items": "items ≤ {}",
    "max_pairs": "pairs ≤ {}",
}
"""By the name of the rule, in the order in which they are told. One without words is an error, never left out."""

_PARTS = {"items": "each: ", "keys": "keys: ", "values": "values: "}


def field_rules(field: FieldDescriptorProto) -> list[str]:
    """What must hold of a field's value.

    Raises:
        KeyError: The field has a rule that there are no words for.
    """
    return list(_worded(field.options.Extensions[validate_pb2.field]))


def message_rules(message: DescriptorProto) -> list[str]:
    """What must hold among the fields of a message, as callers are told who break it."""
    return [rule.message for rule in message.options.Extensions[validate_pb2.message].cel]


def is_required(oneof: OneofDescriptorProto) -> bool:
    """Whether one of its fields must be set."""
    return oneof.options.Extensions[validate_pb2.oneof].required


def _worded(rules: Message, part: str = "") -> Iterator[str]:
    order = {name: place for place, name in enumerate(_WORDS)}
    for rule, value in sorted(rules.ListFields(), key=lambda pair: order.get(pair[0].name, len(order))):
        if rule.is_extension:
            yield part + _predefined(rule)
        elif isinstance(value, Message) and not isinstance(value, Timestamp):
            yield from _worded(value, _PARTS.get(rule.name, part))
        else:
            yield part + _WORDS[rule.name].format(_shown(value))


def _predefined(rule: FieldDescriptor) -> str:
    """A rule of our own says what it demands."""
    (expression,) = rule.GetOptions().Extensions[validate_pb2.predefined].cel
    return expression.message


def _shown(value: object) -> str:
    match value:
        case Timestamp():
            return value.ToJsonString()
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case str():
            return value
    return ", ".join(_shown(each) for each in value)  # type: ignore[attr-defined]
