"""Two users with different histories for any corpus, made of its own topics, queries and judgements."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from attune.services.cli.corpora.model import Corpus, CorpusDocument, CorpusError
from attune.services.cli.corpora.plan import HistoryPlan, PlannedSession, Reading, plan_of
from attune.services.cli.corpora.seeds import MIN_TOPIC_DOCUMENTS, Seeds, Topics, choose_seeds

MIN_DOCUMENTS = 50
USERS = ("ada", "bea")
_RECENT_DAYS = (1, 3, 6, 10)
_LAPSED_DAYS = (33, 37)
_SECONDS = (150, 70)  # how long the documents of a session are read, one after the other
_HEADING_WORDS = 10

Search = tuple[str, list[int]]  # a query, and the numbers of documents to read after it


def plan_from_corpus(corpus: Corpus) -> HistoryPlan:
    """Users, events and shared queries; deterministic, and never without events.

    Each user has a topic: an entity that enough documents name, the two seldom together, with a third that goes with
    both. A user's history is the judged queries whose relevant documents name the topic; where there are too few, the
    topic itself as a query. Each also has a topic of more than four weeks ago. The shared queries are about the third.
    Where a corpus has no such topics, the users read in different halves of it.
    Raises CorpusError for fewer than MIN_DOCUMENTS documents.
    """
    if len(corpus.documents) < MIN_DOCUMENTS:
        raise CorpusError(
            f"{corpus.name}: {len(corpus.documents)} documents are too few for two different histories; "
            f"give a corpus of {MIN_DOCUMENTS} or more"
        )
    topics = Topics(corpus)
    judged = _judged_searches(corpus, topics)
    seeds = choose_seeds(topics, Counter(topic for query in corpus.queries for topic in topics.named_in(query.text)))
    if seeds is None:
        return _plan_by_halves(corpus)
    sessions = chain.from_iterable(
        _sessions(corpus, topics, user, topic, judged.get(topic, []), seeds)
        for user, topic in zip(USERS, (seeds.first, seeds.second), strict=True)
    )
    return plan_of(USERS, sessions, _shared_queries(corpus, topics, seeds))


def _judged_searches(corpus: Corpus, topics: Topics) -> dict[str, list[Search]]:
    """By topic: judged queries with the relevant documents that name it; queries that name it themselves come first."""
    number_of = {document.id: number for number, document in enumerate(corpus.documents)}
    ranked: defaultdict[str, list[tuple[bool, int, str, Search]]] = defaultdict(list)
    for query in corpus.queries:
        grades = corpus.qrels.get(query.id, {})
        relevant = [number_of[document] for document, grade in grades.items() if grade > 0 and document in number_of]
        named = set(topics.named_in(query.text)) if relevant else set()
        documents: defaultdict[str, list[int]] = defaultdict(list)
        for number in relevant:
            for topic in topics.mentions[number]:
                documents[topic].append(number)
        for topic, numbers in documents.items():
            ranked[topic].append((topic not in named, -len(numbers), query.id, (query.text, sorted(numbers))))
    return {topic: [search for *_, search in sorted(searches)] for topic, searches in ranked.items()}


def _sessions(
    corpus: Corpus, topics: Topics, user: str, topic: str, judged: Sequence[Search], seeds: Seeds
) -> Iterator[PlannedSession]:
    companions = _companions(topics, topic, seeds)
    searches = islice(chain(judged, _topic_searches(topics, topic, companions)), len(_RECENT_DAYS))
    yield from _dated(corpus, user, searches, _RECENT_DAYS)
    if companions:
        lapsed, *others = companions
        yield from _dated(corpus, user, _topic_searches(topics, lapsed, others), _LAPSED_DAYS)


def _companions(topics: Topics, topic: str, seeds: Seeds) -> list[str]:
    """Topics that go with this one, the strongest first."""
    counts = Counter(other for number in topics.documents[topic] for other in topics.mentions[number])
    strength = {
        other: topics.association(count, topic, other)
        for other, count in counts.items()
        if count > 1 and other not in seeds and len(topics.documents[other]) >= MIN_TOPIC_DOCUMENTS
    }
    return sorted(strength, key=lambda other: (-strength[other], other))


def _topic_searches(topics: Topics, topic: str, companions: Iterable[str]) -> Iterator[Search]:
    """The topic's label, then the label with that of a companion; documents that name what is asked for."""
    documents = topics.documents[topic]
    yield topics.labels[topic], documents
    for companion in companions:
        both = sorted(set(documents).intersection(topics.documents[companion]))
        yield f"{topics.labels[topic]} {topics.labels[companion]}", both or documents


def _dated(corpus: Corpus, user: str, searches: Iterable[Search], days: Sequence[int]) -> Iterator[PlannedSession]:
    """One session for each day, as far as the searches go; no document is read twice where there are others."""
    read: set[int] = set()
    for days_ago, (query, numbers) in zip(days, searches, strict=False):
        fresh = [number for number in numbers if number not in read] or numbers
        chosen = fresh[: len(_SECONDS)]
        read.update(chosen)
        documents = (corpus.documents[number] for number in chosen)
        readings = (_reading(document, seconds) for document, seconds in zip(documents, _SECONDS, strict=False))
        yield PlannedSession(user, days_ago, query, tuple(readings))


def _reading(document: CorpusDocument, seconds: int) -> Reading:
    return Reading(document.id, _heading(document), seconds)


def _heading(document: CorpusDocument) -> str:
    """The title, or the first words of the text, or the id: never empty."""
    return document.title.strip() or " ".join(document.text.split()[:_HEADING_WORDS]) or document.id


def _shared_queries(corpus: Corpus, topics: Topics, seeds: Seeds) -> list[str]:
    """What lies between the two topics, and a judged query that names it without naming either."""
    label = topics.labels[seeds.between]
    for query in corpus.queries:
        named = topics.named_in(query.text)
        if seeds.between in named and not {seeds.first, seeds.second}.intersection(named):
            return [label, query.text]
    return [label]


def _plan_by_halves(corpus: Corpus) -> HistoryPlan:
    middle = len(corpus.documents) // 2
    halves = (range(middle), range(middle, len(corpus.documents)))
    sessions = chain.from_iterable(
        _dated(corpus, user, _heading_searches(corpus, half), _RECENT_DAYS)
        for user, half in zip(USERS, halves, strict=True)
    )
    return plan_of(USERS, sessions, [_heading(corpus.documents[middle])])


def _heading_searches(corpus: Corpus, numbers: range) -> Iterator[Search]:
    for number in numbers[:: max(1, len(numbers) // len(_RECENT_DAYS))]:
        yield _heading(corpus.documents[number]), [number]
