"""The simulation on demand: many schedules for figures, or one with all that happens in it.

python -m tests.simulation --schedules 10000 --json
python -m tests.simulation --seed 17
"""

import argparse
import json
import sys
from collections import Counter

from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import engine, run, run_one


def main() -> int:
    """The exit status: 0 where nothing differs."""
    asked = _parser().parse_args()
    if asked.seed is not None:
        return _tell(asked.seed, asked.without)
    return _count(asked.schedules, as_json=asked.json)


def command(seed: int) -> str:
    """What repeats a schedule and tells all that happens in it."""
    return f"python -m tests.simulation --seed {seed}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--schedules", type=int, default=1000, help="how many, with the seeds from 0 on")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    parser.add_argument("--seed", type=int, help="run this one alone, and tell what happens")
    parser.add_argument("--without", choices=sorted(MUTATIONS), help="with --seed: with this guard taken out")
    return parser


def _tell(seed: int, without: str | None) -> int:
    mutated = {"mutated": MUTATIONS[without]} if without else {}
    with engine() as shared:
        outcome = run_one(seed, shared, tell=_print, **mutated)
    _print(*outcome.differences or ["nothing differs"])
    return 1 if outcome.differences else 0


def _count(schedules: int, *, as_json: bool) -> int:
    happened: Counter[str] = Counter()
    differing = []
    with engine() as shared:
        for seed, outcome in run(range(schedules), shared):
            happened += outcome.happened
            if outcome.differences:
                differing.append(seed)
                sys.stderr.write(f"{outcome.differences[0]}\n  repeat it: {command(seed)}\n")
    figures = {"simulated_schedules": schedules, "simulated_differences": len(differing)}
    if as_json:
        _print(json.dumps({**figures, "differing_seeds": differing, "drawn": dict(sorted(happened.items()))}, indent=1))
    else:
        _print(*(f"{count:9,}  {what}" for what, count in [*figures.items(), *sorted(happened.items())]))
    return 1 if differing else 0


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{each.rstrip()}\n" for each in lines))


if __name__ == "__main__":
    sys.exit(main())
