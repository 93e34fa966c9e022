"""A client of Heaters in one file: copy it, it needs nothing but Python 3.9's standard library.

    from client import Heaters
    heaters = Heaters("https://heaters.example", token)
    video = heaters.ask("https://films.example/watch?v=harbour", tags=["sea"], reference="cam-3")
    for event in heaters.follow(video["video_id"]):
        print(event["type"])
    heaters.wait(video["video_id"])            # until it is in review

    python client.py ask URL --wait            # with HEATERS_URL and HEATERS_TOKEN in the environment

`verify` checks the signature of a webhook.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Optional

__all__ = ["Failed", "Heaters", "Rejected", "Unanswered", "verify"]

_ARRIVED = ("in_review", "done", "linked", "expanded")
_TRIES = 5


class Unanswered(Exception):
    """Heaters does not answer, or says no; `status` is the HTTP status, or 0 where there was none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


_BROKEN = (Unanswered, OSError, http.client.HTTPException)
"""What a connection that breaks off is told by; http.client's own errors are none of the system's."""


class Rejected(Exception):
    """The request was refused, with the reason."""


class Failed(Exception):
    """The video will not get there by itself, with the reasons; or not in time."""


class Heaters:
    """Heaters at one address.

    Args:
        url: its base, such as https://heaters.example.
        token: what signs you in.
        timeout_s: how long one answer may take.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = 60) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def ask(
        self,
        source: str,
        *,
        request_id: Optional[str] = None,  # noqa: UP045 - this file runs on Python 3.9, where it is copied to
        lane: str = "bulk",
        dry_run: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Ask for a video; asking twice with one request id (or one body) is asking once.

        Args:
            source: an http, https or s3 address, or the key of an upload.
            request_id: your own id for it.
            lane: interactive or bulk.
            dry_run: only say what would happen.
            options: tags, reference, callback, allow_quality_loss, detector, auto_rule and whatever else the contract has.

        Returns:
            {"video_id", "status": "requested" or "duplicate", "reason"}.

        Raises:
            Rejected: it was refused.
            Unanswered: there was no answer, or the request is not well formed.
        """
        kind = {"http": "url", "https": "url", "s3": "s3"}.get(source.partition("://")[0], "upload")
        named = {"url": "url", "s3": "uri", "upload": "key"}[kind]
        body: dict[str, Any] = {"source": {"kind": kind, named: source}, "lane": lane, "options": options}
        if request_id is not None:
            body["request_id"] = request_id
        answer: dict[str, Any] = self._json("POST", "/api/ingest" + ("?dry_run=true" if dry_run else ""), body)
        if answer["status"] == "rejected" and not dry_run:
            raise Rejected(answer["reason"])
        return answer

    def video(self, video_id: str) -> dict[str, Any]:
        """All that is known of a video now."""
        answer: dict[str, Any] = self._json("GET", f"/api/videos/{urllib.parse.quote(video_id)}")
        return answer

    def follow(self, video_id: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """What happens to a video, as it happens, for ever: a lost connection is taken up where it broke off.

        Args:
            video_id: which.
            after: the sequence of the last event that you have seen.
        """
        broken = 0
        while True:
            try:
                wanted = f"/api/events?{urllib.parse.urlencode({'video': video_id})}"
                with self._open("GET", wanted, None, {"Last-Event-ID": str(after)}) as answer:
                    for event in _events(answer):
                        broken = 0
                        after = int(event.get("sequence", after))
                        yield event
                time.sleep(1)  # it was ended in good order, as proxies do now and then; never ask without a pause
            except _BROKEN as problem:
                if isinstance(problem, Unanswered) and 400 <= problem.status < 500:
                    raise
                broken += 1
                if broken > _TRIES:
                    raise Unanswered(f"following {video_id} broke off: {problem}") from problem
                time.sleep(min(2.0**broken, 30.0))

    def wait(self, video_id: str, *, within_s: float = 24 * 3600, pause_s: float = 2.0) -> dict[str, Any]:
        """Wait until a video is in review (or done, or another stands in its place).

        Raises:
            Failed: it is not, and will not be without somebody's help; or not in time.
        """
        ends = time.monotonic() + within_s
        while True:
            try:
                video = self.video(video_id)
            except Unanswered as problem:
                if problem.status not in (0, 404, 502, 503, 504):
                    raise
                video = {"state": "not known yet"}
            state = str(video["state"])
            if state in _ARRIVED:
                return video
            if state == "rejected" or state.endswith("_failed"):
                reasons = [str(one["reason"]) for one in video.get("failures_list", ())]
                raise Failed(f"{video_id}: {'; '.join(reasons) or video.get('rejected_reason') or state}")
            if time.monotonic() > ends:
                raise Failed(f"{video_id} is {state} after {within_s:g} s")
            time.sleep(pause_s)

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        with self._open(method, path, body, {}) as answer:
            try:
                return json.load(answer)
            except (OSError, ValueError, http.client.HTTPException) as problem:
                raise Unanswered(f"the answer of {self._url} broke off: {problem}") from None

    def _open(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is the caller's own
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers},
        )
        try:
            return urllib.request.urlopen(request, timeout=self._timeout_s)  # noqa: S310 - see above
        except urllib.error.HTTPError as problem:
            with problem:
                raise Unanswered(_said(problem), problem.code) from None
        except (OSError, http.client.HTTPException) as problem:
            raise Unanswered(f"{self._url} does not answer: {getattr(problem, 'reason', problem)}") from None


