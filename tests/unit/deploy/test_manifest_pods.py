"""What every pod must be: probed, bounded, harmless, and ended without dropping a call."""

import pytest
from pydantic import SecretStr
from tests.unit.deploy.manifests import (
    COMPONENT,
    Manifest,
    containers,
    each_overlay,
    environment,
    labels_of_pods,
    name,
    of_kind,
    pod,
    ports,
    roles,
    selects,
    servers,
    workloads,
)

from attune.services.runtime.config import Config
from attune.services.runtime.health_port import LIVENESS


def probe_port(container: Manifest, probe: Manifest) -> object:
    asked = probe.get("grpc") or probe.get("httpGet")
    if asked is None:
        return "exec" in probe
    named = {each["name"]: each["containerPort"] for each in container["ports"]}
    return asked["port"] in named or asked["port"] in named.values()


@each_overlay()
def test_whatever_serves_has_all_three_probes_on_ports_that_it_has(overlay: str) -> None:
    for workload in servers(overlay):
        for container in pod(workload)["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert probe_port(container, container[kind]), (name(workload), kind)


@each_overlay()
def test_roles_are_probed_by_grpc_and_only_a_dead_process_is_started_again(overlay: str) -> None:
    for workload in roles(overlay):
        (container,) = pod(workload)["containers"]
        health = int(environment(overlay, workload)["ATTUNE_HEALTH_PORT"])
        assert container["livenessProbe"]["grpc"] == {"port": health, "service": LIVENESS}
        assert container["startupProbe"]["grpc"] == {"port": health, "service": LIVENESS}
        assert container["readinessProbe"]["grpc"] == {"port": health}
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300


@each_overlay()
def test_a_pod_has_time_to_leave_its_service_and_to_drain(overlay: str) -> None:
    for workload in roles(overlay):
        (container,) = pod(workload)["containers"]
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = float(environment(overlay, workload)["ATTUNE_DRAIN_S"])
        age = float(environment(overlay, workload)["ATTUNE_CONNECTION_AGE_S"])
        assert pause >= 1.1 * age + 2 * container["readinessProbe"]["periodSeconds"], "gRPC adds a tenth at random"
        assert pod(workload)["terminationGracePeriodSeconds"] >= pause + drain + 10


@each_overlay()
def test_an_update_starts_a_pod_before_it_ends_one(overlay: str) -> None:
    for workload in of_kind(overlay, "Deployment"):
        assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@each_overlay()
def test_every_pod_meets_the_restricted_standard(overlay: str) -> None:
    for workload in workloads(overlay):
        security = pod(workload)["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(workload))
        for container in containers(workload):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}


@each_overlay()
def test_no_pod_has_a_token_or_variables_of_other_services(overlay: str) -> None:
    """The variables of a service attune-search would be taken for settings: ATTUNE_SEARCH_PORT."""
    accounts = {each["metadata"]["name"] for each in of_kind(overlay, "ServiceAccount")}
    for workload in workloads(overlay):
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["enableServiceLinks"] is False
        assert pod(workload)["serviceAccountName"] in accounts


@each_overlay()
def test_every_container_is_bounded_in_memory_and_cpu_and_what_it_may_write(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in containers(workload):
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][kind]), name(workload)
        for volume in pod(workload).get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name(workload)
            assert "hostPath" not in volume


@each_overlay()
def test_whatever_is_mounted_is_a_volume_and_the_other_way_round(overlay: str) -> None:
    for workload in workloads(overlay):
        claimed = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = claimed | {each["name"] for each in pod(workload).get("volumes", [])}
        mounted = {each["name"] for one in containers(workload) for each in one["volumeMounts"]}
        assert mounted == volumes, name(workload)


@each_overlay()
def test_attune_writes_where_it_may(overlay: str) -> None:
    for workload in roles(overlay):
        (container,) = pod(workload)["containers"]
        mounts = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
        told = environment(overlay, workload)
        assert {told["ATTUNE_DATA_DIR"], told["HOME"], "/tmp"} <= mounts  # noqa: S108 - a mount of the pod's own


