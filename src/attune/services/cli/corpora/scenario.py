"""Two users of the Python documentation. Ada writes network services with asyncio; Bea crunches data on many cores.

Each has a topic left behind more than two weeks ago: Ada testing with mocks, Bea archives.
"""

from attune.services.cli.corpora.plan import HistoryPlan, PlannedSession, Reading, plan_of

SHARED_QUERIES = ("run several tasks at once and wait for the results", "read data from a connection")

# user, days ago, query, what was read and for how many seconds
_SESSIONS: tuple[tuple[str, int, str, tuple[tuple[str, int], ...]], ...] = (
    ("ada", 39, "replace a function by a mock in tests", (("unittest.mock.patch", 140), ("unittest.mock.Mock", 95))),
    ("ada", 37, "mock an async function", (("unittest.mock.AsyncMock", 80),)),
    ("ada", 9, "start a coroutine in the background", (("asyncio.create_task", 120), ("asyncio.gather", 150))),
    ("ada", 6, "give up on a coroutine after a timeout", (("asyncio.wait_for", 70),)),
    ("ada", 4, "open a TCP connection with streams", (("asyncio.open_connection", 160), ("asyncio.start_server", 85))),
    ("ada", 2, "tls for a socket", (("ssl.create_default_context", 60), ("socket.create_connection", 45))),
    ("ada", 1, "limit how many coroutines run", (("asyncio.Semaphore", 90),)),
    ("bea", 38, "unpack a zip archive", (("zipfile.ZipFile", 130), ("zipfile.is_zipfile", 25))),
    ("bea", 35, "add files to a tar archive", (("tarfile.TarFile", 110),)),
    ("bea", 10, "use all cores for a slow function", (("multiprocessing.Pool", 170), ("multiprocessing.Process", 90))),
    ("bea", 7, "process pool executor", (("concurrent.futures.ProcessPoolExecutor", 120),)),
    ("bea", 5, "parse a csv file with unknown delimiter", (("csv.reader", 100), ("csv.Sniffer", 65))),
    ("bea", 3, "query a sqlite database", (("sqlite3.connect", 140), ("sqlite3.Connection", 75))),
    ("bea", 1, "mean and standard deviation of a sample", (("statistics.mean", 50), ("statistics.stdev", 80))),
)


def stdlib_plan() -> HistoryPlan:
    """The plan for the corpus of `load_stdlib`; document ids and titles are dotted names."""
    sessions = (
        PlannedSession(user, days_ago, query, tuple(Reading(name, name, seconds) for name, seconds in readings))
        for user, days_ago, query, readings in _SESSIONS
    )
    return plan_of(("ada", "bea"), sessions, list(SHARED_QUERIES))
