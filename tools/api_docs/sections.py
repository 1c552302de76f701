"""The sections of a package's page: its services, messages and enums."""

from collections.abc import Iterator, Mapping

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from tools.api_docs.contracts import written_oneofs
from tools.api_docs.markdown import table, text
from tools.api_docs.references import field_type, reference
from tools.api_docs.rules import field_rules, is_required, message_rules

from attune.services.runtime.security.scopes import SCOPES

Comments = Mapping[str, str]


def service_sections(package: str, service: ServiceDescriptorProto, comments: Comments) -> Iterator[str]:
    """A service, and each of its RPCs."""
    name = f"{package}.{service.name}"
    yield f"## {service.name}"
    yield text(comments[name])
    for method in service.method:
        asked, answered, scope, http = call(package, service, method, page=package)
        yield f"### {method.name}"
        yield text(comments[f"{name}.{method.name}"])
        ways = [f"{asked} → {answered}", f"scope {scope}", *([http] if http else [])]
        yield " · ".join(ways)


def call(
    package: str, service: ServiceDescriptorProto, method: MethodDescriptorProto, *, page: str
) -> tuple[str, str, str, str]:
    """What an RPC takes and gives, the scope that it needs, and its HTTP method and path, which streams have not.

    The links are made for the page of a package; without one, for the index.

    Raises:
        KeyError: No scope is declared for it.
    """
    asked = ("stream of " if method.client_streaming else "") + reference(method.input_type, page)
    answered = ("stream of " if method.server_streaming else "") + reference(method.output_type, page)
    http = method.options.Extensions[annotations_pb2.http]
    verb = http.WhichOneof("pattern")
    path = f"`{verb.upper()} {getattr(http, verb)}`" if verb else ""
    return asked, answered, f"`{SCOPES[f'/{package}.{service.name}/{method.name}']}`", path


def message_sections(package: str, message: DescriptorProto, comments: Comments) -> Iterator[str]:
    """A message: its fields, and the rules among them."""
    name = f"{package}.{message.name}"
    yield f"### {message.name}"
    yield text(comments[name])
    yield "\n".join(f"- {text(rule)}" for rule in message_rules(message))
    if not message.field:
        yield "No fields."
        return
    oneofs = written_oneofs(message)
    rows = [
        (
            str(field.number),
            f"`{field.name}`",
            field_type(field, message, package),
            "; ".join([*_choice(field, message), *field_rules(field)]),
            text(comments[f"{name}.{field.name}"]),
        )
        for field in message.field
    ]
    yield table(("no.", "field", "type", "rules", "meaning"), rows)
    for oneof in oneofs:
        demand = "exactly one of its fields is set" if is_required(oneof) else "at most one of its fields is set"
        yield f"`{oneof.name}`: {demand}. {text(comments[f'{name}.{oneof.name}'])}"


def enum_sections(package: str, enum: EnumDescriptorProto, comments: Comments) -> Iterator[str]:
    """An enum and its values."""
    name = f"{package}.{enum.name}"
    yield f"### {enum.name}"
    yield text(comments[name])
    rows = [(str(each.number), f"`{each.name}`", text(comments[f"{name}.{each.name}"])) for each in enum.value]
    yield table(("no.", "value", "meaning"), rows)


def _choice(field: FieldDescriptorProto, message: DescriptorProto) -> list[str]:
    """To which oneof of the file a field belongs."""
    if not field.HasField("oneof_index") or field.proto3_optional:
        return []
    return [f"of `{message.oneof_decl[field.oneof_index].name}`"]
