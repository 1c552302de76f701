"""Keys that an issuer publishes: asked for rarely, found after a rotation, and kept while the issuer is away."""

import asyncio
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import structlog
from tests.fakes.issuer import Issuer, KeyServer, key_server

from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.published_keys import PublishedKeys
from attune.services.runtime.security.web import FetchError, fetch, is_protected

DAY_S = 24 * 3600


class Publishing:
    """An issuer whose answers are counted, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.asked = 0
        self.now = 1000.0
        self.is_away = False
        self.keys = PublishedKeys(self.read, "the keys", refresh_s=300, clock=lambda: self.now)

    def read(self) -> bytes:
        self.asked += 1
        if self.is_away:
            raise FetchError("it does not answer")
        return self.issuer.key_set

    async def has(self, kid: str) -> bool:
        return any([await self.keys.find(kid, each) for each in ("ES256", "EdDSA")])

    async def settled(self) -> None:
        """What was begun on the side has come to its end."""
        assert self.keys._asking
        await self.keys._asking


@pytest.fixture
def publishing() -> Publishing:
    return Publishing()


async def test_many_tokens_of_one_key_are_one_question(publishing: Publishing) -> None:
    assert all(await asyncio.gather(*(publishing.has("1") for _ in range(50))))
    assert publishing.asked == 1


async def test_a_new_key_is_found_at_once(publishing: Publishing) -> None:
    assert await publishing.has("1")
    publishing.issuer.rotate()
    publishing.now += 11
    assert await publishing.has("2")
    assert publishing.asked == 2


async def test_names_that_are_made_up_ask_once_in_a_while(publishing: Publishing) -> None:
    for number in range(100):
        assert not await publishing.has(f"made up {number}")
    assert publishing.asked == 1
    publishing.now += 11
    for number in range(100):
        assert not await publishing.has(f"made up {number}")
    assert publishing.asked == 2


async def test_old_keys_are_read_anew_while_nobody_waits(publishing: Publishing) -> None:
    assert await publishing.has("1")
    publishing.issuer.rotate()
    publishing.issuer.published = publishing.issuer.published[1:]
    publishing.now += 301
    assert await publishing.has("1")
    await publishing.settled()
    assert not await publishing.has("1")


async def test_while_the_issuer_is_away_the_keys_of_before_hold_for_a_day(publishing: Publishing) -> None:
    assert await publishing.has("1")
    publishing.is_away = True
    publishing.now += DAY_S - 1
    assert await publishing.has("1")
    assert not await publishing.has("2")
    publishing.now += 12
    with pytest.raises(ServiceError) as refused:
        await publishing.has("1")
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.UNAVAILABLE, "KEYS_UNAVAILABLE")
    publishing.is_away = False
    publishing.now += 11
    assert await publishing.has("1")


async def test_an_issuer_that_was_never_there_is_told_with_when_to_come_back(publishing: Publishing) -> None:
    publishing.is_away = True
    for _ in range(3):
        with pytest.raises(ServiceError) as refused:
            await publishing.has("1")
        assert refused.value.retry_after_s == 10
    assert publishing.asked == 1


async def test_the_log_says_which_keys_are_used_where_new_ones_cannot_be_read(publishing: Publishing) -> None:
    publishing.is_away = True
    with structlog.testing.capture_logs() as lines, pytest.raises(ServiceError):
        await publishing.has("1")
    publishing.is_away, publishing.now = False, publishing.now + 11
    assert await publishing.has("1")
    publishing.is_away = True
    with structlog.testing.capture_logs() as later:
        for passed_s in (301, DAY_S):
            publishing.now += passed_s
            with suppress(ServiceError):
                await publishing.has("1")
            await publishing.settled()
    assert {each["event"] for each in [*lines, *later]} == {"keys cannot be read"}
    none = "none: its tokens are refused"
    assert [each["used"] for each in [*lines, *later]] == [none, "those of before", none]


async def test_a_set_that_is_none_replaces_no_good_one(publishing: Publishing) -> None:
    assert await publishing.has("1")
    publishing.issuer.published = []
    publishing.now += 11
    assert not await publishing.has("2")
    assert await publishing.has("1")


async def test_a_caller_that_leaves_takes_the_question_from_nobody(publishing: Publishing) -> None:
    leaving, staying = (asyncio.ensure_future(publishing.has("1")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying
    assert publishing.asked == 1


async def test_a_file_is_read_anew(tmp_path: Path) -> None:
    issuer, now = Issuer(), [0.0]
    path = tmp_path / "keys.json"
    path.write_bytes(issuer.key_set)
    keys = PublishedKeys.of_file(path, refresh_s=300, clock=lambda: now[0])
    keys.read_now()
    issuer.rotate()
    path.write_bytes(issuer.key_set)
    assert await keys.find("2", "EdDSA")
    path.unlink()
    now[0] += 301
    assert await keys.find("1", "ES256")


@pytest.fixture
def server():
    with key_server() as serving:
        yield serving


async def test_keys_come_over_the_web(server: KeyServer) -> None:
    server.answer = (200, Issuer().key_set)
    keys = PublishedKeys.at_url(server.url, refresh_s=300, clock=lambda: 1000.0)
    assert await keys.find("1", "ES256")


@pytest.mark.parametrize(
    ("answer", "told"), [((404, b""), "404"), ((500, b"{}"), "500"), ((200, b"x" * (1 << 21)), "more than")]
)
def test_an_answer_that_is_none_says_so(server: KeyServer, answer: tuple[int, bytes], told: str) -> None:
    server.answer = answer
    with pytest.raises(FetchError, match=told):
        fetch(server.url)


def test_nobody_is_sent_elsewhere(server: KeyServer) -> None:
    server.answer, server.location = (302, b""), server.url + "/elsewhere"
    with pytest.raises(FetchError, match="302"):
        fetch(server.url)
    assert server.asked == 1


def test_a_server_that_is_away_says_so() -> None:
    with pytest.raises(FetchError, match="does not answer"):
        fetch("http://127.0.0.1:9/keys")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://issuer.example/keys", True),
        ("http://localhost:8080/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://[::1]/keys", True),
        ("http://issuer.example/keys", False),
        ("http://localhost.evil.example/", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/", False),
        ("", False),
    ],
)
def test_nobody_on_the_way_may_change_the_keys(url: str, good: bool) -> None:
    assert is_protected(url) is good
