"""compose.yaml: of one mind with the settings and the services, and limited as the chart is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from heaters_contracts.pipeline import SERVICES
from heaters_edges.permissions import rights

from deploy.checks.settings import settings_of

ROOT = Path(__file__).parents[2]
OURS = (*SERVICES, "migrate")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


def test_it_runs_every_service_and_what_they_need(services: dict[str, Any]) -> None:
    assert set(services) == {*OURS, "nats", "postgres", "s3", "prometheus", "grafana"}
    assert {name for name, one in services.items() if one.get("profiles")} == {"prometheus", "grafana"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_gets_settings_that_it_has_and_all_that_it_must(services: dict[str, Any], name: str) -> None:
    known = settings_of("review-api" if name == "migrate" else name)
    given = {variable for variable in services[name]["environment"] if variable.startswith("HEATERS_")}

    assert given <= set(known)
    assert {one.name for one in known.values() if one.required} <= given
    assert services[name]["environment"]["HEATERS_NATS_USER"] in rights()


@pytest.mark.parametrize("name", OURS)
def test_a_service_writes_nothing_but_its_cache_and_waits_for_migration(services: dict[str, Any], name: str) -> None:
    one = services[name]

    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["volumes"] == ["cache:/cache"]
    # Migration waits for its servers by itself; over two steps an old podman finds no way.
    after = {} if name == "migrate" else {"migrate": {"condition": "service_completed_successfully"}}
    assert one.get("depends_on", {}) == after


def test_everything_is_limited_and_no_image_is_the_latest(services: dict[str, Any]) -> None:
    for name, one in services.items():
        assert one["mem_limit"], name
        assert one["cpus"], name
        assert ":latest" not in one["image"], name


def test_secrets_have_no_default_and_only_the_loopback_is_open(services: dict[str, Any]) -> None:
    secret = {one.name for service in SERVICES for one in settings_of(service).values() if one.unit == "secret"}

    for name in OURS:
        for variable, value in services[name]["environment"].items():
            if variable in secret and variable != "HEATERS_TOKEN":
                assert ":?" in value, f"{name}: {variable}"
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one.get("ports", []))
    assert "include" in (ROOT / "deploy/compose/nats/nats.conf").read_text()
