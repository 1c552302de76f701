"""Structured logs: one JSON object a line on standard error. Never query text, page text or credentials."""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from attune.services.runtime.tracebacks import without_messages
from attune.services.runtime.tracing import current_trace_id


def configure_logs(level: str) -> None:
    """Set up logging for the process. Called by main programs only."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_messages,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr),  # what it is when the line is written
        cache_logger_on_first_use=False,
    )
    # It says twice a second that a server is away, which is said already where that fails a call.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Lines of a call that is traced say of which trace."""
    if trace_id := current_trace_id():
        event["trace_id"] = trace_id
    return event
