"""compose.yaml and the chart's Pods, really run: on images that were built here, and on stand-ins for servers that no registry gives.

`make images-check` builds all that is needed. Whatever is missing is said, and its tests are skipped.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from deploy_tools import tool
from desk import embedded, in_review, send
from heaters_contracts.pipeline import SERVICES
from heaters_local.client import Api
from heaters_local.ports import free_port
from heaters_media.film import FilmKind, render_film

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SERVERS = ("nats", "postgres", "s3")
TOKEN = "a-token-for-containers"
S3_KEYS = {"access-key": "heaters", "secret-key": "a-secret-for-containers"}
PROJECT = "heaters-check"
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Composed:
    """What runs, and what its users' passwords are."""

    api: Api
    compose: Run
    passwords: dict[str, str]


@pytest.fixture(scope="module")
def podman() -> Run:
    if "HEATERS_IMAGES" not in os.environ:
        pytest.skip("images are built and run by `make images-check`")
    program = shutil.which("podman")
    if program is None:
        pytest.skip("no podman on this machine: nothing can be run in containers")
    environment = {**os.environ, "CONTAINERS_CONF": str(ROOT / "deploy/docker/containers.conf")}

    def run(*words: str, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *words], input=stdin, capture_output=True, text=True, timeout=timeout_s, env=environment
        )

    wanted = [f"localhost/heaters-{name}:dev" for name in SERVICES] + [f"localhost/standin-{n}:dev" for n in SERVERS]
    missing = [name for name in wanted if run("image", "exists", name).returncode]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}; `make images-check` builds them")
    return run


@pytest.fixture(scope="module")
def composed(podman: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """compose.yaml, up, in a folder of its own; taken down with its volumes."""
    program, folder = tool("podman-compose"), tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / "compose.yaml", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("local", "__pycache__"))
    heaters = Path(sys.executable).with_name("heaters")
    subprocess.run([heaters, "nats-auth", str(folder / "deploy/compose/nats")], check=True, capture_output=True)
    passwords = json.loads((folder / "deploy/compose/nats/passwords.json").read_text())
    review, s3 = free_port(), free_port()
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(ROOT / "deploy/docker/containers.conf"),
        "REVIEW_PORT": str(review),
        "S3_PORT": str(s3),
        "HEATERS_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{s3}",
        "HEATERS_S3_ACCESS_KEY": S3_KEYS["access-key"],
        "HEATERS_S3_SECRET_KEY": S3_KEYS["secret-key"],
        "POSTGRES_PASSWORD": "a-password-for-containers",
        "HEATERS_TOKEN": TOKEN,
        **{f"{name.upper()}_IMAGE": f"localhost/standin-{name}:dev" for name in SERVERS},
        **{f"NATS_PASSWORD_{user.upper().replace('-', '_')}": word for user, word in passwords.items()},
    }

    def compose(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-p", PROJECT, "-f", str(folder / "compose.yaml"), *words],
            capture_output=True,
            text=True,
            timeout=240,
            env=environment,
            cwd=folder,
        )

    compose("down", "-v", "-t", "5")
    try:
        begun = compose("up", "-d", *SERVERS)
        assert begun.returncode == 0, begun.stdout + begun.stderr
        # Without systemd nobody runs health checks by the clock, which `depends_on` waits for.
        for server in SERVERS:
            healthy(podman, f"{PROJECT}_{server}_1")
        # And an old podman finds no way through `depends_on` over two steps: they are taken one after the other.
        for names in (("migrate",), SERVICES):
            begun = compose("up", "-d", "--no-deps", *names)
            assert begun.returncode == 0, begun.stdout + begun.stderr
            ended = podman("wait", f"{PROJECT}_migrate_1")
            assert ended.stdout.strip() == "0", podman("logs", "--tail", "30", f"{PROJECT}_migrate_1").stderr
        with Api(f"http://127.0.0.1:{review}", TOKEN) as api:
            ready(api, compose)
            yield Composed(api, compose, passwords)
    finally:
        compose("down", "-v", "-t", "5")


def healthy(podman: Run, container: str) -> None:
    """Run a container's health check until it passes."""
    deadline = time.monotonic() + 60
    while podman("healthcheck", "run", container).returncode:
        assert time.monotonic() < deadline, podman("logs", "--tail", "30", container).stderr
        time.sleep(0.5)


