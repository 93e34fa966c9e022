"""The Helm chart: strict, valid, and of one mind with the PIPELINE table, the settings and the permissions."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deploy_tools import tool
from heaters_contracts.fact import LANES
from heaters_contracts.pipeline import CONSUMERS, PIPELINE, SERVICES, MiB
from heaters_edges.permissions import rights

from deploy.checks.chart import pipeline_file
from deploy.checks.settings import settings_of

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "heaters"
WRITABLE = {"/tmp", "/cache"}  # noqa: S108 - of a container
VARIANTS = {
    "as it comes": (),
    "without KEDA": ("keda.enabled=false",),
    "with a GPU": ("gpu.count=1", "gpu.nodeSelector.gpu=a100"),
    "with everything": (
        "telemetry.otlpEndpoint=http://otel.monitoring:4318",
        "cache.hostPath=/var/lib/heaters",
        "signIn.existingSecret=oidc",
        "image.pullSecrets={pull}",
        "stages.scenes.bulk.least=2",
        "settings.log_level=DEBUG",
        "cdn.url=https://clips.example",
    ),
}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name -> pod specification, of everything that starts pods."""
    found = {}
    for one in objects:
        if one["kind"] in {"Deployment", "Job"}:
            found[one["metadata"]["name"]] = one["spec"]["template"]
        elif one["kind"] == "ScaledJob":
            found[one["metadata"]["name"]] = one["spec"]["jobTargetRef"]["template"]
    return found


def test_the_charts_table_is_made_from_the_pipeline() -> None:
    assert (CHART / "files" / "pipeline.yaml").read_text() == pipeline_file(), "run `make docs`"


def test_every_value_has_a_comment_or_speaks_for_itself_and_every_stage_its_size() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert set(values["stages"]) == {work.name for work in PIPELINE}
    assert all(set(size) == {*LANES, "job"} for size in values["stages"].values())


def test_no_value_is_there_that_nothing_reads() -> None:
    read = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    told = set(
        re.findall(r"^ +(\w+):", re.sub(r"(?m)^stages:\n(?: .*\n)+", "", (CHART / "values.yaml").read_text()), re.M)
    )

    by_others = {"requests", "limits", *LANES}  # parts of what is handed on whole, or looked up by a stage's lane
    assert len(told) > 30
    assert {name for name in told - by_others if not re.search(rf"\.{name}\b", read)} == set()


def test_lint_finds_nothing(helm: Any) -> None:
    ended = helm("lint", "--strict", str(CHART))

    assert ended.returncode == 0, ended.stdout
    assert "[WARNING]" not in ended.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("image.tag=latest", "tag"),
        ("image.tagg=1", "tagg"),
        ("nats.url=http://nats", "url"),
        ("cdn.url=clips.example", "url"),
        ("reviewApi.replicas=0", "replicas"),
        ("stages.scenes.bulk.most=0", "most"),
        ("stages.nonsense.job=true", "nonsense"),
    ],
)
def test_a_value_that_is_wrong_is_named(helm: Any, wrong: str, said: str) -> None:
    ended = helm("template", "heaters", str(CHART), "--set", wrong)

    assert ended.returncode != 0
    assert said in ended.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_fits_its_kinds_schema(render: Any, variant: str) -> None:
    objects = render(*VARIANTS[variant])

    for one in objects:
        if one["apiVersion"] == "keda.sh/v1alpha1":
            _check_keda(one)
        else:
            kubernetes_validate.validate(one, "1.34", strict=True)
    assert len({(one["kind"], one["metadata"]["name"]) for one in objects}) == len(objects)


def keda_says(objects: list[dict[str, Any]]) -> str:
    """What KEDA's own definitions find wrong; empty for nothing. Skips, and says so, where they cannot be had."""
    folder = ROOT / "build" / "tools" / "keda"
    if not (folder / "node_modules").is_dir():
        pytest.skip("KEDA's resource definitions are not here: `make deploy-check` brings them where they can be had")
    command = [tool("node"), str(ROOT / "deploy/checks/keda.cjs"), str(folder)]
    ended = subprocess.run(command, input=json.dumps(objects), capture_output=True, text=True, timeout=60)
    assert ended.returncode in {0, 1}, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "without KEDA"])
def test_what_keda_reads_fits_kedas_own_definitions(render: Any, variant: str) -> None:
    found = [one for one in render(*VARIANTS[variant]) if one["apiVersion"] == "keda.sh/v1alpha1"]

    assert {one["kind"] for one in found} == {"ScaledObject", "ScaledJob"}
    assert keda_says(found) == ""


def test_kedas_definitions_find_what_is_wrong(render: Any) -> None:
    scaled = {one["kind"]: one for one in render() if one["apiVersion"] == "keda.sh/v1alpha1"}
    scaled["ScaledObject"]["spec"]["minReplicaCount"] = "none"
    del scaled["ScaledJob"]["spec"]["triggers"]

    said = keda_says(list(scaled.values()))

    assert "minReplicaCount must be integer" in said
    assert "must have required property triggers" in said


