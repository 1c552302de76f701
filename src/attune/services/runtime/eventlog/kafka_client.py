"""How Apache Kafka is reached, by whoever talks to it: the connection's settings, and its errors in our words.

kafka-python is an extra. Only modules named kafka_* import it, and those are imported where a setting asks for them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import errors

from attune.services.runtime.eventlog.errors import LogRefusedError, LogUnavailableError

_KEPT_TRYING_MS = 30_000
_FIRST_ANSWER_MS = 10_000
_CREDENTIALS = "see to ATTUNE_KAFKA_USERNAME, _PASSWORD and _CA_FILE, and to what the broker allows"
_UNANSWERED = (errors.RetriableError, errors.BrokerNotAvailableError)
_NOT_ALLOWED = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the brokers are, and what they want to be told first."""

    servers: str
    """host:port, of several with commas between."""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    username: str = ""
    password: str = ""
    ca_file: Path | None = None
    """PEM certificates to trust instead of the system's."""
    patience_ms: int = _KEPT_TRYING_MS
    """For how long an unanswered request is repeated."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"KafkaConnection({self.servers!r}, {self.security_protocol!r}, username={self.username!r})"

    def options(self) -> dict[str, Any]:
        """What every client of kafka-python takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": [each.strip() for each in self.servers.split(",")],
            "security_protocol": self.security_protocol,
            "request_timeout_ms": self.patience_ms // 2,
            "bootstrap_timeout_ms": min(_FIRST_ANSWER_MS, self.patience_ms),
            "reconnect_backoff_max_ms": 1000,
        }
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.ca_file is not None:
            options["ssl_cafile"] = str(self.ca_file)
        return options

    def client(self, kind: Callable[..., Any], **options: Any) -> Any:
        """A client of a class of kafka-python, connected.

        Raises:
            LogUnavailableError, LogRefusedError: it cannot be.
        """
        # All that the client's own log tells of failures reaches us as an error, which is told once.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        with self.errors_told():
            return kind(**self.options(), **options)

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """Raise what kafka-python raises as errors of the event log, each a sentence with the mend.

        Raises:
            LogUnavailableError: nobody answered in time, or too few brokers are up to keep a record safe.
            LogRefusedError: somebody did, and will not do it.
        """
        try:
            yield
        except errors.NotEnoughReplicasError as error:
            raise LogUnavailableError(
                f"Kafka at {self.servers} has too few brokers up to keep a record safe: start those that are down"
            ) from error
        except _NOT_ALLOWED as error:
            raise LogRefusedError(f"Kafka at {self.servers} refuses {self._who()} ({error}): {_CREDENTIALS}") from error
        except _UNANSWERED as error:
            raise LogUnavailableError(
                f"Kafka at {self.servers} does not answer ({type(error).__name__}): {self._mend()}"
            ) from error
        except (errors.KafkaError, ValueError, OSError) as error:
            raise LogRefusedError(
                f"Kafka at {self.servers} cannot be used ({error}): see to the settings ATTUNE_KAFKA_*"
            ) from error

    def _mend(self) -> str:
        """A broker hangs up on who comes without the right credentials: it looks as if it were down."""
        where = "start it, or set ATTUNE_KAFKA_BOOTSTRAP_SERVERS to where it is"
        plain = self.security_protocol == "PLAINTEXT"
        return where + (" and ATTUNE_KAFKA_SECURITY_PROTOCOL to what it speaks" if plain else f"; or {_CREDENTIALS}")

    def _who(self) -> str:
        return f"the user {self.username!r}" if self.username else "who gives no user"