def _said(problem: urllib.error.HTTPError) -> str:
    """What an answer says of its problem (RFC 9457)."""
    try:
        body = json.loads(problem.read())
        return f"{body['title']}: {body['detail']}"
    except (ValueError, KeyError, TypeError, OSError):
        return f"{problem.code} {problem.reason}"


def _events(answer: Any) -> Iterator[dict[str, Any]]:
    """Server-sent events whose data is JSON."""
    data: list[str] = []
    for raw in answer:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].strip())
        elif not line and data:
            said = json.loads("\n".join(data))
            data = []
            if isinstance(said, dict):
                yield said


def verify(headers: Mapping[str, str], body: bytes, secret: str, *, now: float, tolerance_s: float = 300) -> str:
    """Check that a webhook comes from Heaters and is no old one played again.

    Args:
        headers: of the request; names in any case.
        body: its bytes, as they came.
        secret: what you and Heaters share.
        now: seconds since 1970.
        tolerance_s: how old it may be.

    Returns:
        Its id: the same when it is sent again; remember it, and do its work once.

    Raises:
        ValueError: it is not signed so, or too old.
    """
    had = {name.lower(): value for name, value in headers.items()}
    id_, at = had.get("webhook-id", ""), had.get("webhook-timestamp", "")
    if not id_ or not at.isdigit() or abs(now - int(at)) > tolerance_s:
        raise ValueError("the webhook has no id, or its time is not now")
    expected = base64.b64encode(hmac.new(secret.encode(), f"{id_}.{at}.".encode() + body, hashlib.sha256).digest())
    signatures = [one.partition(",")[2] for one in had.get("webhook-signature", "").split() if one.startswith("v1,")]
    if not any(hmac.compare_digest(expected, one.encode()) for one in signatures):
        raise ValueError("the webhook is not signed with this secret")
    return id_


def main() -> None:
    """Ask for a video, follow one, or wait for one."""
    parser = argparse.ArgumentParser(description="Ask Heaters for videos, and follow them.")
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("ask", help="ask for a video")
    ask.add_argument("source")
    ask.add_argument("--request-id")
    ask.add_argument("--lane", default="bulk", choices=("interactive", "bulk"))
    ask.add_argument("--tag", action="append", default=[])
    ask.add_argument("--reference", help="your own name for it")
    ask.add_argument("--callback", help="where milestones are told by signed webhooks")
    ask.add_argument("--detector", help="adaptive, transnetv2 or cascade")
    ask.add_argument("--auto-approve", dest="auto_rule", help="such as 'seconds >= 2 and certainty >= 0.8'")
    ask.add_argument("--allow-quality-loss", action="store_true", default=None)
    ask.add_argument("--dry-run", action="store_true")
    ask.add_argument("--wait", action="store_true")
    for name in ("follow", "wait"):
        commands.add_parser(name, help=f"{name} a video").add_argument("video_id")
    said = parser.parse_args()
    try:
        heaters = Heaters(os.environ["HEATERS_URL"], os.environ["HEATERS_TOKEN"])
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set")
    try:
        if said.command == "ask":
            named = ("reference", "callback", "detector", "auto_rule", "allow_quality_loss")
            wishes = {name: getattr(said, name) for name in named}
            options = {"tags": said.tag, **{name: wish for name, wish in wishes.items() if wish is not None}}
            answer = heaters.ask(
                said.source, request_id=said.request_id, lane=said.lane, dry_run=said.dry_run, **options
            )
            print(json.dumps(answer))  # noqa: T201 - this is a command
            if said.wait and not said.dry_run:
                print(heaters.wait(answer["video_id"])["state"])  # noqa: T201 - this is a command
        elif said.command == "follow":
            for event in heaters.follow(said.video_id):
                print(json.dumps(event), flush=True)  # noqa: T201 - this is a command
        else:
            print(heaters.wait(said.video_id)["state"])  # noqa: T201 - this is a command
    except (Rejected, Failed, Unanswered) as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
