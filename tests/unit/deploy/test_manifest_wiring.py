"""Who calls whom: services, addresses and policies say the same, in every overlay."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tests.unit.deploy.manifests import (
    OPTIONAL,
    Manifest,
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

from attune.services.runtime.config import Config, RoleName

CALLER = "attune-caller"
MONITORING = "attune-monitoring"
Edge = tuple[str, str, int]


def pods_of(service: Manifest, overlay: str) -> list[Manifest]:
    selector = {"matchLabels": service["spec"]["selector"]}
    return [each for each in servers(overlay) if selects(selector, labels_of_pods(each))]


@each_overlay()
def test_every_port_of_a_service_is_one_of_its_pods(overlay: str) -> None:
    for service in of_kind(overlay, "Service"):
        (workload,) = pods_of(service, overlay)
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            assert ports(workload).get(target, target) in ports(workload).values()
            # A headless service tells addresses alone: callers use the pod's port itself.
            assert service["spec"]["clusterIP"] == "None"
            assert ports(workload).get(target, target) == port["port"]


@each_overlay()
def test_a_role_listens_on_the_port_that_it_has_by_default(overlay: str) -> None:
    config = Config(_env_file=None)
    for workload in roles(overlay):
        arguments = pod(workload)["containers"][0]["args"]
        told = [RoleName(arguments[2])] if "--role" in arguments else [each for each in RoleName if each != "ingest"]
        assert {config.port(role) for role in told} <= set(ports(workload).values())
        assert ports(workload)["metrics"] == int(environment(overlay, workload)["ATTUNE_METRICS_PORT"])


@each_overlay()
def test_metrics_are_scraped_where_they_are(overlay: str) -> None:
    for workload in roles(overlay):
        told = workload["spec"]["template"]["metadata"]["annotations"]
        assert int(told["prometheus.io/port"]) == ports(workload)["metrics"]


def addresses(overlay: str, workload: Manifest) -> Iterator[tuple[str, int]]:
    """The services of this namespace that a workload is told of, with their ports."""
    told = environment(overlay, workload)
    services = {each["metadata"]["name"] for each in of_kind(overlay, "Service")}
    for value in told.values():
        host, _, port = value.removeprefix("dns:///").removeprefix("http://").partition(":")
        if host in services:
            yield host, int(port)


def asked_services(overlay: str) -> set[Edge]:
    """Which workload is told of which other one's port, where it uses it: PostgreSQL by a secret, Kafka by a user."""
    found: set[Edge] = set()
    by_name = {each["metadata"]["name"]: each for each in of_kind(overlay, "Service")}
    for workload in workloads(overlay):
        told = environment(overlay, workload)
        for host, port in addresses(overlay, workload):
            if host == "attune-qdrant" and "ATTUNE_QDRANT_API_KEY_FILE" not in told:
                continue  # it has the address among all settings, and no key
            (target,) = pods_of(by_name[host], overlay)
            found.add((name(workload), name(target), port))
        if "ATTUNE_STORE_URL_FILE" in told:
            found.add((name(workload), "postgres", 5432))
        if "ATTUNE_KAFKA_PASSWORD_FILE" in told:
            found.add((name(workload), "kafka", 9093))
        for setting in {"ATTUNE_JWKS_URL", "ATTUNE_LLM_BASE_URL"} & told.keys():
            assert told[setting].startswith("https://")
            found.add((name(workload), "internet", 443))
        if "ATTUNE_OTLP_ENDPOINT" in told:
            found.add((name(workload), "collector", int(told["ATTUNE_OTLP_ENDPOINT"].rpartition(":")[2])))
    return found


def peer(to: Manifest, overlay: str) -> list[str]:
    if "ipBlock" in to:
        is_internet = to["ipBlock"]["cidr"] in {"0.0.0.0/0", "::/0"}
        return ["internet" if is_internet else "postgres"]
    if MONITORING in to.get("namespaceSelector", {}).get("matchLabels", {}):
        return ["collector"]
    labels = to["podSelector"].get("matchLabels", {})
    if labels.get("strimzi.io/kind") == "Kafka":
        return ["kafka"]
    found = [name(each) for each in workloads(overlay) if selects(to["podSelector"], labels_of_pods(each))]
    return ["postgres" if each == "StatefulSet/attune-postgres" else each for each in found]


def is_for_roles(policy: Manifest) -> bool:
    return policy["metadata"]["name"] not in {"attune-deny-all", "attune-names", "attune-kafka"}


def allowed_out(overlay: str) -> set[Edge]:
    return {
        (name(workload), target, port["port"])
        for policy in of_kind(overlay, "NetworkPolicy")
        if is_for_roles(policy)
        for rule in policy["spec"].get("egress", [])
        for to in rule["to"]
        for target in peer(to, overlay)
        for port in rule["ports"]
        for workload in workloads(overlay)
        if selects(policy["spec"]["podSelector"], labels_of_pods(workload))
    }


def allowed_in(overlay: str) -> set[Edge]:
    """Of pods of this namespace; what callers and Prometheus may is looked at below."""
    found: set[Edge] = set()
    for policy in of_kind(overlay, "NetworkPolicy"):
        for workload in workloads(overlay):
            if not selects(policy["spec"]["podSelector"], labels_of_pods(workload)):
                continue
            for rule in policy["spec"].get("ingress", []):
                sources = [each for each in rule["from"] if "namespaceSelector" not in each]
                for source in (found_one for each in sources for found_one in peer(each, overlay)):
                    target = "postgres" if name(workload) == "StatefulSet/attune-postgres" else name(workload)
                    found |= {
                        (source, target, ports(workload).get(each["port"], each["port"])) for each in rule["ports"]
                    }
    return found


