"""Built images: who runs in them, what they can write, what is in them and what is not. `make deploy-check` builds two and runs this."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ("scenes", "review-api")
Podman = Callable[..., subprocess.CompletedProcess[str]]

LOOK = """
import json, os, pathlib, sys
def may(path):
    try:
        (pathlib.Path(path) / "probe").write_text("x")
        return True
    except OSError:
        return False
programs = sorted({p.name for d in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin") for p in pathlib.Path(d).glob("*")})
setuid = [str(p) for p in pathlib.Path("/usr").rglob("*") if not p.is_symlink() and p.is_file() and p.stat().st_mode & 0o6000]
import importlib.metadata as m
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "programs": programs, "setuid": setuid,
    "writes": [d for d in ("/", "/opt/heaters", "/etc", "/usr", "/var", "/tmp", "/cache") if may(d)],
    "packages": sorted(d.metadata["Name"].lower() for d in m.distributions()),
    "sbom": len(json.loads(pathlib.Path("/opt/heaters/sbom.cdx.json").read_text())["components"]),
}))
"""


def parts(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "deploy/docker/parts.py", *words], cwd=ROOT, capture_output=True, text=True)


def test_an_image_is_made_of_its_service_with_the_extras_that_are_asked_for() -> None:
    plain, more, wrong = parts("review-api", ""), parts("embedder", "transformers, open-clip"), parts("scenes", "torch")

    assert plain.stdout == "./services/review-api[parquet] ./libs/contracts ./libs/edges ./libs/media\n"
    assert more.stdout.split()[0] == "./services/embedder[open-clip,transformers]"
    assert (wrong.returncode, wrong.stderr) == (1, "services/scenes has no extra 'torch'; it has transnetv2\n")


@pytest.fixture(scope="module")
def podman() -> Podman:
    if "HEATERS_IMAGES" not in os.environ:
        pytest.skip("images are built and looked into by `make deploy-check`")
    program = shutil.which("podman")
    if program is None:
        pytest.skip("no podman on this machine: images cannot be looked into")
    environment = {**os.environ, "CONTAINERS_CONF": str(ROOT / "deploy/docker/containers.conf")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=120, env=environment)

    for service in BUILT:
        if run("image", "exists", f"localhost/heaters-{service}:dev").returncode:
            pytest.skip("the images are not built: `make deploy-check` builds them")
    return run


def started(podman: Podman, service: str, *words: str, entry: str | None = None) -> subprocess.CompletedProcess[str]:
    more = ["--entrypoint", entry] if entry else []
    locked = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none"]
    return podman("run", "--rm", *locked, "--tmpfs=/tmp", *more, f"localhost/heaters-{service}:dev", *words)


@pytest.fixture(scope="module")
def inside(podman: Podman) -> dict[str, dict[str, Any]]:
    found = {}
    for service in BUILT:
        ended = started(podman, service, "-c", LOOK, entry="/opt/heaters/bin/python")
        assert ended.returncode == 0, ended.stderr
        found[service] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("service", BUILT)
def test_nobody_is_root_and_nothing_but_tmp_and_cache_can_be_written(inside: Any, service: str) -> None:
    seen = inside[service]

    assert (seen["uid"], seen["gid"]) == (65532, 65532)
    assert seen["writes"] == ["/tmp", "/cache"]  # noqa: S108 - of a container
    assert seen["setuid"] == []


@pytest.mark.parametrize("service", BUILT)
def test_there_is_no_shell_and_no_package_manager(inside: Any, service: str) -> None:
    assert not {"sh", "bash", "dash", "apt", "apt-get", "dpkg", "perl", "pip", "curl", "mount", "su"} & set(
        inside[service]["programs"]
    )


def test_each_image_has_its_services_packages_and_no_others(inside: Any) -> None:
    scenes, review = set(inside["scenes"]["packages"]), set(inside["review-api"]["packages"])

    assert {"heaters-scenes", "heaters-media", "numpy"} <= scenes
    assert {"heaters-review-api", "litestar", "argon2-cffi"} <= review
    assert not {"torch", "yt-dlp", "litestar", "sqlalchemy", "pytest", "heaters-local"} & scenes
    assert not {"torch", "yt-dlp", "heaters-scenes", "pytest", "heaters-local"} & review


@pytest.mark.parametrize("service", BUILT)
def test_an_image_says_what_it_is_made_of(inside: Any, podman: Podman, service: str) -> None:
    (said,) = json.loads(podman("image", "inspect", f"localhost/heaters-{service}:dev").stdout)

    assert inside[service]["sbom"] >= len(inside[service]["packages"])
    assert said["Config"]["Labels"]["org.opencontainers.image.title"] == f"heaters-{service}"
    assert said["Config"]["User"] == "65532:65532"
    assert said["Healthcheck"]["Test"] == ["CMD", "/opt/heaters/bin/heaters-health"]
    assert list(said["Config"]["ExposedPorts"]) == ["8080/tcp"]


@pytest.mark.parametrize("service", BUILT)
def test_no_secret_and_no_folder_of_this_machine_is_in_a_layer(podman: Podman, service: str) -> None:
    history = podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", f"localhost/heaters-{service}:dev").stdout
    (said,) = json.loads(podman("image", "inspect", f"localhost/heaters-{service}:dev").stdout)
    everything = history + json.dumps(said["Config"])

    assert not [word for word in ("PASSWORD=", "SECRET=", "TOKEN=", str(ROOT)) if word in everything]


@pytest.mark.parametrize("service", BUILT)
def test_a_service_without_its_settings_ends_and_says_which(podman: Podman, service: str) -> None:
    ended = started(podman, service)

    assert ended.returncode == 2
    assert "HEATERS_NATS_URL is not set" in ended.stderr
    assert "HEATERS_S3_SECRET_KEY is not set" in ended.stderr
