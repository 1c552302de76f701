"""Applies every overlay to a real Kubernetes API server, without keeping anything.

    python -m tests.kubernetes [--json]

The API server and its etcd are built from Go modules, minutes the first time, and listen on loopback while this runs.
"""

import json
import sys

from tests.kubernetes.binaries import VERSION, UnavailableError, built
from tests.kubernetes.checks import Outcome, all_outcomes
from tests.kubernetes.cluster import running
from tests.kubernetes.strimzi import strimzi_outcomes


def main() -> int:
    """0 where all is well, 1 where a manifest is refused, 2 where it could not be asked."""
    try:
        binaries = built()
        with running(binaries) as cluster:
            outcomes = list(all_outcomes(cluster))
        outcomes += strimzi_outcomes()
    except UnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _tell(outcomes, as_json="--json" in sys.argv)
    return int(any(each.problem for each in outcomes))


def _tell(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        rows = [[each.overlay, each.check, each.objects, each.problem] for each in outcomes]
        sys.stdout.write(json.dumps({"kubernetes": VERSION, "outcomes": rows}, indent=1) + "\n")
        return
    for each in outcomes:
        verdict = each.problem.strip() or "ok"
        sys.stdout.write(f"{each.overlay or '-':<11} {each.check:<38} {each.objects:>3}  {verdict}\n")


if __name__ == "__main__":
    sys.exit(main())
