"""A real API server and its etcd, built from Go modules: minutes the first time, then there."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = Path(__file__).parent / "control_plane"
VERSION = "v1.36.1"
_PACKAGES = {"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver", "etcd": "go.etcd.io/etcd/server/v3"}


class UnavailableError(Exception):
    """What is needed cannot be had here; the message says what."""


def built() -> Path:
    """The directory of the programs, for the versions that go.mod names.

    Raises:
        UnavailableError: there is no Go, or it cannot fetch or build them.
    """
    key = hashlib.sha256((MODULE / "go.sum").read_bytes()).hexdigest()[:12]
    directory = ROOT / ".tools/kubernetes" / key
    for program, package in _PACKAGES.items():
        if not (directory / program).exists():
            _build(package, directory / program)
    return directory


def kubectl() -> str:
    """The program, of the virtual environment or of the machine. Raises UnavailableError."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise UnavailableError("there is no kubectl: `make setup` installs it on Linux")
    return found


def _build(package: str, target: Path) -> None:
    if shutil.which("go") is None:
        raise UnavailableError("there is no Go to build a Kubernetes API server with")
    sys.stderr.write(f"building {package} (minutes, once)\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion={VERSION}"
    command = ["go", "build", "-trimpath", "-ldflags", flags, "-o", str(draft), package]
    ended = subprocess.run(command, cwd=MODULE, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if ended.returncode:
        raise UnavailableError(f"{package} cannot be built:\n{ended.stderr[-2000:]}")
    draft.replace(target)
