"""A stand-in for the review API, as a service of a test's table: one video that moves on a little whenever it is looked at.

A file whose name has `broken` in it fails in the preprocessor; `stuck` never moves; `unexported` fails at its second clip.
"""

import http.server
import json
import os
import tempfile
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

uploads: dict[str, int] = {}
videos: dict[str, dict[str, Any]] = {}
clips: dict[str, dict[str, Any]] = {}
requests: dict[str, str] = {}
SPANS = ((0, 30), (30, 76), (76, 100))


def make_video(name: str, lane: str, options: dict[str, Any]) -> str:
    video_id = str(uuid.uuid4())
    videos[video_id] = {
        **{"id": video_id, "title": name, "state": "new", "requester": "local", "lane": lane, "frames": 100},
        **{"duration_ticks": 4000, "time_base": [1, 1000], "segments_done": 0, "segments_total": None, "clips": {}},
        **{"failures": 0, "requested_at": "2026-01-01T00:00:00Z", "looks": 0, "options": options, "failures_list": []},
    }
    return video_id


def exported(frames: int) -> bytes:
    """A film of so many frames."""
    from heaters_media.film import FilmKind, render_film  # slow to import, and few tests go that far

    with tempfile.TemporaryDirectory() as folder:
        return render_film(Path(folder) / "clip.mp4", FilmKind(frames=frames)).read_bytes()


def fail(video: dict[str, Any], stage: str, reason: str) -> None:
    failure = {"id": str(uuid.uuid4()), "video_id": video["id"], "stage": stage, "reason": reason}
    video["failures_list"] = [{**failure, "failure_class": "permanent", "attempts": 4, "at": "2026-01-01T00:00:00Z"}]
    video["failures"] = 1


