"""The corpus of the Python that runs the tests."""

import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from attune.services.cli.corpora.library import Library
from attune.services.cli.corpora.model import CatalogEntity, Corpus, CorpusDocument
from attune.services.cli.corpora.public_names import PublicNames
from attune.services.cli.corpora.stdlib import load_stdlib


@pytest.fixture(scope="session")
def documents(stdlib: Corpus) -> dict[str, CorpusDocument]:
    return {document.id: document for document in stdlib.documents}


@pytest.fixture(scope="session")
def entities(stdlib: Corpus) -> dict[str, CatalogEntity]:
    return {entity.id: entity for entity in stdlib.entities}


def test_it_has_thousands_of_documents_with_unique_ids(stdlib: Corpus) -> None:
    assert 3000 <= len(stdlib.documents) <= 6000
    assert len({document.id for document in stdlib.documents}) == len(stdlib.documents)
    assert [entity.id for entity in stdlib.entities] == [document.id for document in stdlib.documents]


@pytest.mark.parametrize(
    "name",
    [
        "asyncio",
        "asyncio.gather",
        "asyncio.open_connection",
        "asyncio.TaskGroup",
        "collections.OrderedDict",
        "collections.abc.Mapping",
        "json.loads",
        "json.JSONDecoder",
        "concurrent.futures.ThreadPoolExecutor",
        "multiprocessing.Pool",
        "multiprocessing.Process",
        "math.sqrt",
        "itertools.chain",
        "builtins.print",
        "time.sleep",
        "os.path.join",
        "os.listdir",
        "os.fork",
        "socket.gethostbyname",
        "random.randint",
        "hashlib.sha256",
        "decimal.Decimal",
        "datetime.datetime",
        "struct.unpack",
        "heapq.heappush",
        "csv.reader",
        "sqlite3.connect",
        "threading.Lock",
        "pickle.loads",
        "functools.lru_cache",
        "operator.itemgetter",
        "importlib.machinery.ModuleSpec",
        "unittest.TestCase",
        "unittest.mock.patch",
        "xml.etree.ElementTree.parse",
        "email.message_from_string",
        "signal.signal",
        "urllib.request.urlopen",
        "typing.Protocol",
        "statistics.mean",
        "http.HTTPStatus",
        "logging.getLogger",
        "re.compile",
        "subprocess.run",
        "zipfile.ZipFile",
    ],
)
def test_well_known_names_are_there_under_their_public_name(documents: dict[str, CorpusDocument], name: str) -> None:
    assert documents[name].title == name
    assert documents[name].text.startswith(name)


@pytest.mark.parametrize(
    "name",
    [
        "asyncio.tasks.gather",
        "json.decoder.JSONDecoder",
        "concurrent.futures.thread.ThreadPoolExecutor",
        "posixpath",
        "posix.fork",
        "_collections",
        "_asyncio",
        "test",
        "antigravity",
        "this",
        "idlelib",
        "distutils",
        "lib2to3",
        "asyncio._enter_task",
        "unittest.test",
        "_socket.gethostbyname",
    ],
)
def test_private_doubled_and_excluded_names_are_not(documents: dict[str, CorpusDocument], name: str) -> None:
    assert name not in documents


def test_a_text_is_signature_and_docstring(documents: dict[str, CorpusDocument]) -> None:
    signature, _, docstring = documents["asyncio.gather"].text.partition("\n\n")
    assert signature == "asyncio.gather(*coros_or_futures, return_exceptions=False)"
    assert docstring.startswith("Return a future aggregating results")
    assert documents["random.randint"].text.startswith("random.randint(a, b)\n\n")
    assert documents["threading.Thread"].text.startswith("threading.Thread(group=None, target=None")


def test_texts_are_neither_empty_nor_long(stdlib: Corpus) -> None:
    assert max(len(document.text) for document in stdlib.documents) <= 2000
    assert all(document.text.strip() for document in stdlib.documents)
    assert any(document.text.endswith(" …") for document in stdlib.documents)


