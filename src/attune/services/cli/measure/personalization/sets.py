"""The sets: personas in a conversation (ikat), papers that cite (acm_cr), programmers who search (cosobe), strangers.

What a user typed or read later than a query, or with it, is never part of its context. Of a history, no more is there
than the knowledge store keeps.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.history import MOST_READINGS, MOST_STATEMENTS
from attune.services.cli.corpora.beir import load_beir, read_qrels
from attune.services.cli.corpora.jsonlines import JsonLine, numbered_lines, read_json_lines
from attune.services.cli.corpora.keywords import split_keywords
from attune.services.cli.corpora.model import CorpusError
from attune.services.cli.measure.personalization.cases import Case, CaseSet, Passage, Texts
from attune.services.cli.measure.suggestion.moments import Entities
from attune.services.search.leaning.said import MOST_CHARACTERS

_READ_CHARACTERS = 16_384
"""As the search service reads of a document."""
_PARAGRAPH_DIGITS = 3
_STRANGERS = 100
_FOREIGN_QUERIES = 3
"""A stranger has read what so many other queries look for."""


def ikat(data: Path, *, rewritten: bool = False) -> CaseSet:
    """What personas typed, or the same rewritten to stand alone. The session is the last answer; the history what the
    persona says of itself, as it is, and as the entities that it names by a catalog made of the corpus.
    """
    directory = data / "retrieval" / "ikat"
    qrels, personas = read_qrels(directory), _personas(data / "users" / "ikat" / "users_ptkb.jsonl")
    entities = Entities(Catalog.load(load_beir(directory).catalog_lines()))
    labels = {user: _labels(said, entities) for user, said in personas.items()}
    cases = []
    for user, turns in _by_user(read_json_lines(directory / "queries.jsonl")).items():
        histories = {"statements": personas.get(user, ())[-MOST_STATEMENTS:], "entities": labels.get(user, ())}
        last = ""
        for line in turns:
            said = line.text("text") if rewritten else _metadata(line)["utterance"]
            if line.fields["_id"] in qrels:
                cases.append(Case(user, said, qrels[line.fields["_id"]], last, histories))
            last = (_metadata(line).get("response") or said)[:MOST_CHARACTERS]
    return CaseSet("ikat rewritten" if rewritten else "ikat", _corpus(directory), cases)


def acm_cr(data: Path) -> CaseSet:
    """Paragraphs of papers, which cite: the user is the paper. The history is what its earlier paragraphs cite, as
    documents and as their keywords; the session is the earlier paragraph.
    """
    directory = data / "retrieval" / "acm_cr"
    qrels, texts, keywords = read_qrels(directory), {}, {}
    for line in read_json_lines(directory / "corpus.jsonl.gz"):
        texts[line.fields["_id"]] = _passage(line)
        keywords[line.fields["_id"]] = split_keywords((line.fields.get("metadata") or {}).get("keywords"))
    papers: dict[str, list[tuple[int, JsonLine]]] = defaultdict(list)
    for line in read_json_lines(directory / "queries.jsonl"):
        query = line.fields["_id"]
        papers[query[:-_PARAGRAPH_DIGITS]].append((int(query[-_PARAGRAPH_DIGITS:]), line))
    cases = [
        case
        for paper, paragraphs in papers.items()
        for case in _paragraphs(
            paper, [line for _, line in sorted(paragraphs, key=lambda each: each[0])], qrels, texts, keywords
        )
    ]
    return CaseSet("acm_cr", [Passage(*each) for each in texts.items()], cases)


def cosobe(data: Path) -> CaseSet:
    """Programmers' sessions: the ten results of an engine are ranked, after clicks on other ones."""
    directory = data / "users" / "cosobe"
    grades: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for number, row in numbered_lines(directory / "labels.tsv"):
        if number > 1:
            session, query, document, grade = (int(each) for each in row.split("\t"))
            grades[str(session), query][document] = grade
    corpus: dict[str, str] = {}
    cases = []
    for line in read_json_lines(directory / "sessions.jsonl"):
        read: list[str] = []
        last = ""
        for number, each in enumerate(line.fields["iterations"], start=1):
            results = {int(found["rank"]): (found["url"], found["title"]) for found in each["results"]}
            corpus.update(results.values())
            own = grades[line.fields["session"], number]
            judged = {results[rank][0]: grade for rank, grade in own.items() if rank in results}
            if read and judged:
                pool = tuple(url for url, _ in results.values())
                histories = {"documents": tuple(read[-MOST_READINGS:])}
                cases.append(Case(line.fields["session"], each["query"], judged, last, histories, pool))
            clicked = [
                results[int(click["rank"])][1] for click in each.get("clicks", []) if int(click["rank"]) in results
            ]
            read += [title for title in clicked if title not in read]
            last = clicked[-1] if clicked else each["query"]
    return CaseSet("cosobe", [Passage(*each) for each in corpus.items()], cases)


