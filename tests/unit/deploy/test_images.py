"""The Dockerfile and the compose files: what is built is what manifests name, pinned, and run by a nobody."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.deploy.manifests import OVERLAYS, ROOT, Manifest, pod, workloads

from attune.services.runtime.config import Config, RoleName

DOCKERFILE = re.sub(r" \\\n\s*", " ", (ROOT / "deploy/images/Dockerfile").read_text())
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n((?:(?!FROM ).*\n)*)", DOCKERFILE, re.MULTILINE))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose/system.yml").read_text())
TARGETS = {each for each, lines in STAGES.items() if "\nCMD " in f"\n{lines}"}
WITHOUT_TORCH = "uv pip install --require-hashes --constraints requirements.lock --requirements pyproject.toml"


def images() -> set[str]:
    """The images of attune that manifests name, without registry and tag."""
    found = {
        each["image"] for overlay in OVERLAYS for workload in workloads(overlay) for each in pod(workload)["containers"]
    }
    return {image.rpartition("/")[2].partition(":")[0] for image in found if "/attune/" in image}


def test_every_image_that_is_named_is_built_and_every_role_has_one() -> None:
    assert images() == TARGETS
    assert {each.partition("-")[0] for each in TARGETS} == {str(role) for role in RoleName}


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_an_image_runs_its_role_and_tells_its_port(target: str) -> None:
    role = RoleName(target.partition("-")[0])
    assert f'CMD ["up", "--role", "{role}"]' in STAGES[target]
    assert f"EXPOSE {Config(_env_file=None).port(role)} " in STAGES[target]
    with_torch = "with-torch" in STAGES[target]
    assert with_torch is (role is RoleName.EMBEDDING)


def test_what_runs_is_nobody_by_number_and_the_number_of_the_manifests() -> None:
    assert "USER 10001:10001" in STAGES["runtime"]
    users: set[object] = {
        pod(workload)["securityContext"]["runAsUser"]
        for overlay in OVERLAYS
        for workload in workloads(overlay)
        if is_attune(workload)
    }
    assert users == {10001}


def is_attune(workload: Manifest) -> bool:
    return any("/attune/" in each["image"] for each in pod(workload)["containers"])


def test_base_images_have_a_tag_and_versions_are_those_of_the_lock_file() -> None:
    bases = set(re.findall(r"^FROM (\S+/\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == {"docker.io/library/python:${PYTHON}"}
    assert re.search(r"^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    locked = re.search(r"^torch==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert f"ARG TORCH={locked[1]}\n" in DOCKERFILE


def test_roles_without_torch_are_installed_as_ci_installs_them() -> None:
    """So that what CI starts is what images have."""
    assert f"{WITHOUT_TORCH} --extra kafka --extra postgres --extra tracing\n" in STAGES["dependencies"]
    in_ci = (ROOT / ".ci/wheel-works").read_text().replace('"$uv" pip install --quiet', "uv pip install")
    assert f"{WITHOUT_TORCH} --extra kafka --extra postgres --extra tracing\n" in in_ci


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint: `make setup` installs it on Linux")
    command = [program, str(ROOT / "deploy/images/Dockerfile")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    assert ended.stdout + ended.stderr == ""


def test_compose_runs_every_role_from_its_target_with_settings_that_exist() -> None:
    services = COMPOSE["services"]
    settings = {f"ATTUNE_{each.upper()}" for each in Config.model_fields}
    built = {name: each for name, each in services.items() if "build" in each}
    assert {str(role) for role in RoleName} <= set(built)
    for name, service in built.items():
        assert service["build"]["target"] in TARGETS
        assert set(service["environment"]) <= settings, name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_compose_publishes_on_this_machine_alone_and_depends_on_what_there_is() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        assert all(":latest" not in service.get(key, "") for key in ("image",))


def test_compose_addresses_are_services_on_their_ports() -> None:
    told = COMPOSE["services"]["search"]["environment"]
    config = Config(_env_file=None)
    for role in (RoleName.EMBEDDING, RoleName.KNOWLEDGE, RoleName.SEARCH):
        assert told[f"ATTUNE_{role.upper()}_ADDRESS"] == f"{role}:{config.port(role)}"
