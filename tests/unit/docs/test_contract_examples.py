"""What docs/contracts.md says of records holds: its example, its actions, its codes, its headers."""

import re
from datetime import UTC, datetime

from tests.unit.docs.conftest import ROOT, blocks, rows

from attune.services.runtime.dead_letters import dead_letter
from attune.services.runtime.documents import DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.records.ubi import KINDS
from attune.services.runtime.validation import Validation

CONTRACTS = (ROOT / "docs/contracts.md").read_text(encoding="utf-8")
NOW_MS = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp() * 1000)


def sent(topic: str) -> list[Record]:
    """What the commands with kcat put into a topic."""
    (block,) = (each for each in blocks(CONTRACTS, "sh") if "kcat" in each and f"-t {topic} " in each)
    records = []
    for command in block.split("echo ")[1:]:
        match = re.search(r"'(.*?)\|(.*)'", command)
        assert match is not None
        headers = tuple((name, value.encode()) for name, value in re.findall(r"-H ([\w-]+)=(\S+)", command))
        records.append(Record(topic, 0, 0, NOW_MS, match[1].encode(), match[2].encode(), headers))
    return records


def test_what_kcat_sends_is_an_event() -> None:
    (record,) = sent(TOPIC)
    assert len(record.headers) == 4
    assert Admission().event(record, Validation()).event_id == "e1"


def test_what_kcat_sends_is_a_document_and_its_deletion() -> None:
    put, delete = (Admission().document(each, Validation()) for each in sent(DOCUMENTS_TOPIC))
    assert (put.put.document_id, put.tenant_id) == ("d1", "default")
    assert delete.delete_id == "d1"


def test_every_action_of_ubi_is_listed() -> None:
    table = {row[0]: row[1] for row in rows(CONTRACTS, "| UBI | InteractionEvent |")}
    assert set(KINDS) <= set(re.findall(r"\w+", table["`action_name`"]))


def test_every_code_and_header_of_dead_letters_is_listed() -> None:
    letter = dead_letter(Record(TOPIC, 0, 0, 0, b"", b""), InvalidRecordError(Reason.INVALID, "why"))
    listed = {row[0].strip("`"): row[1] for row in rows(CONTRACTS, "| header | what it holds |")}
    assert list(listed) == [name for name, _ in letter.headers]
    assert {f"`{reason}`" for reason in Reason} <= set(re.findall(r"`\w+`", listed["attune_code"]))
