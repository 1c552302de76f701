"""The process of the overlay dev, with arguments and variables of its manifest: it starts, and answers its probes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.process import environment as environment_in
from tests.integration.test_role_server import free_port
from tests.unit.deploy.manifests import environment, pod, roles

pytestmark = pytest.mark.e2e


def test_the_pod_of_dev_starts_and_answers_its_probes(tmp_path: Path) -> None:
    (workload,) = roles("dev")
    (container,) = pod(workload)["containers"]
    health = free_port()
    # What differs: free ports, a directory of the test's own, and threads, which only a container's limits can tell.
    told = environment(overlay="dev", workload=workload)
    ours = environment_in(tmp_path / "data", health_port=health, threads=2)
    given = {**os.environ, **told, **{name: ours[name] for name in ours if name.startswith("ATTUNE_")}}
    program = [sys.executable, "-c", "from attune.services.cli.main import app; app()"]
    command = [*program, *container["args"], "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=given) as process:  # noqa: S603 - our own
        try:
            announced = cast("IO[str]", process.stdout).readline()
            assert announced, f"it ended with {process.wait(60)}"
            assert len(json.loads(announced)["roles"]) == 5
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                service = container[probe]["grpc"].get("service", "")
                with grpc.insecure_channel(f"127.0.0.1:{health}") as channel:
                    question = health_pb2.HealthCheckRequest(service=service)
                    answer = health_pb2_grpc.HealthStub(channel).Check(question, timeout=30)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING, probe
            process.send_signal(signal.SIGTERM)
            assert process.wait(pod(workload)["terminationGracePeriodSeconds"]) == 0
        finally:
            process.kill()