def _check_keda(one: dict[str, Any]) -> None:
    """What KEDA 2 knows of the two kinds, as far as the chart may use it."""
    common = {"pollingInterval", "maxReplicaCount", "triggers"}
    known = {
        "ScaledObject": common | {"scaleTargetRef", "cooldownPeriod", "minReplicaCount"},
        "ScaledJob": common | {"jobTargetRef", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"},
    }[one["kind"]]
    assert set(one["spec"]) <= known
    for trigger in one["spec"]["triggers"]:
        assert set(trigger) == {"type", "metadata"}
        assert trigger["type"] == "nats-jetstream"
        assert all(isinstance(value, str) and value for value in trigger["metadata"].values())
    if one["kind"] == "ScaledJob":
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": one["spec"]["jobTargetRef"]}
        kubernetes_validate.validate(job, "1.34", strict=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_pod_is_root_writes_its_image_runs_latest_or_lacks_limits(render: Any, variant: str) -> None:
    found = pods(render(*VARIANTS[variant]))

    assert len(found) == 2 * len(PIPELINE) + 2
    for name, template in found.items():
        spec = template["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["automountServiceAccountToken"] is False, name
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert re.fullmatch(r".+/heaters-[a-z-]+:(?!latest$).+", container["image"]), name
        assert {"cpu", "memory"} <= set(container["resources"]["limits"]), name
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == WRITABLE, name
        assert not any("hostPort" in port for port in container.get("ports", []))


def test_each_stage_and_lane_is_scaled_by_its_own_consumer(render: Any) -> None:
    objects = render()

    triggers = {
        trigger["metadata"]["consumer"]: one["metadata"]["name"]
        for one in objects
        if one["apiVersion"] == "keda.sh/v1alpha1"
        for trigger in one["spec"]["triggers"]
    }

    assert set(triggers) == {work.consumer(lane) for work, lane in CONSUMERS}
    assert triggers["store_master-bulk"] == "heaters-store-master-bulk"
    assert {one["metadata"]["name"] for one in objects if one["kind"] == "ScaledJob"} == {
        "heaters-store-master-bulk",
        "heaters-store-master-interactive",
    }


@pytest.mark.parametrize(("work", "lane"), CONSUMERS, ids=lambda one: getattr(one, "name", one))
def test_a_worker_has_the_time_the_memory_and_the_rights_of_its_stage(render: Any, work: Any, lane: str) -> None:
    template = pods(render())[f"heaters-{work.name.replace('_', '-')}-{lane}"]["spec"]
    container = template["containers"][0]
    env = {one["name"]: one.get("value") for one in container["env"]}
    grace_s = min(work.deadline_s, 1800)

    assert container["image"].split("/")[-1].startswith(f"heaters-{work.by}:")
    assert (env["HEATERS_STAGES"], env["HEATERS_LANES"]) == (work.name, lane)
    assert env["HEATERS_GRACE_S"] == str(grace_s)
    assert template["terminationGracePeriodSeconds"] == grace_s + 30
    memory = container["resources"]["limits"]["memory"]
    assert int(memory.removesuffix("Mi")) * MiB > work.memory_bytes
    assert env["HEATERS_NATS_USER"] == work.by
    assert work.by in rights()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_is_a_setting_of_the_service_that_gets_it(render: Any, variant: str) -> None:
    for name, template in pods(render(*VARIANTS[variant])).items():
        container = template["spec"]["containers"][0]
        service = re.search(r"/heaters-([a-z-]+):", container["image"])[1]  # type: ignore[index] # the test above holds it
        known = settings_of(service)
        given = {one["name"] for one in container["env"]}

        assert given <= set(known), name
        assert {one.name for one in known.values() if one.required} <= given, name
        secret = {one.name for one in known.values() if one.unit == "secret"}
        assert all("valueFrom" in one for one in container["env"] if one["name"] in secret), name


def test_migration_comes_before_anything_scales(render: Any) -> None:
    job = next(one for one in render() if one["kind"] == "Job")

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]


def test_only_review_api_reaches_postgres_and_only_the_downloader_the_world(render: Any) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in render() if one["kind"] == "NetworkPolicy"}

    def reached(name: str) -> list[tuple[str, int]]:
        return [
            (peer.get("ipBlock", {}).get("cidr", "in the cluster"), port["port"])
            for rule in policies[name]["egress"]
            for peer in rule["to"]
            for port in rule["ports"]
        ]

    assert set(policies) == {"heaters-everything", "heaters-review-api", "heaters-downloader"}
    assert 5432 not in [port for _, port in reached("heaters-everything")]
    assert not [cidr for cidr, _ in reached("heaters-everything") if cidr in {"0.0.0.0/0", "::/0"}]
    assert reached("heaters-review-api") == [("10.0.0.0/8", 5432)]
    assert policies["heaters-review-api"]["podSelector"]["matchLabels"]["heaters/service"] == "review-api"
    assert {cidr for cidr, _ in reached("heaters-downloader")} == {"0.0.0.0/0", "::/0"}
    assert "169.254.0.0/16" in policies["heaters-downloader"]["egress"][0]["to"][0]["ipBlock"]["except"]


def test_every_service_is_deployed(render: Any) -> None:
    images = {t["spec"]["containers"][0]["image"].rpartition("/")[2].partition(":")[0] for t in pods(render()).values()}

    assert images == {f"heaters-{service}" for service in SERVICES}
