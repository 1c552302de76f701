"""How the peer is installed and started. Nothing is installed here."""

import sys
from pathlib import Path

import pytest

from attune.services.cli.measure.embedding.servers.infinity import engines, free_port, serve_command
from attune.services.cli.measure.embedding.servers.infinity_install import (
    export,
    install,
    install_commands,
    python_of,
    quantization_for,
)
from attune.services.cli.measure.errors import BenchError

PEER_DIR = Path("/cache/infinity")
PYTHON = "/cache/infinity/venv/bin/python"


def test_uv_makes_the_environment_where_it_is_there() -> None:
    create, package, remove, repair = install_commands(PEER_DIR, "/bin/uv")
    assert create == ["/bin/uv", "venv", "--quiet", "--clear", "--python", sys.executable, "/cache/infinity/venv"]
    assert package[-1] == "infinity-emb[torch,server,logging,cache,optimum]==0.0.77"
    assert remove[:3] == ["/bin/uv", "pip", "uninstall"]
    assert remove[-1] == "optimum-onnx"
    assert repair[-3:] == ["optimum==1.24.0", "transformers==4.48.3", "click==8.1.8"]
    assert all(PYTHON in command for command in (package, remove, repair))


def test_pip_does_it_elsewhere_in_the_same_order() -> None:
    commands = install_commands(PEER_DIR, None)
    assert commands[0] == [sys.executable, "-m", "venv", "--clear", "/cache/infinity/venv"]
    assert [command[:4] for command in commands[1:]] == [
        [PYTHON, "-m", "pip", "install"],
        [PYTHON, "-m", "pip", "uninstall"],
        [PYTHON, "-m", "pip", "install"],
    ]


def test_what_is_installed_whole_is_not_installed_again(tmp_path: Path) -> None:
    recipe = ["infinity-emb[torch,server,logging,cache,optimum]==0.0.77"]
    recipe += ["optimum==1.24.0", "transformers==4.48.3", "click==8.1.8"]
    (tmp_path / "installed").write_text("\n".join(recipe))
    install(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["installed"]


def test_a_failed_export_says_what_the_peer_said_and_is_tried_again(tmp_path: Path) -> None:
    python = python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    python.chmod(0o755)
    for _ in range(2):
        with pytest.raises(BenchError, match=r"(?s)cannot be exported to ONNX: .* said: no space left"):
            export(tmp_path, tmp_path, "abc", frozenset())
    assert not (tmp_path / "models/abc/exported").exists()


def test_an_export_is_made_once_for_each_revision(tmp_path: Path) -> None:
    done = tmp_path / "models/abc/exported"
    done.parent.mkdir(parents=True)
    done.touch()
    assert export(tmp_path, tmp_path, "abc", frozenset()) == (done.parent / "fp32", done.parent / "int8")


@pytest.mark.parametrize(
    ("flags", "recipe"),
    [({"avx2"}, "avx2"), ({"avx512_vnni", "avx2"}, "avx512_vnni"), ({"avx_vnni"}, "avx512_vnni"), (set(), "avx2")],
)
def test_quantization_is_chosen_by_what_the_cpu_can_add_without_overflow(flags: set[str], recipe: str) -> None:
    assert quantization_for(frozenset(flags)) == recipe


def test_every_engine_serves_the_same_weights_with_mean_pooling() -> None:
    made = engines(Path("/model"), Path("/onnx/fp32"), Path("/onnx/int8"))
    assert [each.name for each in made] == ["infinity_torch", "infinity_onnx_fp32", "infinity_onnx_int8"]
    commands = [" ".join(serve_command(each, Path("/bin/infinity_emb"), 7000)) for each in made]
    assert commands[0].startswith("/bin/infinity_emb v2 --model-id /model --served-model-name peer --engine torch")
    assert "--model-id /onnx/fp32 --served-model-name peer --engine optimum" in commands[1]
    assert "--model-id /onnx/int8 --served-model-name peer --engine optimum" in commands[2]
    assert all("--pooling-method mean --host 127.0.0.1 --port 7000" in command for command in commands)


def test_a_free_port_is_a_port() -> None:
    assert 1024 <= free_port() <= 65535
