"""Made requests: the same for the same seed, some that can be read, some that cannot, of all RPCs."""

from random import Random

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from attune.services.cli.measure.fuzz.bodies import body, damaged
from attune.services.cli.measure.fuzz.calling import FAILED, LATE, Outcomes
from attune.services.cli.measure.fuzz.command import rows_of
from attune.services.cli.measure.fuzz.methods import Method, methods
from attune.services.runtime.security.scopes import SCOPES


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to be repeated, not to be secret


def is_readable(method: Method, data: bytes) -> bool:
    try:
        GetMessageClass(method.request).FromString(data)
    except DecodeError:
        return False
    return True


def test_all_rpcs_are_called_that_have_a_scope() -> None:
    assert {method.path for method in methods()} == set(SCOPES)


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.path)
def test_requests_of_every_rpc_are_made_again_by_their_seed(method: Method) -> None:
    made = [body(seeded(seed), method.request) for seed in range(40)]
    assert made == [body(seeded(seed), method.request) for seed in range(40)]
    readable = sum(is_readable(method, each) for each in made)
    assert len(made) / 2 <= readable
    assert len(set(made)) > 1


def test_damage_makes_other_bytes_some_of_which_cannot_be_read() -> None:
    method = next(each for each in methods() if each.path.endswith("/Search"))
    whole = body(seeded(1), method.request)
    made = [damaged(seeded(seed), whole) for seed in range(200)]
    assert sum(each != whole for each in made) > 150
    assert 20 < sum(is_readable(method, each) for each in made) < 180


def test_what_no_status_is_counts_as_failed_with_its_request() -> None:
    outcomes, method = Outcomes(), methods()[0]
    for outcome in ("OK", "INVALID_ARGUMENT", "INTERNAL: it broke"):
        outcomes.add(method, outcome, [b"\x0a"])
    assert outcomes.codes[method.path] == {"OK": 1, "INVALID_ARGUMENT": 1, FAILED: 1}
    assert (outcomes.requests, outcomes.failures) == (3, 1)
    assert outcomes.examples == [f"{method.path}: INTERNAL: it broke; requests in hex: 0a"]


def test_an_answer_that_is_late_is_no_failure_and_no_refusal() -> None:
    (method, *_), outcomes = methods(), Outcomes()
    for outcome in ("OK", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"):
        outcomes.add(method, outcome, [b""])
    assert outcomes.codes[method.path][LATE] == 1
    assert (outcomes.requests, outcomes.late, outcomes.failures, outcomes.examples) == (3, 1, 0, [])
    (row,) = rows_of(outcomes)
    assert (row["answered"], row["refused"], row["late"], row["failed"]) == (1, 1, 1, 0)
