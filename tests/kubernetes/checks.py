"""What a real API server is asked of each overlay."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.kubernetes.cluster import Cluster
from tests.unit.deploy.manifests import OPTIONAL, OVERLAYS, ROOT, Manifest, pod, rendered, workloads

STRIMZI = "kafka.strimzi.io"
_STRICT = ("--dry-run=server", "--validate=strict")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check of one overlay: how many objects, and what was wrong, empty where nothing was."""

    overlay: str
    check: str
    objects: int
    problem: str = ""


def all_outcomes(cluster: Cluster) -> Iterator[Outcome]:
    """Definitions first, and the checks that these checks can fail; then every overlay."""
    yield definitions(cluster)
    yield from refusals(cluster)
    for overlay in (*OVERLAYS, OPTIONAL):
        yield applied(cluster, overlay)
        yield pods_admitted(cluster, overlay)


def definitions(cluster: Cluster) -> Outcome:
    """The kinds of KEDA, really made."""
    paths = sorted((ROOT / "tests/kubernetes/crds").glob("*.yaml"))
    text = "\n---\n".join(path.read_text() for path in paths)
    ended = cluster.run("apply", "--server-side", "--filename=-", manifests=text)
    waited = cluster.run("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return Outcome("", "definitions of KEDA", len(paths), ended.stderr + waited.stderr)


def refusals(cluster: Cluster) -> Iterator[Outcome]:
    """A field that does not exist, and a pod that runs as root, are refused."""
    _make_namespace(cluster, "dev")
    (workload,) = workloads("dev")
    unknown = workload | {"spec": workload["spec"] | {"replica": 3}}
    root = _pod(workload)
    root["spec"] = root["spec"] | {"securityContext": {"runAsUser": 0}}
    for check, wrong, reason in (
        ("refuses an unknown field", unknown, 'unknown field "'),
        ("refuses a pod of root", root, "violates PodSecurity"),
    ):
        told = _dry_run(cluster, [wrong]).stderr
        yield Outcome("dev", check, 1, "" if reason in told else told or "accepted")


def applied(cluster: Cluster, overlay: str) -> Outcome:
    """Every object but Strimzi's, whose definitions are in no registry; a warning is a problem, too."""
    _make_namespace(cluster, overlay)
    objects = [each for each in rendered(overlay) if not each["apiVersion"].startswith(STRIMZI)]
    ended = _dry_run(cluster, objects)
    answered = len(ended.stdout.splitlines())
    problem = ended.stderr or ("" if answered == len(objects) else f"{answered} of {len(objects)} answered")
    return Outcome(overlay, "applied, server-side dry run, strict", len(objects), problem)


def pods_admitted(cluster: Cluster, overlay: str) -> Outcome:
    """A pod of each workload, since namespaces enforce the standard on pods alone."""
    pods = [_pod(each) for each in workloads(overlay)]
    return Outcome(overlay, "pods admitted, restricted", len(pods), _dry_run(cluster, pods).stderr)


def _dry_run(cluster: Cluster, objects: Sequence[Manifest]) -> "subprocess.CompletedProcess[str]":
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return cluster.run("apply", *_STRICT, "--filename=-", manifests=json.dumps(listed))


def _make_namespace(cluster: Cluster, overlay: str) -> None:
    """Really: a dry run of what is inside needs it."""
    (namespace,) = [each for each in rendered(overlay) if each["kind"] == "Namespace"]
    ended = cluster.run("apply", "--filename=-", manifests=json.dumps(namespace))
    if ended.returncode:
        raise RuntimeError(ended.stderr)


def _pod(workload: Manifest) -> Manifest:
    template, metadata = workload["spec"]["template"], workload["metadata"]
    claimed = [
        {"name": each["metadata"]["name"], "emptyDir": {}} for each in workload["spec"].get("volumeClaimTemplates", [])
    ]
    specification = pod(workload) | {"volumes": [*pod(workload).get("volumes", []), *claimed]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"] | {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": specification,
    }
