"""What tests of any part may ask for."""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from tests.fakes import kafka, postgres

# pytest-xdist hands its width on; a console that is made with it would not hear of what tests set later.
os.environ.pop("COLUMNS", None)
# Threads that spin while they wait take the cores from the tests beside this one. torch's are told so as attune's own
# workers tell theirs; numpy's cannot be, and are more than these small matrices need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("attune", deadline=None)
settings.load_profile("attune")


@pytest.fixture(autouse=True)
def logs_as_they_are_at_first(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever another test of this process has set up; but a system that runs on from test to test keeps its own."""
    if "e2e" in request.path.parts or "system" in request.fixturenames:
        yield
        return
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: that of ATTUNE_TEST_POSTGRES_URL, or else one that is started, once for all tests."""
    given = os.environ.get("ATTUNE_TEST_POSTGRES_URL", "")
    if given:
        yield given
    elif postgres.found() is None:
        pytest.skip(postgres.MISSING)
    else:
        with postgres.server() as url:
            yield url


@pytest.fixture(scope="session")
def kafka_cluster() -> Iterator[kafka.Cluster]:
    """A Kafka of one broker, started once for all tests that do not kill theirs."""
    if missing := kafka.missing():
        pytest.skip(missing)
    with kafka.cluster() as started:
        yield started


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest) -> str:
    """Where a Kafka is: that of ATTUNE_TEST_KAFKA_BOOTSTRAP, or else the one that is started."""
    given = os.environ.get("ATTUNE_TEST_KAFKA_BOOTSTRAP", "")
    return given or request.getfixturevalue("kafka_cluster").servers
