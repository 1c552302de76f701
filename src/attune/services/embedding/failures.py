"""What fails in an engine, as callers are told it."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from attune.embeddings.errors import (
    ComputeError,
    DeadlineExpiredError,
    EngineClosedError,
    Overloaded,
    WorkerLostError,
)
from attune.services.runtime.errors import ServiceError, overloaded


@contextmanager
def told_as_errors() -> Iterator[None]:
    """Raises ServiceError for what the engines raise on purpose."""
    try:
        yield
    except Overloaded as error:
        raise overloaded(
            "more texts wait than can be computed in time; try again later", error.retry_after_s
        ) from error
    except DeadlineExpiredError as error:
        raise ServiceError(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", str(error)) from error
    except EngineClosedError as error:
        raise ServiceError(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", str(error)) from error
    except WorkerLostError as error:
        raise ServiceError(grpc.StatusCode.UNAVAILABLE, "WORKER_LOST", str(error), retry_after_s=1) from error
    except ComputeError as error:
        raise ServiceError(grpc.StatusCode.INTERNAL, "COMPUTE_FAILED", str(error)) from error
