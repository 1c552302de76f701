"""Data sets in BEIR layout (Thakur et al., 2021, arXiv 2104.08663):

DIR/corpus.jsonl[.gz]   {"_id", "title", "text", "metadata"?}
DIR/queries.jsonl[.gz]  {"_id", "text"}                            may be missing
DIR/qrels/*.tsv         query-id, corpus-id, score, with a header  may be missing
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from attune.services.cli.corpora.jsonlines import JsonLine, numbered_lines, read_json_lines
from attune.services.cli.corpora.keywords import keyword_entities, split_keywords
from attune.services.cli.corpora.model import CatalogEntity, Corpus, CorpusDocument, CorpusError, CorpusQuery
from attune.services.cli.corpora.phrases import phrase_entities

_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9]+")

Qrels = dict[str, dict[str, int]]


def load_beir(directory: Path, limit: int | None = None) -> Corpus:
    """The corpus in `directory`; its name and its documents' domain are the directory's name as a slug.

    With `limit`, at most so many documents: judged ones first, then in the order of the file; judgements of others go,
    and queries that keep none. Entities are the documents' metadata keywords, or salient phrases where there are none.
    Raises CorpusError, naming file, line, field and mend.
    """
    if limit is not None and limit < 1:
        raise CorpusError(f"limit is {limit}; give 1 or more documents, or no limit")
    name = _slug(directory)
    qrels = read_qrels(directory)
    lines = _limited(_corpus_lines(directory), qrels, limit)
    documents = [_document(line, name) for line in lines]
    qrels = _restricted(qrels, {document.id for document in documents})
    queries = read_queries(directory)
    return Corpus(
        name=name,
        documents=documents,
        entities=_entities(documents, lines),
        queries=[query for query in queries if limit is None or query.id in qrels],
        qrels=qrels,
    )


def _slug(directory: Path) -> str:
    return _NOT_IN_A_SLUG.sub("-", directory.resolve().name.lower()).strip("-") or "corpus"


def _file(directory: Path, name: str) -> Path | None:
    return next((path for path in (directory / name, directory / f"{name}.gz") if path.is_file()), None)


def _corpus_lines(directory: Path) -> list[JsonLine]:
    path = _file(directory, "corpus.jsonl")
    if path is None:
        raise CorpusError(f"{directory}: no corpus.jsonl or corpus.jsonl.gz; give a directory in BEIR layout")
    lines = _unique(read_json_lines(path))
    if not lines:
        raise CorpusError(f"{path}: no documents; put one JSON object with _id, title and text on each line")
    return lines


def _unique(lines: Iterable[JsonLine]) -> list[JsonLine]:
    """The lines, after a check that each has an `_id` of its own."""
    first: dict[str, JsonLine] = {}
    for line in lines:
        line_id = line.text("_id", required=True)
        if line_id in first:
            trouble = f"{line_id!r} is the id of line {first[line_id].number} too"
            raise line.error("_id", f"{trouble}; give each line an id of its own")
        first[line_id] = line
    return list(first.values())


def _document(line: JsonLine, domain: str) -> CorpusDocument:
    title, text = line.text("title"), line.text("text")
    metadata = line.fields.get("metadata")
    url = metadata.get("url") if isinstance(metadata, dict) else None
    return CorpusDocument(line.text("_id"), title, text, domain, url if isinstance(url, str) else "")


def _limited(lines: list[JsonLine], qrels: Qrels, limit: int | None) -> list[JsonLine]:
    judged = {document for grades in qrels.values() for document in grades}
    in_order = sorted(lines, key=lambda line: line.fields["_id"] not in judged) if limit else lines
    return list(islice(in_order, limit))


def read_queries(directory: Path) -> list[CorpusQuery]:
    """The queries in the order of the file; none where there is no file."""
    path = _file(directory, "queries.jsonl")
    if path is None:
        return []
    return [CorpusQuery(line.text("_id"), line.text("text", required=True)) for line in _unique(read_json_lines(path))]


def read_qrels(directory: Path, split: str = "") -> Qrels:
    """The judgements of one split, or of all of them together."""
    qrels: Qrels = {}
    for path in sorted((directory / "qrels").glob(f"{split or '*'}.tsv")):
        rows = numbered_lines(path)
        _check_header(path, next(rows, None))
        for number, row in rows:
            query, document, grade = _judgement(path, number, row)
            qrels.setdefault(query, {})[document] = grade
    return qrels


def _check_header(path: Path, first: tuple[int, str] | None) -> None:
    if first is None or first[1].rstrip("\r\n").split("\t")[-1].lstrip("-").isdigit():
        raise CorpusError(f"{path}, line 1: no header; begin the file with query-id, corpus-id, score between tabs")


def _judgement(path: Path, number: int, row: str) -> tuple[str, str, int]:
    columns = row.rstrip("\r\n").split("\t")
    if len(columns) != 3:
        raise CorpusError(
            f"{path}, line {number}: {len(columns)} column(s); write query-id, corpus-id and score between tabs"
        )
    query, document, score = columns
    try:
        return query, document, int(score)
    except ValueError as error:
        raise CorpusError(f"{path}, line {number}, field score: {score!r}; write a whole number") from error


def _restricted(qrels: Qrels, documents: set[str]) -> Qrels:
    kept = {
        query: {document: grade for document, grade in grades.items() if document in documents}
        for query, grades in qrels.items()
    }
    return {query: grades for query, grades in kept.items() if grades}


def _entities(documents: Sequence[CorpusDocument], lines: Sequence[JsonLine]) -> list[CatalogEntity]:
    keywords = [_keywords(line) for line in lines]
    return keyword_entities(documents, keywords) if any(keywords) else phrase_entities(documents)


def _keywords(line: JsonLine) -> list[str]:
    metadata = line.fields.get("metadata")
    return split_keywords(metadata.get("keywords")) if isinstance(metadata, dict) else []
