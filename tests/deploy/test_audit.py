"""What Heaters is made of, by its policy; and that the policy bites."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from heaters_contracts.pipeline import SERVICES
from packaging.version import Version

from deploy.checks.audit import POLICY, ROOT, licences, made_of, pinned, problems

ALLOWED: dict[str, Any] = {
    "licences": ["MIT"],
    "licence_exceptions": {"odd": "asked"},
    "never": {"jose": "abandoned"},
    "least": {"h11": ["0.16.0", "smuggling"]},
}


class Package(Distribution):
    """A package as its metadata says it."""

    def __init__(self, name: str, version: str, licence: str = "MIT") -> None:
        self._said = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: {licence}\n"

    def read_text(self, filename: str) -> str | None:
        return self._said if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def test_everything_that_a_service_is_made_of_may_be_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.checks.audit", "--offline", "--bom", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    boms = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in tmp_path.glob("*.cdx.json")}

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(boms) == set(SERVICES)
    names = {service: {one["name"] for one in said["components"]} for service, said in boms.items()}
    assert {service for service, found in names.items() if "torch" in found} == {"embedder"}
    assert {service for service, found in names.items() if "yt-dlp" in found} == {"downloader"}
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in boms["scenes"]["components"])


@pytest.mark.parametrize(
    ("package", "pins", "said"),
    [
        (Package("fine", "1.0"), {"fine": "1.0"}, []),
        (Package("fine", "1.0+cpu"), {"fine": "1.0"}, []),
        (Package("loose", "1.0"), {}, ["loose is not pinned in constraints.txt"]),
        (Package("moved", "1.1"), {"moved": "1.0"}, ["moved is 1.1 here, and 1.0 in constraints.txt"]),
        (Package("jose", "3"), {"jose": "3"}, ["jose may not be a part: abandoned"]),
        (Package("h11", "0.14.0"), {"h11": "0.14.0"}, ["h11 0.14.0 is below 0.16.0: smuggling"]),
        (Package("copyleft", "1", "MIT AND AGPL-3.0"), {"copyleft": "1"}, ["copyleft has the licence AGPL-3.0"]),
        (Package("silent", "1", "UNKNOWN"), {"silent": "1"}, ["silent has the licence of nobody knows what"]),
        (Package("odd", "1", "AGPL-3.0"), {"odd": "1"}, []),
    ],
)
def test_what_breaks_the_policy_is_named_with_the_reason(
    package: Distribution, pins: dict[str, str], said: list[str]
) -> None:
    name = package.metadata["Name"]

    assert list(problems({name: package}, {n: Version(v) for n, v in pins.items()}, ALLOWED)) == said


def test_the_policy_speaks_of_packages_that_are_there_and_of_none_that_may_not_be() -> None:
    policy = tomllib.loads(POLICY.read_text())
    pins = pinned((ROOT / "constraints.txt").read_text().splitlines())

    assert not set(policy["never"]) & set(pins)
    assert set(policy["licence_exceptions"]) | set(policy["carried"]) <= set(pins)
    assert not [name for name, (least, _) in policy["least"].items() if name in pins and pins[name] < Version(least)]


def test_a_service_is_made_of_what_its_packages_need_and_of_no_more() -> None:
    scenes = made_of("scenes")

    assert {"numpy", "nats-py", "pydantic-core"} <= set(scenes)
    assert not {"torch", "litestar", "pytest", "heaters-scenes"} & set(scenes)
    assert licences(scenes["numpy"])[0] == "BSD-3-Clause"
