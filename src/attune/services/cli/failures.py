"""Errors of commands: one sentence on standard error and an exit status, never a traceback for what users can mend."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from attune.embeddings.errors import EmbeddingsError
from attune.knowledge_store.catalog import CatalogError
from attune.knowledge_store.store import StoreError
from attune.services.cli.corpora.model import CorpusError
from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.errors import EventLogError
from attune.services.search.index.errors import SearchIndexError
from attune.services.search.ranking.errors import RankerError as SearchRankerError
from attune.services.suggestion.ranking.errors import RankerError

_MENDABLE = (
    EmbeddingsError,
    CatalogError,
    StoreError,
    CorpusError,
    ConfigError,
    EventLogError,
    SearchIndexError,
    RankerError,
    SearchRankerError,
)
_UNREACHABLE = "is the server up? `attune up` starts one, ATTUNE_*_ADDRESS says where to look"


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn an error that the user can mend into its sentence and exit status 1."""
    try:
        yield
    except _MENDABLE as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("; ".join(_setting_sentence(each) for each in error.errors()))
    except grpc.RpcError as error:
        _fail(_rpc_sentence(error))
    except KeyboardInterrupt:
        typer.secho("attune: stopped; run the same command again", err=True)
        raise typer.Exit(130) from None


def _setting_sentence(error: ErrorDetails) -> str:
    """The message on a setting, with the name that the environment knows it by."""
    name = "_".join(str(part) for part in error["loc"]).upper()
    return f"ATTUNE_{name}: {error['msg']}; `attune up --help` and the README list the settings"


def _rpc_sentence(error: grpc.RpcError) -> str:
    call: Any = error  # what the stubs raise is a grpc.Call too, which their types do not say
    if call.code() is grpc.StatusCode.UNAVAILABLE:
        return f"{call.details()}; {_UNREACHABLE}"
    return f"{call.code().name}: {call.details()}"


def _fail(sentence: str) -> None:
    typer.secho(f"attune: {sentence}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
