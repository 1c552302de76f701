import socket
from collections.abc import Iterator

import pytest

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.ports import require_free_port, require_free_ports

FREE = {f"{role}_port": 0 for role in RoleName} | {"metrics_port": -1}


def config_of(**settings: object) -> Config:
    return Config(**(FREE | settings))  # type: ignore[arg-type]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_free_ports_are_no_error_and_stay_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    config = config_of(search_port=port)
    for _ in range(2):
        require_free_ports(config, list(RoleName))
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("role", list(RoleName))
def test_a_taken_port_is_named_with_its_setting(role: RoleName, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    config = config_of(**{f"{role}_port": port})
    with pytest.raises(ConfigError) as refused:
        require_free_ports(config, list(RoleName))
    assert str(refused.value) == (
        f"the {role} role cannot listen on 127.0.0.1:{port}, which is taken: "
        f"set ATTUNE_{role.upper()}_PORT to a free port (0 takes any)"
    )


def test_a_role_that_is_not_started_may_have_a_taken_port(listener: socket.socket) -> None:
    require_free_ports(config_of(search_port=listener.getsockname()[1]), [RoleName.KNOWLEDGE])


def test_the_metrics_port_is_looked_at_where_metrics_are_on(listener: socket.socket) -> None:
    with pytest.raises(ConfigError, match=r"metrics cannot listen on .*ATTUNE_METRICS_PORT .*-1 none"):
        require_free_ports(config_of(metrics_port=listener.getsockname()[1]), [])
    require_free_ports(config_of(metrics_port=-1), [])


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machines_is_named(host: str) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_HOST") as refused:
        require_free_port(config_of(host=host), RoleName.SEARCH)
    assert host in str(refused.value)


def test_a_name_of_this_machine_is_enough() -> None:
    require_free_port(config_of(host="localhost"), RoleName.SEARCH)
