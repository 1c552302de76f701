"""Requests that nobody would send, to all RPCs of a running system; `attune bench fuzz` sends more of them."""

from pathlib import Path

import pytest
from tests.e2e.conftest import config_in

from attune.services.cli.background import running_system
from attune.services.cli.measure.fuzz.bodies import FIELDS
from attune.services.cli.measure.fuzz.calling import OK, call_all
from attune.services.cli.measure.fuzz.methods import methods
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
EACH = 20


def test_each_is_answered_or_refused_and_the_system_stays_up(tmp_path: Path) -> None:
    chosen, sent = methods(), []
    with running_system(config_in(tmp_path, search_fields=FIELDS), system_clock) as system:
        addresses = {role: system.config.address(role) for role in RoleName if role is not RoleName.INGEST}
        number = EACH * len(chosen)
        outcomes = call_all(addresses, chosen, number, seed=0, at_once=8, done=lambda: sent.append(1))
    assert outcomes.examples == []
    assert (len(sent), outcomes.requests, outcomes.failures) == (number, number, 0)
    answered = sum(counts[OK] for counts in outcomes.codes.values())
    assert number / 5 < answered < number
