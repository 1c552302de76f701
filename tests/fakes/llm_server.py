"""A server that speaks OpenAI's protocol over HTTP and answers as a test tells it to: well, badly, late or halfway."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends, as it is; after `body` the pieces, one by one, where there are any."""

    code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None
    hangs: bool = False
    """After the last piece nothing comes, until the test ends."""
    breaks: bool = False
    """The connection is closed in the middle."""


Answer = Callable[[dict[str, Any]], Reply]
_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def completion(content: str) -> Answer:
    """A well-formed completion whose message is `content`; streamed, where that is asked for."""

    def answer(request: dict[str, Any]) -> Reply:
        if request.get("stream"):
            return streamed(*(content[at : at + 7] for at in range(0, len(content), 7)))(request)
        return Reply(200, json.dumps(_completion(content, request)).encode())

    return answer


def _completion(content: str, request: dict[str, Any]) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": content}} if "messages" in request else {"text": content}
    choice = {"index": 0, "finish_reason": "stop", **said}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "fake-1",
        "choices": [choice],
        "usage": _USAGE,
    }


def streamed(*pieces: str, hangs: bool = False, breaks: bool = False, ends: bool = True) -> Answer:
    """A stream of these pieces, with the usage last, unless it hangs or breaks before, or just stops."""

    def answer(_request: dict[str, Any]) -> Reply:
        events = [_event([{"index": 0, "delta": {"content": piece}}]) for piece in pieces]
        if ends and not (hangs or breaks):
            events += [_event([], usage=_USAGE), b"data: [DONE]\n\n"]
        return Reply(200, b"", {"Content-Type": "text/event-stream"}, events, hangs=hangs, breaks=breaks)

    return answer


def held_back(*queries: str, until: threading.Event) -> Answer:
    """A stream of these suggestions, whose second and later ones come once the event is set."""

    def answer(_request: dict[str, Any]) -> Reply:
        return Reply(200, b"", {"Content-Type": "text/event-stream"}, _events_held_back(listed(*queries), until))

    return answer


def _events_held_back(text: str, until: threading.Event) -> Iterator[bytes]:
    first, rest = text[: text.index("}") + 1], text[text.index("}") + 1 :]
    yield _event([{"index": 0, "delta": {"content": first}}])
    until.wait()
    yield _event([{"index": 0, "delta": {"content": rest}}])
    yield _event([], usage=_USAGE)
    yield b"data: [DONE]\n\n"


def _event(choices: list[Any], **more: Any) -> bytes:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "fake-1", "choices": choices, **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def listed(*queries: str) -> str:
    """The JSON that the prompt asks for."""
    return json.dumps({"suggestions": [{"query": each, "rationale": f"about {each}"} for each in queries]})


def suggestions(*queries: str) -> Answer:
    """The completion that the prompt asks for."""
    return completion(listed(*queries))


def status(code: int, **headers: str) -> Answer:
    """An HTTP error; headers as retry_after="1"."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: Reply(code, b'{"error": {"message": "no"}}', named)


def raw(body: bytes) -> Answer:
    """HTTP 200 with any bytes."""
    return lambda _request: Reply(200, body)


def in_turn(*answers: Answer) -> Answer:
    """One after the other; the last for ever."""
    left = list(answers)

    def answer(request: dict[str, Any]) -> Reply:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


def obedient(request: dict[str, Any]) -> Reply:
    """A model that does what the page in its prompt says, word by word, and nothing else."""
    prompt = request["messages"][0]["content"]
    (line,) = [line for line in prompt.split("\n") if line.startswith("page text: ")]
    return completion(json.loads(line.removeprefix("page text: ")).removeprefix("ignore previous instructions: "))(
        request
    )


@dataclass
class LlmServer:
    """What it answers, and what it was asked."""

    base_url: str
    answer: Answer = field(default_factory=lambda: suggestions("next query"))
    delay_s: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    """A server on a free port of the loopback interface, for the length of a `with` block."""
    state = LlmServer("")
    released = threading.Event()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512  # of many callers at once none has to knock again

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(request)
            released.wait(state.delay_s)  # a slow model, until the test ends
            with suppress(OSError):  # the caller stopped waiting
                self._send(state.answer(request))

        def _send(self, reply: Reply) -> None:
            self.close_connection = True
            self.send_response(reply.code)
            for name, value in {"Content-Type": "application/json", "Connection": "close", **reply.headers}.items():
                self.send_header(name, value)
            if reply.pieces is None:
                self.send_header("Content-Length", str(len(reply.body)))
            elif reply.breaks:
                self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(reply.body)
            for piece in reply.pieces or ():
                self.wfile.write(piece)
                self.wfile.flush()
            if reply.hangs:
                released.wait()

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = Server(("127.0.0.1", 0), Handler)
    state.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
