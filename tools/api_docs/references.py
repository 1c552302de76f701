"""The types of fields, linked to where they are explained."""

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

_GOOGLE = {
    ".google.protobuf.Timestamp": "https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp",
    ".google.rpc.Status": "https://cloud.google.com/apis/design/errors#error_model",
}
_PREFIX = "TYPE_"


def page_of(package: str) -> str:
    """The file name of a package's page: search.md of attune.search.v1."""
    return f"{package.split('.')[1]}.md"


def field_type(field: FieldDescriptorProto, message: DescriptorProto, package: str) -> str:
    """What the field holds and how many of it, as the .proto has it, on the page of a package."""
    entries = {each.name: each for each in message.nested_type if each.options.map_entry}
    entry = entries.get(field.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = (_single(each, package) for each in entry.field)
        return f"map of {key} to {value}"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {_single(field, package)}"
    return ("optional " if field.proto3_optional else "") + _single(field, package)


def reference(type_name: str, package: str) -> str:
    """A link from the page of a package to a message or enum, such as .attune.search.v1.Hit."""
    name = type_name.rpartition(".")[2]
    if type_name in _GOOGLE:
        return f"[{type_name[1:]}]({_GOOGLE[type_name]})"
    home = type_name[1 : -len(name) - 1]
    return f"[{name}]({'' if home == package else page_of(home)}#{name.lower()})"


def _single(field: FieldDescriptorProto, package: str) -> str:
    if field.type_name:
        return reference(field.type_name, package)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix(_PREFIX).lower()
