"""A server that speaks OpenAI's chat protocol over HTTP and answers as a test tells it to: well, badly or late."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


def completion(content: str) -> Answer:
    """A well-formed completion whose message is `content`."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "fake-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return lambda _request: (200, json.dumps(body).encode())


def suggestions(*queries: str) -> Answer:
    """The JSON that the prompt asks for."""
    return completion(json.dumps({"suggestions": [{"query": each, "rationale": f"about {each}"} for each in queries]}))


def status(code: int) -> Answer:
    """An HTTP error."""
    return lambda _request: (code, b'{"error": {"message": "no"}}')


def raw(body: bytes) -> Answer:
    """HTTP 200 with any bytes."""
    return lambda _request: (200, body)


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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(request)
            released.wait(state.delay_s)  # a slow model, until the test ends
            code, body = state.answer(request)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # the caller stopped waiting

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
