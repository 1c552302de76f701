"""The contracts as protoc reads them, and the comment above each of their parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

PROTOS = Path(__file__).parents[2] / "protos"

# A comment's place is a path of field numbers of descriptor.proto, with the index of the part after each.
_PACKAGE, _MESSAGE, _ENUM, _SERVICE = 2, 4, 5, 6  # of FileDescriptorProto
_FIELD, _ONEOF = 2, 8  # of DescriptorProto
_VALUE, _METHOD = 2, 2  # of EnumDescriptorProto, of ServiceDescriptorProto

_Whole = DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto


@dataclass(frozen=True)
class Contracts:
    """All of them."""

    files: tuple[FileDescriptorProto, ...]
    """In the order of their names."""
    comments: Mapping[str, str]
    """By full name, as attune.search.v1.Hit.score; of a file, by its name. On one line; empty where there is none."""

    @property
    def packages(self) -> Mapping[str, list[FileDescriptorProto]]:
        """The files of each package, in the order of their names."""
        names = dict.fromkeys(file.package for file in self.files)
        return {name: [file for file in self.files if file.package == name] for name in names}

    @property
    def undocumented(self) -> list[str]:
        """What has no comment."""
        return [name for name, comment in self.comments.items() if not comment]


def read(protos: Path = PROTOS) -> Contracts:
    """Reads every file under protos/attune.

    Raises:
        ValueError: protoc does not take them; it has told why on stderr.
    """
    names = sorted(str(path.relative_to(protos)) for path in protos.glob("attune/**/*.proto"))
    with TemporaryDirectory() as directory:
        described = Path(directory) / "described.binpb"
        options = [
            f"-I{protos}",
            f"-I{PROTOS / 'third_party'}",
            "--include_source_info",
            f"--descriptor_set_out={described}",
        ]
        # grpc_tools has google's own .proto files beside it.
        included = Path(protoc.__file__).parent / "_proto"
        if protoc.main(["protoc", *options, f"-I{included}", *names]) != 0:
            raise ValueError(f"protoc cannot read the files under {protos}/attune.")
        files = FileDescriptorSet.FromString(described.read_bytes()).file
    comments = {name: text for file in files for name, text in _comments(file)}
    return Contracts(tuple(sorted(files, key=lambda file: file.name)), comments)


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    above = {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}
    return ((name, above.get(path, "")) for path, name in _places(file))


def _places(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Where each part of a file is, and its full name."""
    yield (_PACKAGE,), file.name
    wholes: dict[int, Iterable[_Whole]] = {
        _MESSAGE: file.message_type,
        _ENUM: file.enum_type,
        _SERVICE: file.service,
    }
    for within, parts in wholes.items():
        for index, part in enumerate(parts):
            name = f"{file.package}.{part.name}"
            yield (within, index), name
            for number, names in _parts(part):
                yield from (((within, index, number, place), f"{name}.{each}") for place, each in enumerate(names))


def _parts(whole: _Whole) -> Iterator[tuple[int, list[str]]]:
    """The names of what has a comment of its own. Messages within messages are those that protoc makes of maps."""
    match whole:
        case DescriptorProto():
            yield _FIELD, [field.name for field in whole.field]
            yield _ONEOF, [oneof.name for oneof in written_oneofs(whole)]
        case EnumDescriptorProto():
            yield _VALUE, [value.name for value in whole.value]
        case ServiceDescriptorProto():
            yield _METHOD, [method.name for method in whole.method]


def written_oneofs(message: DescriptorProto) -> list[OneofDescriptorProto]:
    """Those that the file has. protoc makes one more for each optional field, behind them."""
    made = sum(field.proto3_optional for field in message.field)
    return message.oneof_decl[: len(message.oneof_decl) - made]
