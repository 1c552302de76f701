"""Every overlay as kubectl renders it, and what tests ask of it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAYS = ("dev", "cpu", "gpu", "production")
OPTIONAL = "optional"
"""One of the tests' own, with what is in no other."""
COMPONENT = "app.kubernetes.io/component"
Manifest = dict[str, Any]


def directory(overlay: str) -> Path:
    """Where an overlay is."""
    return Path(__file__).parent / OPTIONAL if overlay == OPTIONAL else KUBERNETES / "overlays" / overlay


@cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    kubectl = Path(sys.executable).with_name("kubectl")
    found = str(kubectl) if kubectl.exists() else shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl: `make setup` installs it on Linux")
    command = [found, "kustomize", str(directory(overlay))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr, ended.stderr
    return tuple(yaml.load_all(ended.stdout, Loader=yaml.CSafeLoader))


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [each for each in rendered(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> list[Manifest]:
    """What pods are made from."""
    return of_kind(overlay, "Deployment", "StatefulSet", "Job")


def servers(overlay: str) -> list[Manifest]:
    """Those of them that serve until they are told to end."""
    return of_kind(overlay, "Deployment", "StatefulSet")


def roles(overlay: str) -> list[Manifest]:
    """Those of them that run attune."""
    return [each for each in servers(overlay) if labels_of_pods(each).get("app.kubernetes.io/name") == "attune"]


def pod(workload: Manifest) -> Manifest:
    """The specification of its pods."""
    specification: Manifest = workload["spec"]["template"]["spec"]
    return specification


def labels_of_pods(workload: Manifest) -> dict[str, str]:
    """The labels of its pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Manifest) -> Iterator[Manifest]:
    """All of a pod's."""
    yield from pod(workload).get("initContainers", [])
    yield from pod(workload)["containers"]


def ports(workload: Manifest) -> dict[str, int]:
    """Its ports, by name."""
    return {each["name"]: each["containerPort"] for one in containers(workload) for each in one.get("ports", [])}


def environment(overlay: str, workload: Manifest) -> dict[str, str]:
    """What its containers are told, with a value from elsewhere empty."""
    settings = {each["metadata"]["name"]: each["data"] for each in of_kind(overlay, "ConfigMap")}
    told: dict[str, str] = {}
    for container in containers(workload):
        for source in container.get("envFrom", []):
            told |= settings[source["configMapRef"]["name"]]
        told |= {each["name"]: each.get("value", "") for each in container.get("env", [])}
    return told


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches all."""
    wanted = selector.get("matchLabels", {}).items()
    allowed = {each["key"]: each["values"] for each in selector.get("matchExpressions", [])}
    assert all(each["operator"] == "In" for each in selector.get("matchExpressions", []))
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(key) in values for key, values in allowed.items()
    )


def each_overlay() -> pytest.MarkDecorator:
    """A test of every overlay."""
    return pytest.mark.parametrize("overlay", [*OVERLAYS, OPTIONAL])


def name(manifest: Manifest) -> str:
    """As kubectl calls it."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