def look(video: dict[str, Any]) -> dict[str, Any]:
    video["looks"] += 1
    mine = [clip for clip in clips.values() if clip["video_id"] == video["id"]]
    if "stuck" in video["title"]:
        pass
    elif video["looks"] == 2:
        video.update(state="preprocessing", segments_total=2, segments_done=1)
    elif video["looks"] == 3 and "broken" in video["title"]:
        video["state"] = "preprocess_failed"
        fail(video, "preprocess", "the file has no picture")
    elif video["looks"] == 3:
        video.update(state="in_review", segments_done=2)
        for start, end in SPANS:
            clip = {"id": str(uuid.uuid4()), "video_id": video["id"], "start": start, "end": end, "frames": end - start}
            clip |= {"start_ticks": start * 40, "end_ticks": end * 40, "time_base": [1, 1000]}
            clips[clip["id"]] = clip | {"state": "pending_review", "object": None, "frames_counted": None}
    for number, clip in enumerate(mine):
        if clip["state"] == "review_approved":
            if number == 1 and "unexported" in video["title"]:
                clip["state"] = "export_failed"
                fail(video, "export", "the disk is full")
            else:
                stored = {"key": f"clips/{clip['id']}.mp4", "bytes": 1000}
                clip.update(state="embedded", object=stored, frames_counted=clip["frames"])
    video["clips"] = {}
    for clip in clips.values():
        if clip["video_id"] == video["id"]:
            video["clips"][clip["state"]] = video["clips"].get(clip["state"], 0) + 1
    return {
        **video,
        "cuts": [{"frame": start, "kind": "hard", "confidence": 0.9, "extent": None} for start, _ in SPANS[1:]],
        "clips_list": [clip for clip in clips.values() if clip["video_id"] == video["id"]],
        "clips_next": None,
        "stages": {"download": {"seconds": 0.25, "jobs": 1}, "preprocess": {"seconds": 1.5, "jobs": 2}},
        "waiting_s": 0.125,
        "events": [],
        "events_next": None,
    }


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: object) -> None:
        self.send(status, "application/json" if status < 400 else "application/problem+json", json.dumps(body).encode())

    def send(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def parts(self) -> tuple[list[str], dict[str, str]]:
        url = urllib.parse.urlsplit(self.path)
        return url.path.strip("/").split("/"), dict(urllib.parse.parse_qsl(url.query))

    def trusted(self) -> bool:
        if self.headers["authorization"] == f"Bearer {os.environ['HEATERS_TOKEN']}":
            return True
        self.answer(401, {"title": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        match self.parts():
            case ["readyz"], _:
                self.answer(200, {})
            case _ if not self.trusted():
                pass
            case ["api", "videos"], query:  # one video a page, so that clients must turn pages
                known, begin = list(videos.values()), int(query.get("cursor", 0))
                more = str(begin + 1) if begin + 1 < len(known) else None
                self.answer(200, {"items": known[begin : begin + 1], "next": more})
            case ["api", "videos", video_id], _ if video_id in videos:
                self.answer(200, look(videos[video_id]))
            case ["api", "clips"], query:
                found = [
                    clip
                    for clip in clips.values()
                    if query.get("video") in (None, clip["video_id"]) and query.get("state") in (None, clip["state"])
                ]
                self.answer(200, {"items": found, "next": None})
            case ["api", "clips", clip_id, "download"], _ if clip_id in clips:
                self.send(200, "video/mp4", exported(clips[clip_id]["frames"]))
            case ["api", "clips", clip_id, "similar"], query:
                others = [clip for clip in clips.values() if clip["id"] != clip_id and clip["state"] == "embedded"]
                items = [{"clip": clip, "similarity": 0.75} for clip in others[: int(query["limit"])]]
                self.answer(200, {"items": items})
            case ["api", "failures"], query:  # one failure a page, as above
                found = [item for video in videos.values() for item in video["failures_list"]]
                found = [item for item in found if query.get("stage") in (None, item["stage"])]
                begin = int(query.get("cursor", 0))
                more = str(begin + 1) if begin + 1 < len(found) else None
                self.answer(200, {"items": found[begin : begin + 1], "next": more, "total": len(found)})
            case ["api", "progress"], _:
                running = [video for video in videos.values() if video["state"] == "preprocessing"]
                items = [{"video_id": video["id"], "stage": "preprocess", "fraction": 0.4} for video in running]
                self.answer(200, {"items": items})
            case _:
                self.answer(404, {"title": "Not found", "detail": self.path})

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if not self.trusted():
            return
        match self.parts():
            case ["api", "uploads"], query:
                uploads[query["name"]] = length
                self.answer(200, {"key": f"uploads/{query['name']}", "bytes": length, "sha256": "0" * 64})
            case ["api", "ingest"], _:
                asked = json.loads(body)
                source = asked["source"]
                name = source.get("name") or source.get("url") or source.get("uri")
                if "forbidden" in name:
                    refused = {"video_id": str(uuid.uuid4()), "status": "rejected", "reason": "the quota is used up"}
                    self.answer(202, refused)
                    return
                key = asked["request_id"] or json.dumps(asked)
                status = "duplicate" if key in requests else "requested"
                video_id = requests.setdefault(key, "") or make_video(name, asked["lane"], asked["options"])
                requests[key] = video_id
                self.answer(202, {"video_id": video_id, "status": status, "reason": None})
            case ["api", "search"], _:
                wish = json.loads(body)
                others = [c for c in clips.values() if c["id"] not in wish["like"] and c["state"] == "embedded"]
                items = [{"clip": {**c, "tags": []}, "similarity": 0.75, "rank": None} for c in others[: wish["limit"]]]
                self.answer(200, {"items": items, "how": "exact"})
            case ["api", "clips", clip_id, "verdict"], _ if clip_id in clips and self.headers["idempotency-key"]:
                clip = clips[clip_id]
                if clip["state"] != "pending_review":
                    self.answer(409, {"title": "Not pending", "detail": f"the clip is {clip['state']}"})
                    return
                clip["state"] = "review_approved"
                self.answer(200, {"clip": clip, "sequence": 1})
            case _:
                self.answer(404, {"title": "Not found", "detail": self.path})

    def log_message(self, *_: object) -> None:
        pass


host, port = os.environ["HEATERS_LISTEN"].split(":")
http.server.ThreadingHTTPServer((host, int(port)), Api).serve_forever()
