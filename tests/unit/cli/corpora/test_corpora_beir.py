import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.services.cli.corpora.beir import load_beir
from attune.services.cli.corpora.model import CorpusDocument, CorpusError, CorpusQuery

Write = Callable[..., Path]
HEADER = "query-id\tcorpus-id\tscore\n"


def documents(*ids: str) -> list[dict[str, str]]:
    return [{"_id": one, "title": f"Title {one}", "text": f"Text of {one}."} for one in ids]


def test_documents_queries_and_judgements_are_read(write_beir: Write) -> None:
    queries = [{"_id": "q1", "text": "one?"}, {"_id": "q2", "text": "two?"}]
    corpus = load_beir(write_beir(documents("a", "b"), queries, f"{HEADER}q1\ta\t2\nq1\tb\t0\nq2\tb\t1\n"))
    assert corpus.name == "my-set"
    assert corpus.documents[0] == CorpusDocument("a", "Title a", "Text of a.", "my-set")
    assert corpus.queries == [CorpusQuery("q1", "one?"), CorpusQuery("q2", "two?")]
    assert corpus.qrels == {"q1": {"a": 2, "b": 0}, "q2": {"b": 1}}


def test_queries_and_judgements_may_be_missing(write_beir: Write) -> None:
    corpus = load_beir(write_beir(documents("a")))
    assert (corpus.queries, corpus.qrels) == ([], {})


def test_title_and_text_may_be_missing_or_null(write_beir: Write) -> None:
    corpus = load_beir(write_beir([{"_id": "a"}, {"_id": "b", "title": None, "text": "T"}]))
    assert [(document.title, document.text) for document in corpus.documents] == [("", ""), ("", "T")]


def test_blank_lines_byte_order_marks_and_crlf_are_no_trouble(write_beir: Write) -> None:
    directory = write_beir(["\ufeff" + json.dumps({"_id": "a", "text": "T"}), "", "  ", '{"_id": "b"}\r'])
    (directory / "qrels" / "test.tsv").write_bytes(b"query-id\tcorpus-id\tscore\r\nq\ta\t1\r\n\r\n")
    corpus = load_beir(directory)
    assert [document.id for document in corpus.documents] == ["a", "b"]
    assert corpus.qrels == {"q": {"a": 1}}


