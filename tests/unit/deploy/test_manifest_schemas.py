"""Every object of every overlay against the schemas of two versions of Kubernetes, and of the operators' own kinds."""

import json
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from tests.unit.deploy.manifests import (
    KUBERNETES,
    OPTIONAL,
    OVERLAYS,
    ROOT,
    Manifest,
    directory,
    each_overlay,
    name,
    of_kind,
    rendered,
)

VERSIONS = ("1.34", "1.37")
STRIMZI = "kafka.strimzi.io"


@cache
def of_operators() -> dict[tuple[str, str], Manifest]:
    """The schemas that tests/kubernetes/crds has, by API version and kind."""
    found = {}
    for path in (ROOT / "tests/kubernetes/crds").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())["spec"]
        for version in definition["versions"]:
            known = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[known] = strict(version["schema"]["openAPIV3Schema"])
    return found


def strict(schema: Any) -> Any:
    """The same schema, which refuses fields that it does not know."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(value) for key, value in schema.items()}
    closed = "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields")
    return {"additionalProperties": False} | inner if closed else inner


@cache
def problem_of(text: str, version: str) -> str:
    """Kept, since overlays have most of their objects in common."""
    return problem(json.loads(text), version)


def problem(manifest: Manifest, version: str) -> str:
    known = (manifest["apiVersion"], manifest["kind"])
    try:
        if known in of_operators():
            without_metadata = {key: value for key, value in manifest.items() if key != "metadata"}
            jsonschema.Draft202012Validator(of_operators()[known]).validate(without_metadata)
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return ""


@pytest.mark.parametrize("version", VERSIONS)
@each_overlay()
def test_every_object_is_valid(overlay: str, version: str) -> None:
    """Strimzi's kinds are read by Strimzi's own classes instead: tests/kubernetes."""
    known = [each for each in rendered(overlay) if not each["apiVersion"].startswith(STRIMZI)]
    problems = {name(each): problem_of(json.dumps(each, sort_keys=True), version) for each in known}
    assert {each: told for each, told in problems.items() if told} == {}


@pytest.mark.parametrize("kind", ["Deployment", "ScaledObject"])
def test_a_field_that_does_not_exist_is_found(kind: str) -> None:
    manifest = of_kind("gpu", kind)[0]
    wrong = manifest | {"spec": manifest["spec"] | {"replica": 3}}
    assert "replica" in problem(wrong, VERSIONS[0])


def test_every_directory_is_part_of_an_overlay() -> None:
    """A component that no overlay uses would be checked by nobody."""
    used = "\n".join((directory(each) / "kustomization.yaml").read_text() for each in (*OVERLAYS, OPTIONAL))
    there = {path.name for path in (KUBERNETES / "components").iterdir()}
    assert {each for each in there if f"components/{each}\n" not in used} == set()


@each_overlay()
def test_images_are_pinned(overlay: str) -> None:
    images = {
        container["image"]
        for workload in of_kind(overlay, "Deployment", "StatefulSet", "Job")
        for container in workload["spec"]["template"]["spec"]["containers"]
    }
    assert images
    assert all(":" in image.rpartition("/")[2] and not image.endswith(":latest") for image in images), images
