"""Requests held against the rules in their .proto files."""

import protovalidate
from google.protobuf.message import Message

from attune.services.runtime.errors import FieldViolation, ServiceError, invalid


class Validation:
    """Checks messages against their protovalidate rules; the rules are compiled once per message type."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def violations(self, message: Message) -> list[FieldViolation]:
        """What is wrong with a message, field by field; empty where it is valid. Unknown fields are dropped from it:
        protovalidate reads the message anew, and does not take all that the parser of before it took.
        """
        message.DiscardUnknownFields()
        return [
            FieldViolation(_path(violation), violation.proto.message)
            for violation in self._validator.collect_violations(message)
        ]

    def check(self, message: Message) -> None:
        """Refuse an invalid message.

        Raises:
            ServiceError: INVALID_ARGUMENT with every violation.
        """
        found = self.violations(message)
        if not found:
            return
        first = invalid(found[0].field, found[0].description)
        raise ServiceError(first.code, first.reason, first.message, found)


def _path(violation: protovalidate.Violation) -> str:
    """The path of the field, such as `inputs[3].text`; a rule on a whole message names no field."""
    path = violation.proto.field
    if path is None:
        return violation.proto.rule_id.partition(".")[2]  # such rules are named <message>.<field>
    steps = []
    for element in path.elements:
        name = element.field_name
        index = element.subscript
        steps.append(name if index is None else f"{name}[{index.value}]")
    return ".".join(steps)
