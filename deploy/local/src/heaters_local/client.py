"""A thin client of the review API."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx

from heaters_local.parts import PARTS_FROM_BYTES, upload_in_parts
from heaters_local.state import Home
from heaters_local.views import (
    Admission,
    Clip,
    Diagnosis,
    Duplicates,
    Erased,
    Failure,
    FailureInFull,
    ModelAsked,
    Neighbour,
    Overlap,
    Progress,
    Replayed,
    Scores,
    SearchModel,
    SearchResult,
    Stage,
    Upload,
    Verdict,
    Video,
    VideoDetail,
)

__all__ = ["Api", "ApiError", "NothingRunning", "Unreachable"]

_CHUNK_BYTES = 1024 * 1024
_PAGE = 200
_IDS = 10_000


class NothingRunning(RuntimeError):
    """No address is known: nothing was started in this folder, and none was given."""


class Unreachable(RuntimeError):
    """The API does not answer at its address."""


class ApiError(RuntimeError):
    """The API refused; the message is what it says of the problem.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The API at one address.

    Args:
        url: its base, such as http://127.0.0.1:8080.
        token: what signs us in.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token
        here = httpx.URL(self.url).host in {"127.0.0.1", "localhost", "::1"}
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(150, connect=5),
            trust_env=not here,
        )

    @classmethod
    def of(cls, home: Home) -> Self:
        """The API that `HEATERS_URL` and `HEATERS_TOKEN` name, or the one that runs in this folder.

        Raises:
            NothingRunning: there is neither.
        """
        url = os.environ.get("HEATERS_URL")
        if url:
            try:
                return cls(url, os.environ.get("HEATERS_TOKEN", ""))
            except (httpx.InvalidURL, ValueError) as error:
                raise NothingRunning(f"HEATERS_URL or HEATERS_TOKEN is not usable: {error}") from error
        state = home.running()
        if state is None:
            last = home.last()
            why = f"\nthe last start failed: {last.error}" if last and last.error else ""
            raise NothingRunning(f"nothing is running in {home.path}: start it with `heaters up`{why}")
        if "review" not in state.urls:
            raise NothingRunning(f"what runs in {home.path} has no review API yet; it is {state.phase.value}")
        return cls(state.urls["review"], state.token)

    @property
    def page(self) -> str:
        """The review page's address; opening it signs the browser in."""
        return f"{self.url}/?token={self.token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def upload(self, file: Path, sent: Callable[[int], None] = lambda _: None) -> Upload:
        """Store a file through the API: a large one in parts, which go on where they were broken off.

        Args:
            file: what to store; it is streamed.
            sent: told the count of bytes after each chunk.
        """
        if file.stat().st_size >= PARTS_FROM_BYTES:
            return upload_in_parts(self._ask, file, sent)

        def chunks() -> Iterator[bytes]:
            with file.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    yield chunk
                    sent(len(chunk))

        headers = {"content-type": "application/octet-stream", "content-length": str(file.stat().st_size)}
        answer = self._ask("POST", "/api/uploads", params={"name": file.name}, content=chunks(), headers=headers)
        return cast("Upload", answer)

    def ingest(
        self,
        source: Mapping[str, str],
        *,
        lane: str,
        options: Mapping[str, object],
        request_id: str | None = None,
        dry_run: bool = False,
    ) -> Admission:
        """Ask for a video.

        Args:
            source: `{"kind": "url", "url"}`, `{"kind": "upload", "key", "name"}` or `{"kind": "s3", "uri"}`.
            lane: interactive or bulk.
            options: wishes, such as `tags`.
            request_id: asking twice with one id is asking once; None: the same body is the same request.
            dry_run: only say what would happen.
        """
        body = {"request_id": request_id, "source": source, "lane": lane, "options": options}
        params = {"dry_run": "true"} if dry_run else {}
        answer = self._ask("POST", "/api/ingest", json=body, params=params, headers=_key(request_id))
        return cast("Admission", answer)

    def videos(self) -> Iterator[Video]:
        """All videos, in the API's order."""
        return cast("Iterator[Video]", self._pages("/api/videos", {}))

    def video(self, video_id: str) -> VideoDetail:
        """One video with its cuts, clips, times and failures; see `whole_video`."""
        return cast("VideoDetail", self._ask("GET", f"/api/videos/{video_id}"))

    def whole_video(self, video_id: str, *, at_once: int = 2000) -> VideoDetail:
        """One video with all of its clips and facts, however many: `video` brings the first 2,000 of each."""
        found = self._ask("GET", f"/api/videos/{video_id}", params={"clips": at_once})
        if found["clips_next"] is not None:
            found["clips_list"] += self._pages("/api/clips", {"video": video_id}, cursor=found["clips_next"])
        after = found["events_next"]
        while after is not None:
            page = self._ask("GET", f"/api/videos/{video_id}/facts", params={"after": after, "limit": at_once})
            found["events"] += page["items"]
            after = page["next"]
        return cast("VideoDetail", found)

    def clips(self, *, video: str | None = None, state: str | None = None) -> Iterator[Clip]:
        """Clips, of one video or of all, in one state or in any."""
        wishes = {key: value for key, value in (("video", video), ("state", state)) if value is not None}
        return cast("Iterator[Clip]", self._pages("/api/clips", wishes))

    def clip_ids(self, wishes: Mapping[str, Any]) -> Iterator[str]:
        """The ids of all clips that fit, in order."""
        return cast("Iterator[str]", self._pages("/api/clips/ids", wishes, items="ids", limit=_IDS))

    def approve(self, clip_id: str) -> Verdict:
        """Approve a clip."""
        answer = self._ask("POST", f"/api/clips/{clip_id}/verdict", json={"verdict": "approve"}, headers=_key(None))
        return cast("Verdict", answer)

    def download(self, clip_id: str, file: Path) -> None:
        """Save a clip's export, as anybody who may download it gets it."""
        with self.stream(f"/api/clips/{clip_id}/download") as answer, file.open("wb") as out:
            for chunk in answer.iter_bytes():
                out.write(chunk)

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """An answer whose bytes are read as they come, wherever it is redirected to.

        Raises:
            Unreachable: it does not come, or breaks off.
            ApiError: it is a problem.
        """
        try:
            with self._http.stream("GET", path, params=params, headers=headers, follow_redirects=True) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ApiError(answer.status_code, _problem(answer))
                yield answer
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url}{path} does not come, or broke off ({error})") from error

    def similar(self, clip_id: str, *, limit: int = 5) -> list[Neighbour]:
        """The clips that are most like one, nearest first."""
        answer = self._ask("GET", f"/api/clips/{clip_id}/similar", params={"limit": limit})
        return cast("list[Neighbour]", answer["items"])

    def search(self, wish: Mapping[str, object]) -> SearchResult:
        """What fits a wish, as `POST /api/search` takes it; the best first."""
        return cast("SearchResult", self._ask("POST", "/api/search", json=wish))

    def models(self) -> list[SearchModel]:
        """The models that clips are embedded by."""
        return cast("list[SearchModel]", self._ask("GET", "/api/search/models")["items"])

    def request_model(self, model: str, strategy: str | None, *, key: str) -> ModelAsked:
        """Have every clip embedded by one more model; `strategy` None: pictures as they were chosen already."""
        body = {"model": model, "strategy": strategy}
        return cast("ModelAsked", self._ask("POST", "/api/search/models", json=body, headers=_key(key)))

    def choose_model(self, model: str, strategy: str, *, near_duplicate: float, key: str) -> None:
        """Let searches go by a model."""
        body = {"model": model, "strategy": strategy, "near_duplicate": near_duplicate}
        self._ask("POST", "/api/search/default", json=body, headers=_key(key))

    def overlap(self, one: tuple[str, str], other: tuple[str, str]) -> Overlap:
        """How far two models (with their strategies) agree on neighbours."""
        wish = {"model": one[0], "strategy": one[1], "other": other[0], "other_strategy": other[1]}
        return cast("Overlap", self._ask("GET", "/api/search/overlap", params=wish))

    def duplicates(self, wish: Mapping[str, object]) -> Duplicates:
        """Groups of clips that are nearly the same, and the distribution that the threshold cuts."""
        return cast("Duplicates", self._ask("GET", "/api/search/duplicates", params=wish))

    def failures(self, *, stage: str | None = None) -> list[Failure]:
        """All that was given up, by one stage or by any, the newest first."""
        return list(self._pages("/api/failures", {} if stage is None else {"stage": stage}))

    def failure(self, failure_id: str) -> FailureInFull:
        """One failure, with the message that failed."""
        return cast("FailureInFull", self._ask("GET", f"/api/failures/{failure_id}"))

    def retry(self, failure_id: str) -> None:
        """Give what failed to its stage again."""
        self._ask("POST", f"/api/failures/{failure_id}/retry", headers=_key(None))

    def discard(self, failure_id: str) -> None:
        """Take a failure off the list."""
        self._ask("POST", f"/api/failures/{failure_id}/discard", headers=_key(None))

    def replay(self, video_id: str, stage: str, *, force: bool, detector: str | None = None) -> Replayed:
        """Have a stage work on a video again, and all that follows from it; scenes with another detector, if one is named."""
        body = {"from": stage, "force": force, **({"detector": detector} if detector else {})}
        return cast("Replayed", self._ask("POST", f"/api/videos/{video_id}/replay", json=body, headers=_key(None)))

    def diagnoses(self) -> list[Diagnosis]:
        """What review-api says of the installation."""
        return cast("list[Diagnosis]", self._ask("GET", "/api/doctor")["items"])

    def erase(self, video_id: str, reason: str) -> Erased:
        """Erase a video for good."""
        answer = self._ask("POST", f"/api/videos/{video_id}/erase", json={"reason": reason}, headers=_key(None))
        return cast("Erased", answer)

    def scores(self, video_id: str) -> Scores:
        """How near each frame of a video is to a cut."""
        return cast("Scores", self._ask("GET", f"/api/videos/{video_id}/scores"))

    def stages(self) -> list[Stage]:
        """Every stage, and whether it rests."""
        return cast("list[Stage]", self._ask("GET", "/api/stages")["items"])

    def pause(self, stage: str, reason: str) -> None:
        """Let a stage take no more work."""
        self._ask("POST", f"/api/stages/{stage}/pause", json={"reason": reason}, headers=_key(None))

    def resume(self, stage: str) -> None:
        """Let a stage work again."""
        self._ask("POST", f"/api/stages/{stage}/resume", headers=_key(None))

    def accounts(self) -> list[dict[str, Any]]:
        """Every account."""
        return cast("list[dict[str, Any]]", self._ask("GET", "/api/accounts")["items"])

    def add_account(self, login: str, name: str, roles: Sequence[str], password: str | None) -> dict[str, Any]:
        """Make an account."""
        wish = {"login": login, "name": name, "roles": list(roles), "password": password}
        return cast("dict[str, Any]", self._ask("POST", "/api/accounts", json=wish))

    def change_account(self, login: str, **changes: Any) -> None:
        """Change an account, found by its login.

        Raises:
            ApiError: there is none.
        """
        found = next((one for one in self.accounts() if one["login"] == login.lower()), None)
        if found is None:
            raise ApiError(HTTPStatus.NOT_FOUND, f"there is no account {login}")
        self._ask("POST", f"/api/accounts/{found['id']}", json=changes)

    def tokens(self) -> list[dict[str, Any]]:
        """Every API token, without its word."""
        return cast("list[dict[str, Any]]", self._ask("GET", "/api/tokens")["items"])

    def make_token(self, name: str, *, login: str, scopes: Sequence[str], days: int) -> dict[str, Any]:
        """A new token, with its word."""
        wish = {"name": name, "login": login, "scopes": list(scopes), "days": days}
        return cast("dict[str, Any]", self._ask("POST", "/api/tokens", json=wish))

    def revoke_token(self, token_id: str) -> None:
        """End a token."""
        self._ask("POST", f"/api/tokens/{token_id}/revoke")

    def progress(self) -> list[Progress]:
        """What runs now."""
        return cast("list[Progress]", self._ask("GET", "/api/progress")["items"])

    def _pages(
        self,
        path: str,
        wishes: Mapping[str, Any],
        *,
        items: str = "items",
        limit: int = _PAGE,
        cursor: str | None = None,
    ) -> Iterator[Any]:
        while True:
            page = self._ask(
                "GET", path, params={**wishes, "limit": limit, **({"cursor": cursor} if cursor is not None else {})}
            )
            yield from page[items]
            cursor = page["next"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **wishes: Any) -> Any:
        try:
            answer = self._http.request(method, path, **wishes)
        except httpx.TransportError as error:
            raise Unreachable(f"the review API at {self.url} does not answer ({error})") from error
        if answer.is_success:
            return answer.json()
        raise ApiError(answer.status_code, _problem(answer))


def _key(request_id: str | None) -> dict[str, str]:
    return {"idempotency-key": request_id or str(uuid.uuid4())}


def _problem(answer: httpx.Response) -> str:
    """What an answer says of its problem (RFC 9457), or as much as it says."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return "the review API does not know our token: it was started with another one, or HEATERS_TOKEN is wrong"
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return f"the review API answered {answer.status_code} {answer.reason_phrase}"
    title, detail = problem.get("title"), problem.get("detail")
    return ": ".join(str(part) for part in (title, detail) if part) or f"the review API answered {answer.status_code}"
