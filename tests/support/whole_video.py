"""What a video has come to, all of it: facts, and objects by the hash of their content, in words that two videos can be compared by."""

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.state import State
from prometheus_client.parser import text_string_to_metric_families

BY_STAGES = (
    "video.downloaded",
    "video.planned",
    "segment.planned",
    "segment.preprocessed",
    "segment.scenes_detected",
    "clip.exported",
    "clip.keyframed",
    "clip.embedded",
)


def settings_of(state: State) -> Settings:
    """How a test reaches the servers of a whole, past any proxy."""
    return Settings(
        nats_url=state.urls["nats"],
        s3_endpoint=state.urls["s3"],
        s3_bucket=state.s3["bucket"],
        s3_access_key=state.s3["access_key"],
        s3_secret_key=state.s3["secret_key"],
        cache_dir=Path(state.home) / "tests",
        listen="127.0.0.1:0",
    )


def results(state: State, video_id: str) -> list[dict[str, Any]]:
    """The facts that stages have told of a video, in order."""

    async def read() -> list[dict[str, Any]]:
        bus = Bus(settings_of(state), source="tests")
        await bus.connect()
        try:
            told = [json.loads(message.data) for message in await bus.history(UUID(video_id))]
        finally:
            await bus.close()
        return [fact for fact in told if fact["type"] in (*BY_STAGES, "stage.failed")]

    return asyncio.run(read())


def objects(state: State, video_id: str) -> list[str]:
    """Every object of a video: its kind and the hash of its content, read back; manifests are counted by their stage."""
    store, found = S3Store(settings_of(state)), []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for listed in store.listed(f"videos/{video_id}/"):
            kind = listed.key.removeprefix(f"videos/{video_id}/").split("/")
            if kind[0] == "manifests":
                found.append(f"manifest of {kind[1]}")
                continue
            store.get(listed.key, copy)
            with copy.open("rb") as file:
                found.append(f"{_without_ids(kind)} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}")
    return sorted(found)


def facts(told: list[dict[str, Any]]) -> list[str]:
    """What the stages said, in words that are equal for two videos of one film."""
    return sorted(
        " ".join(
            str(part)
            for part in (
                fact["type"],
                fact.get("segment", {}).get("index", "") if fact.get("segment") else "",
                f"[{fact['span']['start']}, {fact['span']['end']})" if fact.get("span") else "",
                [cut["frame"] for cut in fact["cuts"]] if "cuts" in fact else "",
            )
            if part != ""
        )
        for fact in told
    )


def came_to(state: State, video_id: str) -> list[str]:
    """All that is to be found of a video."""
    return [*facts(results(state, video_id)), *objects(state, video_id)]


def _without_ids(kind: list[str]) -> str:
    # clips/<clip>/<name>: a clip's id follows from its video's.
    return "/".join("*" if len(part) == 36 and part.count("-") == 4 else part for part in kind)


def without_time(told: list[dict[str, Any]], *types: str) -> list[str]:
    """Facts of some types word for word, but for when they were told and what the work took."""
    kept = [{name: value for name, value in fact.items() if name not in ("time", "work")} for fact in told]
    return sorted(json.dumps(fact, sort_keys=True) for fact in kept if fact["type"] in types)


def s3_ledger(state: State) -> tuple[Counter[str], Counter[str]]:
    """What all services have moved to and from the store so far, by operation: requests and bytes."""
    requests: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for part in state.parts:
        if part.kind != "service":
            continue
        page = httpx.get(f"http://127.0.0.1:{part.port}/metrics", trust_env=False, follow_redirects=True)
        for family in text_string_to_metric_families(page.raise_for_status().text):
            for sample in family.samples:
                if sample.name == "heaters_s3_requests_total":
                    requests[sample.labels["operation"]] += int(sample.value)
                elif sample.name == "heaters_s3_bytes_total":
                    moved[sample.labels["operation"]] += int(sample.value)
    return requests, moved