def strangers(data: Path, name: str, seed: int = 0) -> CaseSet:
    """Queries of a judged corpus, asked after a session of, and with the history of, somebody who looks for something
    else in the same corpus; and of a persona who has nothing to do with it.
    """
    directory = data / "retrieval" / name
    corpus = _corpus(directory)
    texts = {each.id: each.text for each in corpus}
    qrels, random_ = read_qrels(directory), random.Random(seed)  # noqa: S311 - no secret
    lines = [line for line in read_json_lines(directory / "queries.jsonl") if line.fields["_id"] in qrels]
    chosen = random_.sample(lines, min(_STRANGERS, len(lines)))
    personas = list(_personas(data / "users" / "ikat" / "users_ptkb.jsonl").values())
    cases = []
    for place, line in enumerate(chosen):
        read = [
            text
            for step in range(1, _FOREIGN_QUERIES + 1)
            for text in _relevant(qrels[chosen[(place + step) % len(chosen)].fields["_id"]], texts)
        ]
        histories = {
            "documents": tuple(read[-MOST_READINGS:]),
            "statements": personas[place % len(personas)][-MOST_STATEMENTS:],
        }
        query = line.fields["_id"]
        cases.append(Case(query, line.text("text"), qrels[query], read[0][:MOST_CHARACTERS] if read else "", histories))
    return CaseSet(name, corpus, cases, is_strangers=True)


def _paragraphs(
    paper: str,
    lines: Sequence[JsonLine],
    qrels: Mapping[str, Mapping[str, int]],
    texts: Mapping[str, str],
    keywords: Mapping[str, Sequence[str]],
) -> Iterator[Case]:
    cited: dict[str, None] = {}
    last = ""
    for line in lines:
        grades = qrels.get(line.fields["_id"])
        if grades is not None and cited:
            named = dict.fromkeys(word for document in cited for word in keywords[document])
            read = tuple(texts[each] for each in cited)[-MOST_READINGS:]
            histories = {"documents": read, "entities": tuple(named)}
            yield Case(paper, line.text("text"), grades, last, histories)
        cited |= dict.fromkeys(each for each, grade in (grades or {}).items() if grade > 0 and each in texts)
        last = line.text("text")[:MOST_CHARACTERS]


def _personas(path: Path) -> dict[str, Texts]:
    return {line.text("user"): tuple(line.fields["ptkb"].values()) for line in read_json_lines(path)}


def _labels(said: Sequence[str], entities: Entities) -> Texts:
    named = dict.fromkeys(each for text in said for each in entities.named(text))
    return tuple(entities.catalog[each].label for each in named)


def _by_user(lines: Iterator[JsonLine]) -> dict[str, list[JsonLine]]:
    found: dict[str, list[JsonLine]] = defaultdict(list)
    for line in lines:
        found[_metadata(line)["user"]].append(line)
    return {user: sorted(own, key=lambda line: _metadata(line)["turn"]) for user, own in found.items()}


def _metadata(line: JsonLine) -> dict[str, Any]:
    found = line.fields.get("metadata")
    if not isinstance(found, dict) or not {"user", "turn", "utterance"} <= set(found):
        raise line.error("metadata", "no object with user, turn and utterance; give the queries of a conversation")
    return found


def _corpus(directory: Path) -> list[Passage]:
    """Without empty documents, of which some corpora have one or two: they cannot be embedded."""
    path = next((each for each in (directory / "corpus.jsonl", directory / "corpus.jsonl.gz") if each.exists()), None)
    if path is None:
        raise CorpusError(f"{directory}: no corpus.jsonl or corpus.jsonl.gz; give the directory that has retrieval/")
    read = (Passage(line.text("_id"), _passage(line)) for line in read_json_lines(path))
    return [each for each in read if each.text]


def _passage(line: JsonLine) -> str:
    return f"{line.text('title')}\n{line.text('text')}".strip()[:_READ_CHARACTERS]


def _relevant(grades: Mapping[str, int], texts: Mapping[str, str]) -> list[str]:
    return [texts[each] for each, grade in grades.items() if grade > 0 and each in texts]
