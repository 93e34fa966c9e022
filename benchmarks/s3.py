"""What one video moves to and from the object store, beside the naive flow in which each stage GETs its inputs and PUTs its outputs.

The naive flow was written first. It does what the stages of a pipeline without a node cache do: real requests for real objects, of
the very sizes that ours made. Both are counted by the same meter: requests, and bytes of their bodies. What cannot be saved is the
one PUT of each object, so `s3_roundtrips` is about the bytes beyond it.
"""

import asyncio
import functools
import http.server
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store
from heaters_local.client import Api
from heaters_local.launch import Launched
from heaters_local.state import Home, State
from heaters_media.sample import render_sample
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import Claim, note

_DONE_WITHIN_S = 900.0
_POLL_S = 0.5


@dataclass(slots=True)
class Meter:
    """Requests and bytes by (stage, operation)."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, stage: str, operation: str, size: int) -> None:
        self.requests[stage, operation] += 1
        self.bytes[stage, operation] += size

    def without(self, *stages: str) -> "Meter":
        """The same, as if these stages had not worked."""
        keep = [key for key in self.requests | self.bytes if key[0] not in stages]
        return Meter(Counter({k: self.requests[k] for k in keep}), Counter({k: self.bytes[k] for k in keep}))


class Naive:
    """Each stage GETs its inputs from the store and PUTs its outputs to it; nobody keeps anything."""

    def __init__(self, store: S3Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self.meter = Meter()

    def _get(self, stage: str, ref: Mapping[str, Any]) -> Path:
        path = self._folder / "got"
        self._store.get(ref["key"], path)
        self.meter.add(stage, "get", path.stat().st_size)
        return path

    def _put(self, stage: str, ref: Mapping[str, Any]) -> None:
        path = self._folder / "made"
        self._store.get(ref["key"], path)  # not counted: this stands for making it
        self._store.put(path, f"naive/{ref['key']}", content_type="application/octet-stream", sha256=ref["sha256"])
        self.meter.add(stage, "put", path.stat().st_size)

    def stage(self, name: str, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """One job of a stage."""
        for ref in inputs:
            self._get(name, ref)
        for ref in outputs:
            self._put(name, ref)

    def video(self, facts: Sequence[Mapping[str, Any]]) -> None:
        """All jobs of a video, as its facts tell them."""
        by_id = {fact["id"]: fact for fact in facts}
        for fact in facts:
            cause = by_id.get(fact["cause"] or "", {})
            match fact["type"]:
                case "video.downloaded":
                    self.stage("download", [], [fact["source"]])
                case "video.planned":
                    self.stage("plan", [fact["source"]], [fact["frame_table"]])
                case "segment.preprocessed":
                    made = [fact[k] for k in ("proxy", "packets", "tiny", "storyboard", "waveform") if fact.get(k)]
                    source = cause["source"]
                    self.stage("preprocess", [source], [ref for ref in made if ref["key"] != source["key"]])
                case "segment.scenes_detected":
                    made = [ref for name, ref in fact.items() if name == "scores" and ref]
                    self.stage("scenes", [cause["tiny"]], made)
                case "video.master_stored":
                    self.stage("store_master", [cause["source"]], [fact["master"]])
                case "clip.exported":
                    parts = [part[k] for part in cause["parts"] for k in ("proxy", "packets")]
                    self.stage("export", parts, [fact["object"]])
                case "clip.keyframed":
                    self.stage("keyframe", [cause["object"]], [one["object"] for one in fact["keyframes"]])
                case "clip.embedded":
                    vectors = [fact["frame_vectors"]] if fact.get("frame_vectors") else []
                    self.stage("embed", [one["object"] for one in cause["keyframes"]], vectors)


@contextmanager
def _site(folder: Path) -> Iterator[str]:
    """A site that has the film."""
    handler: Callable[..., Any] = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + _DONE_WITHIN_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_POLL_S)
    raise RuntimeError(f"{what} did not come within {_DONE_WITHIN_S:g} s")


def _work_through(api: Api, site: str) -> str:
    """One video from its address to the last embedding and the master."""
    asked = api.ingest({"kind": "url", "url": f"http://{site}/film.mp4"}, lane="interactive", options={})
    video_id = asked["video_id"]

    def reviewed() -> bool:
        video = api.video(video_id)
        if video["failures"]:
            raise RuntimeError(f"it failed: {video['failures_list']}")
        return video["state"] == "in_review" and video["segments_done"] == video["segments_total"]

    _until(reviewed, "the review")
    for clip in list(api.clips(video=video_id)):
        api.approve(clip["id"])

    def done() -> bool:
        video = api.video(video_id)
        if video["failures"]:
            raise RuntimeError(f"it failed: {video['failures_list']}")
        return video["state"] == "done" and "video.master_stored" in [event["type"] for event in video["events"]]

    _until(done, "the last embedding and the master")
    return video_id


def _ours(state: State) -> Meter:
    """What all services' own ledgers say."""
    meter = Meter()
    for part in state.parts:
        if part.kind != "service":
            continue
        answer = httpx.get(f"http://127.0.0.1:{part.port}/metrics", trust_env=False, follow_redirects=True)
        for family in text_string_to_metric_families(answer.raise_for_status().text):
            for sample in family.samples:
                key = sample.labels.get("stage", ""), sample.labels.get("operation", "")
                if sample.name == "heaters_s3_requests_total":
                    meter.requests[key] += int(sample.value)
                elif sample.name == "heaters_s3_bytes_total":
                    meter.bytes[key] += int(sample.value)
    return meter


