"""The fault campaign: workers, brokers and the database are killed while a log is produced and read.

python -m tests.faults --rounds 100
python -m tests.faults --rounds 20 --store sqlite --json
"""

import argparse
import logging
import shutil
import signal
import sys
import tempfile
from math import inf
from pathlib import Path

from tests.faults.campaign import Length, run_campaign
from tests.faults.report import Report

from attune.services.runtime.logs import configure_logs


def main() -> int:
    """The exit status: 0 where nothing differs."""
    asked = _parser().parse_args()
    configure_logs("critical")  # what goes wrong on the way is wanted; what ends a campaign is raised
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # all that was started is to be ended
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # that connections break is what is wanted here
    directory = Path(tempfile.mkdtemp(prefix="attune-faults-"))
    report = Report(asked.store, asked.brokers, asked.seed)
    try:
        run_campaign(directory, report, Length(asked.rounds, 60 * asked.minutes), _tell, asked.session_ms)
    except BaseException as error:
        _tell(f"{type(error).__name__}: {error}\n{report.as_text()}\nthe logs are in {directory}")
        raise
    sys.stdout.write((report.as_json() if asked.json else report.as_text()) + "\n")
    if report.differences:
        _tell(f"the logs are in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="of one fault, or two at once")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no more rounds after so many")
    parser.add_argument("--store", choices=("postgres", "sqlite"), default="postgres", help="where the workers write")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="of Kafka")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn; what comes of it is up to the machine")
    parser.add_argument("--session-ms", type=int, default=3000, help="how long the group waits for a silent worker")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
