"""Strimzi's objects, read with the classes that Strimzi's operator reads them with.

Its definitions are in no package registry, so that no API server here can be told of them. Its Java classes are on
Maven Central, and know every field.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.kubernetes.binaries import UnavailableError
from tests.kubernetes.checks import STRIMZI, Outcome
from tests.unit.deploy.manifests import OVERLAYS, Manifest, name, rendered

VERSION = "0.51.0"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>attune</groupId><artifactId>strimzi-for-tests</artifactId><version>1</version><dependencies><dependency>
<groupId>io.strimzi</groupId><artifactId>api</artifactId><version>{VERSION}</version></dependency></dependencies></project>
"""


def strimzi_outcomes() -> list[Outcome]:
    """One for each overlay that has such objects, after one that shows that this check can fail."""
    overlays = {each: objects for each in OVERLAYS if (objects := _of_strimzi(each))}
    wrong = next(iter(overlays.values()))[0]
    wrong = wrong | {"spec": wrong["spec"] | {"replica": 3}}
    told = _unknown([wrong])
    outcomes = [
        Outcome("", "Strimzi's classes find an unknown field", 1, "" if told == [".spec.replica"] else str(told))
    ]
    for overlay, objects in overlays.items():
        problems = [
            f"{name(each)}: {fields}" for each, fields in zip(objects, _unknown(objects), strict=True) if fields
        ]
        outcomes.append(Outcome(overlay, "read by Strimzi's classes", len(objects), "; ".join(problems)))
    return outcomes


def _of_strimzi(overlay: str) -> list[Manifest]:
    return [each for each in rendered(overlay) if each["apiVersion"].startswith(STRIMZI)]


def _unknown(objects: Sequence[Manifest]) -> list[str]:
    """For each object the fields that Strimzi does not know, empty where it knows all."""
    lines = "".join(json.dumps(each) + "\n" for each in objects)
    program = Path(__file__).with_name("ReadStrimzi.java")
    command = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{_jars()}/*", str(program)]
    ended = subprocess.run(  # noqa: S603 - ours
        command, input=lines, capture_output=True, text=True, check=False, timeout=300
    )
    if ended.returncode:
        return [ended.stderr.strip()[:500]] * len(objects)
    return ended.stdout.splitlines()


def _jars() -> Path:
    """Strimzi's classes and what they need, fetched once into the user's cache."""
    if not (shutil.which("java") and shutil.which("mvn")):
        raise UnavailableError("there is no Java 17 and Maven to read Strimzi's objects with")
    cache = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache")
    ready = cache / "attune-tests" / f"strimzi-{VERSION}"
    if not ready.exists():
        ready.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=ready.parent) as draft:
            (Path(draft) / "pom.xml").write_text(_POM)
            command = [
                "mvn",
                "--quiet",
                "--batch-mode",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={draft}/libs",
            ]
            ended = subprocess.run(  # noqa: S603 - ours
                command, cwd=draft, capture_output=True, text=True, check=False, timeout=900
            )
            if ended.returncode:
                raise UnavailableError(f"Strimzi's classes cannot be fetched:\n{ended.stdout[-1000:]}")
            (Path(draft) / "libs").rename(ready)
    return ready
