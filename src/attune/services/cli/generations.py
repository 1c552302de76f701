"""`attune generations`: what is searched, and what is being built to take its place. And `attune index --rebuild`."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import grpc
import typer
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rich.table import Table

from attune.search.v1 import search_pb2 as pb
from attune.services.cli.corpora.model import CorpusDocument
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import as_dict, console, print_json
from attune.services.cli.uploading import index_with_progress
from attune.services.client import Client

generations = typer.Typer(help="The generations of the index, in a running service.", no_args_is_help=True)
_LOG_S = 1.0


@generations.command("list")
def show(token: Token = "", as_json: Json = False) -> None:
    """List what is searched, and what is being built.

    Example: attune generations list
    """
    with told_plainly(), connect(token) as client:
        found = client.generations()
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    table = Table("generation", "state", "documents", "model")
    for each in found:
        documents = str(each.documents) if each.HasField("documents") else "?"
        table.add_row(each.name, _state(each), documents, f"{each.model_id}, {each.dimension} wide")
    console.print(table)


@generations.command()
def activate(
    name: Annotated[str, typer.Argument(help="The one that is being built.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also if it lacks records of the log, or all documents of a tenant.")
    ] = False,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Let what was built serve, at once and as a whole. The one before is dropped.

    Example: attune generations activate 2
    """
    with told_plainly(), connect(token) as client:
        found = client.activate_generation(name, force=force)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(f"generation {found.name} serves {found.documents} documents", markup=False)


@generations.command()
def drop(
    name: Annotated[str, typer.Argument(help="One that does not serve.")], token: Token = "", as_json: Json = False
) -> None:
    """Delete a generation that does not serve, such as one that is not to be finished.

    Example: attune generations drop 2
    """
    with told_plainly(), connect(token) as client:
        client.drop_generation(name)
    if as_json:
        print_json({"dropped": name})
    else:
        console.print(f"generation {name} is dropped", markup=False)


def rebuild(
    client: Client, documents: Sequence[CorpusDocument], title: str
) -> tuple[pb.IndexDocumentsResponse, pb.Generation]:
    """Index everything into a new generation and let it serve; goes on with one that is being built.

    Where documents are refused it stays as it is, for whoever mends them.
    """
    building = [each for each in client.generations() if each.state == pb.GENERATION_STATE_BUILDING]
    generation = building[0] if building else client.create_generation()
    total = index_with_progress(client, documents, title, generation.name)
    return total, generation if total.rejected_count else _activated(client, generation.name)


def _activated(client: Client, name: str) -> pb.Generation:
    """Once it has what the log has, if documents come from there."""
    is_told = False
    while True:
        try:
            return client.activate_generation(name)
        except grpc.RpcError as error:
            if _reason(error) != "LOG_BEHIND":
                raise
        if not is_told:
            console.print("the log is being read into the new generation", style="dim")
            is_told = True
        time.sleep(_LOG_S)


def _reason(error: grpc.RpcError) -> str:
    call: Any = error  # what the stubs raise is a grpc.Call too, which their types do not say
    status = rpc_status.from_call(call)
    info = error_details_pb2.ErrorInfo()
    details = status.details if status else []
    return next((info.reason for each in details if each.Unpack(info)), "")


def _state(generation: pb.Generation) -> str:
    return pb.GenerationState.Name(generation.state).removeprefix("GENERATION_STATE_").lower()