def known_variables() -> set[str]:
    """Settings, the files of secret ones, and what is not ours."""
    settings = {f"ATTUNE_{each.upper()}" for each in Config.model_fields}
    secrets = {
        f"ATTUNE_{name.upper()}_FILE" for name, each in Config.model_fields.items() if each.annotation is SecretStr
    }
    return settings | secrets | {"HOME", "CUDA_CACHE_PATH"}


@each_overlay()
def test_every_variable_is_a_setting_with_a_value_that_it_takes(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attune = [each for each in workloads(overlay) if labels_of_pods(each).get("app.kubernetes.io/name") == "attune"]
    for workload in attune:
        told = environment(overlay, workload)
        assert set(told) <= known_variables(), name(workload)
        for setting in Config.model_fields:
            monkeypatch.delenv(f"ATTUNE_{setting.upper()}", raising=False)
        for variable, value in told.items():
            if value and not variable.endswith("_FILE"):
                monkeypatch.setenv(variable, value)
        Config()


@each_overlay()
def test_every_file_that_a_variable_names_is_in_a_volume_that_is_mounted(overlay: str) -> None:
    for workload in workloads(overlay):
        mounts = [each["mountPath"] for one in containers(workload) for each in one["volumeMounts"]]
        files = {value for variable, value in environment(overlay, workload).items() if variable.endswith("_FILE")}
        assert all(any(file.startswith(f"{mount}/") for mount in mounts) for file in files), name(workload)


@each_overlay()
def test_no_secret_is_in_a_variable(overlay: str) -> None:
    for workload in workloads(overlay):
        variables = [each for one in containers(workload) for each in one.get("env", [])]
        by_key = {each["name"] for each in variables if "secretKeyRef" in each.get("valueFrom", {})}
        assert by_key <= {"QDRANT__SERVICE__API_KEY"}, "Qdrant takes its key from the environment alone"


@each_overlay()
def test_every_deployment_has_a_budget_and_is_spread(overlay: str) -> None:
    budgets = [each["spec"] for each in of_kind(overlay, "PodDisruptionBudget")]
    for workload in of_kind(overlay, "Deployment"):
        labels = labels_of_pods(workload)
        assert [each["maxUnavailable"] for each in budgets if selects(each["selector"], labels)] == [1]
        spread = pod(workload)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(selects(each["labelSelector"], labels) for each in spread)
    for budget in budgets:
        assert any(selects(budget["selector"], labels_of_pods(each)) for each in servers(overlay))


@each_overlay()
def test_a_workload_selects_its_own_pods_and_no_others(overlay: str) -> None:
    for workload in servers(overlay):
        chosen = [each for each in workloads(overlay) if selects(workload["spec"]["selector"], labels_of_pods(each))]
        assert chosen == [workload]
        assert labels_of_pods(workload)[COMPONENT]


@each_overlay()
def test_threads_are_those_that_a_container_may_use(overlay: str) -> None:
    """The encoder would take as many as the node has cores."""
    embedding = [each for each in roles(overlay) if "embedding" in pod(each)["containers"][0]["image"]]
    assert len(embedding) == 1
    (variable,) = [each for each in pod(embedding[0])["containers"][0]["env"] if each["name"] == "ATTUNE_THREADS"]
    assert variable["valueFrom"]["resourceFieldRef"]["resource"] == "limits.cpu"


def test_a_gpu_is_asked_for_where_it_is_computed_on() -> None:
    for overlay, wanted in (("dev", None), ("cpu", None), ("gpu", "1"), ("production", "1")):
        for workload in roles(overlay):
            container = pod(workload)["containers"][0]
            is_embedding = "embedding" in container["image"]
            assert container["resources"]["limits"].get("nvidia.com/gpu") == (wanted if is_embedding else None)
            assert environment(overlay, workload).get("ATTUNE_DEVICES") == (
                "cuda:0" if wanted and is_embedding else None
            )
    assert ports(roles("gpu")[0])["health"] == 50050
