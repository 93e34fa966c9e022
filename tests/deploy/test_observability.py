"""Rules, dashboards and runbooks: each alert is tested and explained, and no picture shows a metric that nothing tells."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import heaters_edges.maintenance
import heaters_review_api.app  # tells the API's metrics to the registry
import pytest
import yaml
from deploy_tools import tool
from heaters_edges.telemetry import REGISTRY

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "observability"
FROM_ELSEWHERE = {"up", "probe_ssl_earliest_cert_expiry"}
"""Prometheus' own, and a blackbox exporter's."""


def told() -> set[str]:
    """Every series name that our registry exposes, histograms by their parts."""
    assert heaters_edges.maintenance.RUNS
    assert heaters_review_api.app.ROUTES
    names = set()
    for family in REGISTRY.collect():
        names.add(family.name)
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ())
        names |= {family.name + suffix for suffix in suffixes}
    return names


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((HERE / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def named(expression: str) -> set[str]:
    plain = re.sub(r"\{[^}]*\}*|\"[^\"]*\"|\[[^\]]*\]|\b(?:by|without) \([^)]*\)", " ", expression)
    return set(re.findall(r"\b(?:heaters[a-z0-9_:]*|process_[a-z_]+|up|probe_[a-z_]+)\b", plain))


def test_every_rule_reads_metrics_that_are_told() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}

    strangers = {name for rule in rules() for name in named(rule["expr"])} - told() - recorded - FROM_ELSEWHERE

    assert strangers == set()


@pytest.mark.parametrize("board", sorted(path.name for path in (HERE / "dashboards").glob("*.json")))
def test_every_picture_shows_metrics_that_are_told(board: str) -> None:
    panels = json.loads((HERE / "dashboards" / board).read_text())["panels"]
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    shown = {name for panel in panels for target in panel["targets"] for name in named(target["expr"])}

    assert shown
    assert shown - told() - recorded == set()


def test_every_alert_has_a_runbook() -> None:
    sections = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(), re.M)
    alerts = [rule["alert"] for rule in rules() if "alert" in rule]

    assert sorted(sections) == sorted(alerts)
    assert all("docs/operations.md" in rule["annotations"]["runbook"] for rule in rules() if "alert" in rule)


def test_every_alert_is_seen_to_fire() -> None:
    tests = yaml.safe_load((HERE / "rules.test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}

    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_label_that_is_asked_for_is_one_of_the_metrics() -> None:
    known = {
        suffixed: {*family_labels(name), "le", "instance", "job"}
        for name in {one.removesuffix("_total") for one in told()}
        for suffixed in (name, f"{name}_total", f"{name}_bucket")
    }
    wrong = {
        f"{metric}{{{label}}}"
        for expression in shown()
        for metric, inside in re.findall(r"\b(heaters_[a-z0-9_]+)(\{[^}]*\})?", expression)
        for label in re.findall(r"(\w+)=", inside)
        if metric in known and label not in known[metric]
    }
    grouped = {
        f"{label} of {expression}"
        for expression in shown()
        for names in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression)
        for label in names.split(", ")
        if not any(label in known.get(metric, set()) for metric in re.findall(r"\bheaters_[a-z0-9_]+", expression))
    }

    assert wrong | grouped == set()


def family_labels(name: str) -> set[str]:
    """The labels that a metric of ours is told with."""
    collector = REGISTRY._names_to_collectors.get(name) or REGISTRY._names_to_collectors.get(f"{name}_total")
    return set(getattr(collector, "_labelnames", ()))


def shown() -> list[str]:
    """Every expression of the dashboards and rules."""
    boards = (json.loads(path.read_text()) for path in sorted((HERE / "dashboards").glob("*.json")))
    pictured = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    return [*pictured, *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize("words", [("check", "rules", "rules.yml"), ("test", "rules", "rules.test.yml")])
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    ended = subprocess.run([tool("promtool"), *words], cwd=HERE, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 0, ended.stdout + ended.stderr