def ready(api: Api, compose: Run) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api.url}/readyz", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(compose("logs", "--tail", "20", "review-api", "migrate").stdout)


def test_a_video_goes_through_the_containers_of_compose_to_its_last_embedding(
    composed: Composed, tmp_path: Path
) -> None:
    api = composed.api
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=60, audio_rate=48000))

    video_id = send(api, film)
    for clip in in_review(api, video_id, within_s=180)["clips_list"]:
        api.approve(clip["id"])
    video = embedded(api, video_id, within_s=240)
    api.download(video["clips_list"][0]["id"], tmp_path / "clip.mp4")

    assert sum(clip["frames"] for clip in video["clips_list"]) == 60
    assert (tmp_path / "clip.mp4").stat().st_size == video["clips_list"][0]["object"]["bytes"]


def test_every_container_is_who_it_should_be_and_is_limited(composed: Composed, podman: Run) -> None:
    for service in SERVICES:
        (one,) = json.loads(podman("inspect", f"{PROJECT}_{service}_1").stdout)

        assert one["State"]["Running"], service
        assert one["Config"]["User"] == "65532:65532", service
        assert one["HostConfig"]["ReadonlyRootfs"], service
        assert one["HostConfig"]["Memory"] > 0, service
        assert one["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", service
        assert not one["EffectiveCaps"], service


def test_every_service_passes_its_health_check_and_ends_when_it_is_told_to(composed: Composed, podman: Run) -> None:
    for service in SERVICES:
        healthy(podman, f"{PROJECT}_{service}_1")

    began = time.monotonic()
    stopped = podman("stop", "-t", "40", f"{PROJECT}_scenes_1")
    (one,) = json.loads(podman("inspect", f"{PROJECT}_scenes_1").stdout)

    assert stopped.returncode == 0
    assert one["State"]["ExitCode"] == 0
    assert time.monotonic() - began < 35


@contextmanager
def secrets(podman: Run, wanted: dict[str, dict[str, str]]) -> Iterator[None]:
    """The secrets that Pods ask for, as this podman keeps them: JSON of base64."""
    for name, said in wanted.items():
        kept = {key: base64.b64encode(word.encode()).decode() for key, word in said.items()}
        podman("secret", "rm", name)
        made = podman("secret", "create", name, "-", stdin=json.dumps(kept))
        assert made.returncode == 0, made.stderr
    try:
        yield
    finally:
        podman("secret", "rm", *wanted)


def test_a_rendered_pod_starts_and_does_the_work_of_its_stage(
    composed: Composed, podman: Run, render: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    """The Deployment just as the chart renders it, but that it asks for no port of this host."""
    wishes = ("image.registry=localhost", "image.tag=dev", "nats.url=nats://nats:4222", "s3.endpoint=http://s3:8333")
    (pod,) = (
        one
        for one in render(*wishes, "keda.enabled=false")
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", "heaters-scenes-interactive")
    )
    del pod["spec"]["template"]["spec"]["containers"][0]["ports"]
    manifest, film = yaml.safe_dump(pod), render_film(tmp_path / "film.mp4", FilmKind(frames=45))
    composed.compose("stop", "-t", "40", "scenes")

    with secrets(podman, {"heaters-nats": composed.passwords, "heaters-s3": S3_KEYS}):
        try:
            played = podman("play", "kube", "--network", f"{PROJECT}_default", "-", stdin=manifest)
            assert played.returncode == 0, played.stderr
            video = in_review(composed.api, send(composed.api, film), within_s=120)
            container = "heaters-scenes-interactive-pod-0-scenes"
            (one,) = json.loads(podman("inspect", container).stdout)
            logs = podman("logs", container)
            said = [json.loads(one) for one in f"{logs.stdout}\n{logs.stderr}".splitlines() if one.startswith("{")]
        finally:
            podman("play", "kube", "--down", "-", stdin=manifest)

    done = [line for line in said if line["message"] == "done"]
    assert video["frames"] == 45
    assert {(line["stage"], line["lane"], line["instance"]) for line in done} == {
        ("scenes", "interactive", "heaters-scenes-interactive-pod-0")
    }
    assert one["Config"]["User"] == "65532:65532"
    assert one["HostConfig"]["ReadonlyRootfs"]
    assert one["HostConfig"]["Memory"] > 0
    assert not one["EffectiveCaps"]