def _facts(state: State, video_id: str) -> list[Mapping[str, Any]]:
    async def read() -> list[Mapping[str, Any]]:
        bus = Bus(_settings(state), source="bench")
        await bus.connect()
        try:
            return [json.loads(message.data) for message in await bus.history(UUID(video_id))]
        finally:
            await bus.close()

    return asyncio.run(read())


def _settings(state: State) -> Settings:
    return Settings(
        nats_url=state.urls["nats"],
        s3_endpoint=state.urls["s3"],
        s3_bucket=state.s3["bucket"],
        s3_access_key=state.s3["access_key"],
        s3_secret_key=state.s3["secret_key"],
        cache_dir=Path(state.home) / "bench",
        listen="127.0.0.1:0",
    )


_OF_NO_VIDEO = ("head_bucket", "create_bucket", "put_bucket_cors", "list_uploads")
"""Requests that no video causes: readiness and maintenance."""


def _tell(name: str, ours: Meter, naive: Meter) -> None:
    note(f"{name}: requests, bytes by stage and operation, ours beside naive")
    for key in sorted(ours.requests | naive.requests):
        mine, other = (f"{m.requests[key]:4d} {m.bytes[key]:>11d}" for m in (ours, naive))
        note(f"  {key[0]:<13}{key[1]:<11}{mine}   {other}")


def claims() -> Iterator[Claim]:
    """`s3_roundtrips`, `s3_requests`, `s3_bytes`; told with and without the master, claimed with it."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "site").mkdir()
        render_sample(folder / "site" / "film.mp4")
        with _site(folder / "site") as site, patch.dict(os.environ, HEATERS_ALLOW_HOSTS=site, HEATERS_MASTER="true"):
            launched = Launched(Home(folder / "home"))
            try:
                state = launched.until_ready()
                with Api(state.urls["review"], state.token) as api:
                    video_id = _work_through(api, site)
                ours = _ours(state)
                for key in [key for key in ours.requests if key[1] in _OF_NO_VIDEO]:
                    del ours.requests[key]
                naive = Naive(S3Store(_settings(state)), folder)
                naive.video(_facts(state, video_id))
            finally:
                launched.stop()
    for label, without in (("without the master", ("store_master",)), ("with the master", ())):
        a, b = ours.without(*without), naive.meter.without(*without)
        once = sum(size for (_, operation), size in b.bytes.items() if operation == "put")
        _tell(label, a, b)
        note(
            f"  beyond the one PUT of each object: ours {sum(a.bytes.values()) - once}, naive {sum(b.bytes.values()) - once}"
        )
    yield Claim("s3_roundtrips", sum(a.bytes.values()) - once, sum(b.bytes.values()) - once, "bytes", "lower", 0.22)
    yield Claim("s3_requests", sum(a.requests.values()), sum(b.requests.values()), "requests", "lower", 1.5)
    yield Claim("s3_bytes", sum(a.bytes.values()), sum(b.bytes.values()), "bytes", "lower", 0.8)
