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
PROJECT = "heaters-check"
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Played:
    """A Pod's container that was started from a manifest."""

    podman: Run
    pod: str
    name: str

    def container(self) -> dict[str, Any]:
        """What podman knows of it."""
        (one,) = json.loads(self.podman("inspect", self.name).stdout)
        found: dict[str, Any] = one
        return found

    def said(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        logs = self.podman("logs", self.name)
        return [json.loads(one) for one in f"{logs.stdout}\n{logs.stderr}".splitlines() if one.startswith("{")]

    def address(self) -> str:
        """Where it listens, as this host sees it."""
        (pod,) = [json.loads(self.podman("pod", "inspect", self.pod).stdout)]
        (infra,) = json.loads(self.podman("inspect", pod["InfraContainerID"]).stdout)
        (network,) = infra["NetworkSettings"]["Networks"].values()
        return f"http://{network['IPAddress']}:8080"


@dataclass(frozen=True)
class Composed:
    """What runs, what .env holds, and what NATS' users' passwords are."""

    api: Api
    compose: Run
    secret: dict[str, str]
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
    said = ("nats-auth", str(folder / "deploy/compose/nats"), "--env", str(folder / ".env"))
    subprocess.run([heaters, *said], check=True, capture_output=True)
    secret = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())
    passwords = json.loads((folder / "deploy/compose/nats/passwords.json").read_text())
    review, s3 = free_port(), free_port()
    environment = {
        **os.environ,
        "CONTAINERS_CONF": str(ROOT / "deploy/docker/containers.conf"),
        "REVIEW_PORT": str(review),
        "S3_PORT": str(s3),
        "HEATERS_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{s3}",
        **{f"{name.upper()}_IMAGE": f"localhost/standin-{name}:dev" for name in SERVERS},
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
        begun = compose("up", "-d")
        assert begun.returncode == 0, begun.stdout + begun.stderr
        with (
            Api(f"http://127.0.0.1:{review}", secret["HEATERS_TOKEN"]) as api,
            httpx.Client(base_url=api.url, trust_env=False, timeout=5) as asked,
        ):
            try:
                until_ready(asked)
            except AssertionError as problem:
                raise AssertionError(compose("logs", "--tail", "20", "review-api", "migrate").stdout) from problem
            yield Composed(api, compose, secret, passwords)
    finally:
        compose("down", "-v", "-t", "5")


def healthy(podman: Run, container: str) -> None:
    """Run a container's health check until it passes."""
    deadline = time.monotonic() + 60
    while podman("healthcheck", "run", container).returncode:
        assert time.monotonic() < deadline, podman("logs", "--tail", "30", container).stderr
        time.sleep(0.5)


def until_ready(asked: httpx.Client) -> None:
    """Ask until it is ready for requests."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if asked.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{asked.base_url} is not ready")


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


LOOK = """
import json, os, pathlib
def may(path):
    try:
        (pathlib.Path(path) / "probe").touch()
        (pathlib.Path(path) / "probe").unlink()
        return True
    except OSError:
        return False
lines = [line.split() for name in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
print(json.dumps({
    "uid": os.getuid(),
    "listens": sorted({int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A"}),
    "writes": [d for d in ("/", "/opt/heaters", "/etc", "/usr", "/var", "/home", "/tmp", "/cache") if may(d)],
}))
"""


def test_every_container_is_who_it_should_be_and_is_limited(composed: Composed, podman: Run) -> None:
    for service in SERVICES:
        (one,) = json.loads(podman("inspect", f"{PROJECT}_{service}_1").stdout)
        looked = podman("exec", f"{PROJECT}_{service}_1", "/opt/heaters/bin/python", "-c", LOOK)

        assert one["State"]["Running"], service
        assert one["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", service
        assert locked_up(one), service
        assert json.loads(looked.stdout) == {"uid": 65532, "listens": [8080], "writes": ["/tmp", "/cache"]}, service  # noqa: S108 - within a container


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


@pytest.fixture
def rendered(render: Callable[..., list[dict[str, Any]]]) -> Callable[[str, str], dict[str, Any]]:
    """One of the chart's objects, on the servers of compose.yaml."""
    wishes = ("image.registry=localhost", "image.tag=dev", "nats.url=nats://nats:4222", "s3.endpoint=http://s3:8333")
    found = {(one["kind"], one["metadata"]["name"]): one for one in render(*wishes, "keda.enabled=false")}
    return lambda kind, name: found[kind, name]


@pytest.fixture
def play(composed: Composed, podman: Run) -> Iterator[Callable[[dict[str, Any]], Played]]:
    """Starts a Deployment's or a Job's Pod just as the chart renders it, but that it asks for no port of this host."""
    kept = {
        "heaters-nats": composed.passwords,
        "heaters-s3": {
            "access-key": composed.secret["HEATERS_S3_ACCESS_KEY"],
            "secret-key": composed.secret["HEATERS_S3_SECRET_KEY"],
        },
        "heaters-postgres": {
            "url": f"postgresql+psycopg://heaters:{composed.secret['POSTGRES_PASSWORD']}@postgres:5432/heaters"
        },
    }
    manifests: list[str] = []

    def start(one: dict[str, Any]) -> Played:
        template = one["spec"]["template"]
        (container,) = template["spec"]["containers"]
        container.pop("ports", None)
        name = f"{one['metadata']['name']}-pod-0"
        # This podman knows Pods and Deployments, and no Jobs; the Pod is the same.
        pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": name}}
        manifests.append(yaml.safe_dump(pod))
        played = podman("play", "kube", "--network", f"{PROJECT}_default", "-", stdin=manifests[-1])
        assert played.returncode == 0, played.stderr
        return Played(podman, name, f"{name}-{container['name']}")

    with secrets(podman, kept):
        try:
            yield start
        finally:
            for manifest in manifests:
                podman("play", "kube", "--down", "-", stdin=manifest)


def locked_up(container: dict[str, Any]) -> bool:
    """Nobody of importance, who may write nowhere and has no rights."""
    host = container["HostConfig"]
    return bool(
        container["Config"]["User"] == "65532:65532"
        and host["ReadonlyRootfs"]
        and host["Memory"] > 0
        and not container["EffectiveCaps"]
    )


def test_a_rendered_pod_starts_and_does_the_work_of_its_stage(
    composed: Composed, play: Any, rendered: Any, tmp_path: Path
) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=45))
    composed.compose("stop", "-t", "40", "scenes")

    pod = play(rendered("Deployment", "heaters-scenes-interactive"))
    video = in_review(composed.api, send(composed.api, film), within_s=120)

    done = [line for line in pod.said() if line["message"] == "done"]
    assert video["frames"] == 45
    assert {(line["stage"], line["lane"], line["instance"]) for line in done} == {
        ("scenes", "interactive", "heaters-scenes-interactive-pod-0")
    }
    assert locked_up(pod.container())


def test_the_rendered_migration_ends_well_though_all_is_there_already(
    composed: Composed, podman: Run, play: Any, rendered: Any
) -> None:
    pod = play(rendered("Job", "heaters-migrate"))

    ended = podman("wait", pod.name)

    assert ended.stdout.strip() == "0", pod.said()
    assert "streams, consumers and buckets are in place" in [line["message"] for line in pod.said()]
    assert locked_up(pod.container())


def test_the_rendered_review_api_serves_its_first_keeper(
    composed: Composed, podman: Run, play: Any, rendered: Any
) -> None:
    """As docs/operations.md installs it: the first account is made within the Pod, and signs in by password."""
    signed = {"authorization": f"Bearer {composed.secret['HEATERS_TOKEN']}"}
    before = httpx.get(f"{composed.api.url}/api/videos", headers=signed, trust_env=False, timeout=30).json()["items"]
    composed.compose("stop", "-t", "40", "review-api")

    pod = play(rendered("Deployment", "heaters-review-api"))
    with httpx.Client(base_url=pod.address(), trust_env=False, timeout=30) as browser:
        until_ready(browser)
        made = podman("exec", pod.name, "/opt/heaters/bin/heaters-service", "account", "--login", "ana")
        password = made.stdout.strip().splitlines()[-1]
        form = {"login": "ana", "password": password}
        answer = browser.post("/signin", data=form, headers={"origin": "https://heaters.example"})
        cookie = answer.headers["set-cookie"].partition(";")[0]
        me = browser.get("/api/me", headers={"cookie": cookie})
        videos = browser.get("/api/videos", headers={"cookie": cookie})

    assert made.returncode == 0, made.stderr
    assert answer.status_code == 303, answer.text
    assert "secure" in answer.headers["set-cookie"].lower()
    assert me.json()["roles"] == ["ops"]
    assert len(before) >= 1
    assert {one["id"] for one in videos.json()["items"]} == {one["id"] for one in before}
    assert password not in json.dumps(pod.said())
    assert locked_up(pod.container())