def test_a_module_that_says_little_lists_what_it_defines(documents: dict[str, CorpusDocument]) -> None:
    assert "Defines " in documents["multiprocessing"].text
    assert "Pool" in documents["multiprocessing"].text
    assert "Defines " not in documents["statistics"].text


def test_nearly_every_document_has_a_chapter(stdlib: Corpus) -> None:
    chapters = Counter(document.domain for document in stdlib.documents)
    assert chapters["other"] <= 0.01 * len(stdlib.documents)
    assert len(chapters) >= 25
    assert chapters["networking"] > 100


def test_links_lead_to_entities_and_not_back_to_their_own(entities: dict[str, CatalogEntity]) -> None:
    for entity in entities.values():
        assert all(target in entities and target != entity.id for _, target in entity.links)
        count = Counter(relation for relation, _ in entity.links)
        assert count["mentions"] <= 8
        assert count["imports"] <= 12
        assert count["part_of"] <= 1


def test_links_say_what_the_source_says(entities: dict[str, CatalogEntity]) -> None:
    links: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for entity in entities.values():
        links[entity.id].update(entity.links)
    assert ("part_of", "asyncio") in links["asyncio.gather"]
    assert ("part_of", "concurrent") in links["concurrent.futures"]
    assert ("subclass_of", "concurrent.futures.Executor") in links["concurrent.futures.ThreadPoolExecutor"]
    assert ("subclass_of", "builtins.dict") in links["collections.OrderedDict"]
    assert ("subclass_of", "builtins.ValueError") in links["json.JSONDecodeError"]
    assert ("imports", "re") in links["csv"]
    assert ("imports", "threading") in links["queue"]
    assert ("mentions", "asyncio.CancelledError") in links["asyncio.gather"]


def test_aliases_are_full_names_and_telling_last_parts(entities: dict[str, CatalogEntity]) -> None:
    assert entities["asyncio.gather"].aliases[:2] == ("asyncio.gather", "gather")
    assert "ThreadPoolExecutor" in entities["concurrent.futures.ThreadPoolExecutor"].aliases
    assert "OrderedDict" in entities["collections.OrderedDict"].aliases
    assert entities["csv"].aliases == ("csv module",)
    assert "Queue" not in entities["asyncio.Queue"].aliases  # several modules have one
    assert "run" not in entities["subprocess.run"].aliases


def test_no_two_entities_share_an_alias(stdlib: Corpus) -> None:
    count = Counter(alias.lower() for entity in stdlib.entities for alias in {*entity.aliases, entity.label})
    assert [alias for alias, number in count.items() if number > 1 and "." not in alias] == []


def test_descriptions_are_one_short_paragraph(stdlib: Corpus, entities: dict[str, CatalogEntity]) -> None:
    assert all(len(entity.description) <= 300 and "\n" not in entity.description for entity in stdlib.entities)
    assert entities["statistics.mean"].description == "Return the sample arithmetic mean of data."


def test_it_is_the_same_every_time(stdlib: Corpus) -> None:
    assert load_stdlib() == stdlib


def test_reading_the_library_runs_none_of_its_programs() -> None:
    script = (
        "import sys\n"
        "from attune.services.cli.corpora.stdlib import load_stdlib\n"
        "load_stdlib()\n"
        "ran = {'tkinter', 'turtle', 'antigravity', 'this', 'unittest', 'pdb', 'smtplib'} & set(sys.modules)\n"
        "sys.exit(str(sorted(ran)) if ran else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names_resolve_through_reexports_and_unknown_ones_do_not() -> None:
    names = PublicNames(Library())
    gather = names.resolve("asyncio", "gather")
    assert gather is not None
    assert (gather.home, gather.kind) == (("asyncio.tasks", "gather"), "function")
    assert names.resolve("asyncio", "no_such_name") is None
    assert names.resolve("no_such_module", "x") is None
    assert names.resolve("math", "pi") is None
    assert names.of("no_such_module") == []
