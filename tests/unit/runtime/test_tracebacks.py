"""Exceptions in the log: where and what, and nothing that a user wrote."""

import json

import grpc
import pytest
import structlog

from attune.services.runtime.config import ConfigError
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.tracebacks import without_messages

SAID = "my private question"


def told(error: BaseException) -> str:
    return str(without_messages(None, "error", {"exc_info": error})["exception"])


def fail(error: Exception, of: Exception | None = None) -> None:
    raise error from of


def raised(error: Exception, of: Exception | None = None) -> Exception:
    try:
        fail(error, of)
    except type(error) as caught:
        return caught
    raise AssertionError


def test_a_foreign_exception_says_where_and_of_what_kind_it_is() -> None:
    text = told(raised(ValueError(SAID)))
    assert "test_tracebacks.py" in text
    assert text.endswith("ValueError")
    assert SAID not in text


def test_so_do_those_that_it_came_from_and_those_in_a_group() -> None:
    text = told(raised(ExceptionGroup(SAID, [RuntimeError(SAID)]), of=raised(KeyError(SAID))))
    assert all(kind in text for kind in ("KeyError", "ExceptionGroup", "RuntimeError"))
    assert SAID not in text


def test_an_exception_that_came_from_itself_ends() -> None:
    first, second = ValueError(SAID), TypeError(SAID)
    first.__context__, second.__context__ = second, first
    assert told(first).count("ValueError") == 1


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ConfigError("ATTUNE_HOST is wrong"), "ATTUNE_HOST is wrong"),
        (FileNotFoundError(2, "No such file or directory", SAID), "No such file"),
        (
            grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "away"),
            "away",
        ),
    ],
)
def test_what_is_written_to_be_read_is_kept(error: Exception, kept: str) -> None:
    text = told(error)
    assert kept in text
    assert SAID not in text


@pytest.mark.parametrize("way", ["exception", "tuple", "error"])
def test_the_log_has_it_however_it_is_given(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    log = structlog.get_logger("test")
    try:
        fail(RuntimeError(SAID))
    except RuntimeError as error:
        log.exception("failed", exc_info={"exception": True, "error": error, "tuple": (RuntimeError, error, None)}[way])
    line = json.loads(capsys.readouterr().err)
    assert line["exception"].endswith("RuntimeError")
    assert SAID not in json.dumps(line)


def test_a_line_without_an_exception_stays_as_it_is() -> None:
    assert without_messages(None, "info", {"event": "x"}) == {"event": "x"}
    assert without_messages(None, "info", {"event": "x", "exc_info": None}) == {"event": "x"}