def test_gzip_files_are_read(write_beir: Write) -> None:
    directory = write_beir(None)
    for name, fields in (("corpus", {"_id": "a", "text": "ü"}), ("queries", {"_id": "q", "text": "x"})):
        with gzip.open(directory / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write(json.dumps(fields))
    corpus = load_beir(directory)
    assert (corpus.documents[0].text, corpus.queries[0].text) == ("ü", "x")


def test_all_splits_are_joined(write_beir: Write) -> None:
    directory = write_beir(documents("a", "b"), None, f"{HEADER}q1\ta\t1\n")
    (directory / "qrels" / "train.tsv").write_text(f"{HEADER}q1\tb\t1\nq2\tb\t1\n")
    assert load_beir(directory).qrels == {"q1": {"a": 1, "b": 1}, "q2": {"b": 1}}


def test_a_limit_keeps_judged_documents_first(write_beir: Write) -> None:
    queries = [{"_id": one, "text": one} for one in ("q1", "q2", "q3")]
    directory = write_beir(documents(*"abcdef"), queries, f"{HEADER}q1\te\t1\nq2\tf\t0\nq3\tgone\t1\n")
    assert [document.id for document in load_beir(directory, limit=3).documents] == ["e", "f", "a"]
    corpus = load_beir(directory, limit=1)
    assert corpus.qrels == {"q1": {"e": 1}}
    assert [query.id for query in corpus.queries] == ["q1"]
    assert len(load_beir(directory, limit=100).documents) == 6
    with pytest.raises(CorpusError, match="limit is 0; give 1 or more"):
        load_beir(directory, limit=0)


def test_a_url_in_the_metadata_is_kept(write_beir: Write) -> None:
    corpus = load_beir(write_beir([{"_id": "a", "metadata": {"url": "https://x.org"}}, {"_id": "b", "metadata": [1]}]))
    assert [document.url for document in corpus.documents] == ["https://x.org", ""]


def test_keywords_in_the_metadata_become_entities(write_beir: Write) -> None:
    def document(number: int, keywords: object) -> dict[str, object]:
        text = "All about information retrieval. More."
        return {"_id": str(number), "text": text, "metadata": {"keywords": keywords}}

    directory = write_beir(
        [
            document(1, "Information Retrieval, spam"),
            document(2, ["Information Retrieval", "spam", "only once"]),
            document(3, "information retrieval; SPAM"),
            document(4, None),
        ]
    )
    first, second = load_beir(directory).entities
    assert (first.id, first.label) == ("information retrieval", "Information Retrieval")
    assert (second.id, second.label) == ("spam", "spam")
    assert first.description == "All about information retrieval."
    assert (first.links, second.links) == ((("related_to", "spam"),), (("related_to", "information retrieval"),))


def test_phrases_are_the_entities_where_there_are_no_keywords(write_beir: Write) -> None:
    lines = [{"_id": str(n), "text": f"The red panda number {n}." if n < 3 else f"Other {n}."} for n in range(40)]
    assert [entity.label for entity in load_beir(write_beir(lines)).entities if " " in entity.label] == ["red panda"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"_id": "a"}', '{"_id": '], r"corpus\.jsonl, line 2: not JSON .* write one JSON object a line"),
        (['{"_id": "a"}', "[1]"], r"corpus\.jsonl, line 2: a list; write one JSON object"),
        (['{"title": "a"}'], r"corpus\.jsonl, line 1, field _id: missing; write it as a JSON string"),
        (['{"_id": 7}'], r"corpus\.jsonl, line 1, field _id: a int, not a string"),
        (['{"_id": " "}'], r"corpus\.jsonl, line 1, field _id: empty"),
        (['{"_id": "a", "text": 3}'], r"corpus\.jsonl, line 1, field text: a int, not a string"),
        (['{"_id": "a"}', "", '{"_id": "a"}'], r"line 3, field _id: 'a' is the id of line 1 too"),
        (["", " "], r"corpus\.jsonl: no documents; put one JSON object"),
        (["[" * 100_000], r"line 1: not JSON"),
    ],
)
def test_a_bad_corpus_is_one_sentence_with_the_place(write_beir: Write, lines: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_beir(write_beir(lines))


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("", r"test\.tsv, line 1: no header; begin the file with query-id, corpus-id, score"),
        ("q\ta\t1\n", r"test\.tsv, line 1: no header"),
        (f"{HEADER}q a 1\n", r"test\.tsv, line 2: 1 column\(s\); write query-id, corpus-id and score"),
        (f"{HEADER}q\t0\ta\t1\n", r"test\.tsv, line 2: 4 column\(s\)"),
        (f"{HEADER}q\ta\t1\nq\tb\thigh\n", r"test\.tsv, line 3, field score: 'high'; write a whole number"),
    ],
)
def test_bad_judgements_are_one_sentence_with_the_place(write_beir: Write, qrels: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_beir(write_beir(documents("a"), None, qrels))


def test_bad_queries_are_named(write_beir: Write) -> None:
    with pytest.raises(CorpusError, match=r"queries\.jsonl, line 1, field text: missing"):
        load_beir(write_beir(documents("a"), [{"_id": "q"}]))


def test_invalid_utf8_names_line_and_byte(write_beir: Write) -> None:
    directory = write_beir(None)
    (directory / "corpus.jsonl").write_bytes(b'{"_id": "a"}\n{"_id": "\xff"}\n')
    with pytest.raises(CorpusError, match=r"line 2: byte 9 of the line is not UTF-8; save the file as UTF-8"):
        load_beir(directory)


@pytest.mark.parametrize(
    "content", [b"not gzip at all", gzip.compress(b'{"_id": "a"}\n', mtime=0)[:-12]], ids=["not gzip", "cut off"]
)
def test_a_damaged_gzip_file_is_named(write_beir: Write, content: bytes) -> None:
    directory = write_beir(None)
    (directory / "corpus.jsonl.gz").write_bytes(content)
    with pytest.raises(CorpusError, match=r"corpus\.jsonl\.gz: cannot be read .* check the path"):
        load_beir(directory)


def test_a_directory_without_a_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere: no corpus\.jsonl or corpus\.jsonl\.gz; give a directory in BEIR"):
        load_beir(tmp_path / "nowhere")
