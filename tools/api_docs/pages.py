"""The reference as Markdown: a page for each package, and an index of all RPCs."""

from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from tools.api_docs.contracts import Contracts
from tools.api_docs.markdown import document, table, text
from tools.api_docs.references import page_of
from tools.api_docs.sections import Comments, call, enum_sections, message_sections, service_sections

_MADE = "<!-- Written by `make api-docs` from the comments and rules under protos/attune: change them there. -->"

_INDEX = """Every service, RPC, message, field and enum of the [contracts](../contracts.md), with its rules: a page for
each package.

What holds for all RPCs, and their comments do not repeat:

- A call without a deadline gets one: `ATTUNE_DEFAULT_DEADLINE_S`, of streams `ATTUNE_STREAM_DEADLINE_S`.
- The [codes and reasons of errors](../../README.md#errors-and-deadlines); a rule that is broken is INVALID_ARGUMENT.
- Where credentials are asked for, one is needed that has the RPC's [scope](../security.md#scopes)."""


def pages(contracts: Contracts) -> Mapping[str, str]:
    """The text of each page, by its file name."""
    packages = contracts.packages
    written = {page_of(package): _page(package, files, contracts.comments) for package, files in packages.items()}
    return {"README.md": _index(packages, contracts.comments), **written}


def _index(packages: Mapping[str, list[FileDescriptorProto]], comments: Comments) -> str:
    listed = [
        (f"[{package}]({page_of(package)})", _about(package, files, comments)) for package, files in packages.items()
    ]
    services = [(package, each) for package, files in packages.items() for file in files for each in file.service]
    calls = [
        (
            f"[{service.name}.{method.name}]({page_of(package)}#{method.name.lower()})",
            *call(package, service, method, page=""),
        )
        for package, service in services
        for method in service.method
    ]
    rpcs = table(("RPC", "request", "response", "scope", "HTTP"), calls)
    return document(["# API reference", _MADE, _INDEX, table(("package", "about"), listed), "## RPCs", rpcs])


def _about(package: str, files: list[FileDescriptorProto], comments: Comments) -> str:
    """What the file that has the package's name says of it."""
    main = f"/{package.split('.')[1]}.proto"
    return next(text(comments[file.name]) for file in files if file.name.endswith(main))


def _source(file: FileDescriptorProto, comments: Comments) -> str:
    link = f"[{file.name.rpartition('/')[2]}](../../protos/{file.name})"
    return f"- {link}: {text(comments[file.name])}" if comments[file.name] else f"- {link}"


def _page(package: str, files: list[FileDescriptorProto], comments: Comments) -> str:
    sources = "\n".join(_source(file, comments) for file in files)
    parts = [f"# {package}", _MADE, "All RPCs: [index](README.md). Written from:", sources]
    for file in files:
        for service in file.service:
            parts += service_sections(package, service, comments)
    parts += ["## Messages"]
    parts += [
        part for file in files for each in file.message_type for part in message_sections(package, each, comments)
    ]
    enums = [part for file in files for each in file.enum_type for part in enum_sections(package, each, comments)]
    return document([*parts, *(["## Enums", *enums] if enums else [])])