PEERS = ("StatefulSet/attune-qdrant", "StatefulSet/attune-qdrant", 6335)
"""Qdrant's nodes call each other; their script says so, and no variable."""


@each_overlay()
def test_what_may_leave_a_pod_is_what_it_is_told_to_call(overlay: str) -> None:
    qdrant = {PEERS} if overlay != "dev" else set()
    assert allowed_out(overlay) == asked_services(overlay) | qdrant


@each_overlay()
def test_what_may_reach_a_pod_is_what_may_leave_another(overlay: str) -> None:
    elsewhere = {("kafka", 9093), ("collector", 4317), ("internet", 443)}
    elsewhere |= {("postgres", 5432)} if overlay in {"production", OPTIONAL} else set()
    assert allowed_in(overlay) == {edge for edge in allowed_out(overlay) if edge[1:] not in elsewhere}


METADATA = ("169.254.169.254", "fe80::1", "fd00:ec2::254")
"""Where clouds tell each machine its own credentials."""


def test_the_internet_is_not_the_cluster_nor_the_cloud() -> None:
    blocks = [
        to["ipBlock"]
        for policy in of_kind(OPTIONAL, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for to in rule.get("to", [])
        if "internet" in peer(to, OPTIONAL)
    ]
    assert len(blocks) == 4
    for block in blocks:
        excepted = [ip_network(each) for each in block["except"]]
        within = [ip_address(each) for each in (*METADATA, "10.96.0.1", "192.168.1.1", "172.20.0.1", "100.100.100.200")]
        version = ip_network(block["cidr"]).version
        assert all(any(each in one for one in excepted) for each in within if each.version == version)


@each_overlay()
def test_what_scales_by_what_may_be_away_falls_back_to_no_less_than_usual(overlay: str) -> None:
    for each in of_kind(overlay, "ScaledObject"):
        told = each["spec"]
        by_cpu_alone = {trigger["type"] for trigger in told["triggers"]} == {"cpu"}
        assert ("fallback" in told) is not by_cpu_alone  # KEDA refuses one that could never be
        if not by_cpu_alone:
            assert told["fallback"]["replicas"] == told["minReplicaCount"]
            assert told["fallback"]["behavior"] == "currentReplicasIfHigher"


@each_overlay()
def test_no_pod_that_is_not_ready_keeps_a_node_from_being_drained(overlay: str) -> None:
    for each in of_kind(overlay, "PodDisruptionBudget"):
        assert each["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@each_overlay()
def test_nothing_is_allowed_that_no_policy_allows(overlay: str) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(overlay, "NetworkPolicy")}
    assert policies["attune-deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in workloads(overlay):
        assert selects(policies["attune-names"]["podSelector"], labels_of_pods(workload))


@each_overlay()
def test_callers_reach_every_service_of_attune_and_prometheus_every_role(overlay: str) -> None:
    for workload in roles(overlay):
        may: dict[str, set[int]] = {CALLER: set(), MONITORING: set()}
        for policy in of_kind(overlay, "NetworkPolicy"):
            if selects(policy["spec"]["podSelector"], labels_of_pods(workload)):
                for rule in policy["spec"].get("ingress", []):
                    for label in may:
                        if any(
                            label in each.get("namespaceSelector", {}).get("matchLabels", {}) for each in rule["from"]
                        ):
                            may[label] |= {ports(workload)[each["port"]] for each in rule["ports"]}
        services = [each for each in of_kind(overlay, "Service") if workload in pods_of(each, overlay)]
        assert may[CALLER] == {each["port"] for service in services for each in service["spec"]["ports"]}
        assert may[MONITORING] == {ports(workload)["metrics"]}


@each_overlay()
def test_a_scaled_object_scales_what_is_there_and_nothing_else_says_how_many(overlay: str) -> None:
    there = {each["metadata"]["name"]: each for each in of_kind(overlay, "Deployment")}
    scaled = [each["spec"]["scaleTargetRef"]["name"] for each in of_kind(overlay, "ScaledObject")]
    assert len(scaled) == len(set(scaled))
    assert bool(scaled) is (overlay in {"gpu", "production", OPTIONAL})
    for target in scaled:
        assert "replicas" not in there[target]["spec"]


@each_overlay()
def test_the_namespace_enforces_the_restricted_standard_and_holds_everything(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for each in workloads(overlay):
        assert each["metadata"]["namespace"] == namespace["metadata"]["name"]
    for each in of_kind(overlay, "ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            servers_of_log = trigger["metadata"].get("bootstrapServers", "")
            assert servers_of_log in {"", f"attune-kafka-bootstrap.{namespace['metadata']['name']}.svc:9093"}


@each_overlay()
def test_ingest_is_not_scaled_beyond_the_partitions(overlay: str) -> None:
    (ingest,) = [each for each in of_kind(overlay, "ScaledObject") if each["metadata"]["name"] == "attune-ingest"] or [
        {}
    ]
    if ingest:
        (topics,) = [each for each in of_kind(overlay, "Job") if each["metadata"]["name"] == "attune-topics"]
        arguments = pod(topics)["containers"][0]["args"]
        assert ingest["spec"]["maxReplicaCount"] <= int(arguments[arguments.index("--partitions") + 1])
        trigger = ingest["spec"]["triggers"][0]["metadata"]
        config = Config(_env_file=None)
        assert (trigger["consumerGroup"], trigger["topic"]) == (config.kafka_group, "attune.interactions.v1")
