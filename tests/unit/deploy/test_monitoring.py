"""Alerts and the dashboard ask for metrics that there are, by labels that these have."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from tests.unit.deploy.manifests import ROOT

from attune.services.ingest.metrics import IngestMetrics
from attune.services.runtime.metrics import Metrics
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.suggestion.writing.metrics import LlmMetrics

OF_OTHERS = re.compile(r"kube_|container_")
_SELECTION = re.compile(r"\b((?:attune|kube|container)_\w+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


@cache
def samples() -> dict[str, set[str]]:
    """The names under which Prometheus knows all metrics, and their labels."""
    metrics = Metrics()
    IngestMetrics(metrics)
    DocumentLogMetrics(metrics)
    LlmMetrics(metrics.registry)
    found = {}
    for collector, names in metrics.registry._collector_to_names.items():  # type: ignore[attr-defined]
        labels = set(collector._labelnames) | {"le", collector._name}
        found |= dict.fromkeys(names, labels)
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = json.loads((ROOT / "deploy/grafana/attune.json").read_text())["panels"]
    return shown


def problems(expression: str) -> Iterator[str]:
    asked: set[str] = set()
    foreign = False
    for metric, matchers in _SELECTION.findall(expression):
        if OF_OTHERS.match(metric):
            foreign = True
        elif metric not in samples():
            yield f"no metric {metric}"
        else:
            asked |= samples()[metric]
            labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
            yield from (f"{metric} has no label {each}" for each in labels - samples()[metric])
    for group in _BY.findall(expression):
        labels = {each.strip() for each in group.split(",")}
        yield from (f"no label {each}" for each in labels - asked - ({"pod"} if foreign else set()))
    if expression.count("(") != expression.count(")"):
        yield "parentheses do not match"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_can_fire_and_says_what_to_do(alert: dict[str, Any]) -> None:
    assert list(problems(alert["expr"])) == []
    assert alert["labels"]["severity"] in {"critical", "warning"}
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert page.endswith("docs/operations.md")
    assert anchor == alert["alert"].lower()
    assert f"### {alert['alert']}\n" in (ROOT / "docs/operations.md").read_text()
    shown = re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])
    assert all(re.search(rf"\b{label}\b", alert["expr"]) for label in shown)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_a_panel_shows_something(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert list(problems(target["expr"])) == []
        assert _SELECTION.search(target["expr"])


def test_every_metric_is_shown() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    alerted = " ".join(alert["expr"] for alert in alerts())
    hidden = {
        "attune_document_log_batch_records",
        "attune_document_log_visible_seconds",
        "attune_ingest_batch_records",
        "attune_llm_attempts",
        "attune_llm_cost",
        "attune_llm_repaired",
    }
    roots = {re.sub(r"_(total|created|bucket|sum|count|info)$", "", each) for each in samples()}
    assert {each for each in roots if each not in shown + alerted} == hidden


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(attune_rpc_total[5m])", "no metric attune_rpc_total"),
        ('attune_rpcs_total{status="OK"}', "attune_rpcs_total has no label status"),
        ("sum by (tenant) (attune_rpcs_total)", "no label tenant"),
        ("sum(attune_rpcs_total", "parentheses do not match"),
    ],
)
def test_a_wrong_expression_is_found(expression: str, problem: str) -> None:
    assert list(problems(expression)) == [problem]
