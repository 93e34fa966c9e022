"""Errors as application/problem+json (RFC 9457): a title, what is wrong with the values, and the rule where one was broken."""

import logging
from http import HTTPStatus
from typing import Any

from heaters_contracts.detectors import UnknownDetector
from heaters_contracts.fact import Unreadable
from heaters_edges.failure import MissingObject, TryLater, Unavailable, WrongObject
from heaters_edges.maintenance import NoSuchChore
from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DataError, SQLAlchemyError

from heaters_review_api.db.passed import Lagging
from heaters_review_api.decisions import NoSuchClip, NoSuchVideo, Outdated, Refused
from heaters_review_api.frames import NoSuchFrame
from heaters_review_api.playback import NotPlayable
from heaters_review_api.stages import AlreadySettled, NoSuchFailure, NoSuchStage, NothingToReplay
from heaters_review_api.timeline import NoSuchSpan
from heaters_review_api.uploads import NoSuchUpload, UploadRefused

log = logging.getLogger(__name__)

_MOST_CHANGES = 100
"""Of which a refusal names the last."""


class Problem(Exception):
    """An answer that is a problem."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers, self.more = status, title, detail, headers, more


def _answer(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str] | None = None) -> Response[Any]:
    body: Any = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return Response(
        b"" if request.method == "HEAD" else body,
        status_code=problem.status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """A problem that a handler found."""
    return _answer(request, problem, problem.headers)


def on_http(request: Request[Any, Any, Any], problem: HTTPException) -> Response[Any]:
    """What the framework refuses: no such path, a wrong parameter, a body that does not fit."""
    detail = problem.detail or ""
    if isinstance(problem.extra, list):
        wrong = [f"{e.get('key', 'body')}: {e.get('message', '')}" for e in problem.extra if isinstance(e, dict)]
        detail = "; ".join(wrong) or detail
    title = HTTPStatus(problem.status_code).phrase
    return _answer(request, Problem(problem.status_code, title, detail), dict(problem.headers or {}))


def on_refused(request: Request[Any, Any, Any], problem: Refused) -> Response[Any]:
    """A rule that does not hold."""
    refusal = problem.refusal
    if refusal.rule == "video_is_still":
        return _answer(
            request, Problem(503, "Not available just now", refusal.reason, rule=refusal.rule), {"Retry-After": "1"}
        )
    status = 422 if refusal.rule == "key_is_new" else 409
    more: dict[str, Any] = {"rule": refusal.rule}
    if problem.clips:
        more["clips"] = [
            {"clip": str(one.clip_id), "rule": one.refusal.rule, "reason": one.refusal.reason} for one in problem.clips
        ]
    return _answer(request, Problem(status, "This cannot be decided", refusal.reason, **more))


def on_outdated(request: Request[Any, Any, Any], problem: Outdated) -> Response[Any]:
    """A precondition that does not hold: what has changed since, and by whom."""
    changed = [
        {"sequence": one.sequence, "what": one.what, "by": one.by, "start": one.start_frame, "end": one.end_frame}
        for one in problem.moved[-_MOST_CHANGES:]
    ]
    more: dict[str, Any] = {"rule": problem.refusal.rule, "version": problem.version, "changed": changed}
    return _answer(
        request,
        Problem(412, "The video has changed", problem.refusal.reason, **more),
        {"ETag": f'"{problem.version}"'},
    )


def on_no_video(request: Request[Any, Any, Any], problem: NoSuchVideo) -> Response[Any]:
    """No such video."""
    return _answer(request, Problem(404, "No such video", str(problem)))


def on_no_clip(request: Request[Any, Any, Any], problem: NoSuchClip) -> Response[Any]:
    """No such clip."""
    return _answer(request, Problem(404, "No such clip", str(problem)))


def on_not_playable(request: Request[Any, Any, Any], problem: NotPlayable) -> Response[Any]:
    """Not playable yet."""
    return _answer(request, Problem(409, "This clip cannot be played yet", str(problem)))


def on_no_frame(request: Request[Any, Any, Any], problem: NoSuchFrame) -> Response[Any]:
    """No such frame."""
    return _answer(request, Problem(404, "No such frame", str(problem)))


def on_no_span(request: Request[Any, Any, Any], problem: NoSuchSpan) -> Response[Any]:
    """Not there, or not yet."""
    return _answer(request, Problem(404, "Nothing to draw", str(problem)))


def on_unreadable(request: Request[Any, Any, Any], problem: Unreadable) -> Response[Any]:
    """A body that is not what its contract asks for."""
    return _answer(request, Problem(400, "The request cannot be understood", problem.reason))


def on_unavailable(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    """An edge that does not answer now."""
    log.error("a request was not answered", extra={"path": request.url.path, "reason": str(problem)})
    detail = "The database does not answer." if isinstance(problem, SQLAlchemyError) else str(problem)
    return _answer(request, Problem(503, "Not available just now", detail), {"Retry-After": "2"})


def on_wrong_value(request: Request[Any, Any, Any], problem: DataError) -> Response[Any]:
    """A text with a NUL, and whatever else no column can hold or be compared with."""
    log.warning("a value does not fit the database", extra={"path": request.url.path, "reason": str(problem.orig)})
    detail = f"A value does not fit: {str(problem.orig).splitlines()[0]}."
    return _answer(request, Problem(400, "The request cannot be understood", detail))


def on_too_deep(request: Request[Any, Any, Any], problem: RecursionError) -> Response[Any]:
    """A body of lists in lists in lists."""
    log.warning("a body is nested too deeply", extra={"path": request.url.path})
    return _answer(request, Problem(400, "The request cannot be understood", "The body is nested too deeply."))


def on_lost_object(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    """The store does not hold what a fact names."""
    log.error("an object is lost or damaged", extra={"path": request.url.path, "reason": str(problem)})
    return _answer(request, Problem(500, "An object is lost or damaged", str(problem)))


def on_anything_else(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    """A mistake of ours: the log has it whole, the client does not."""
    log.error("a handler failed", extra={"path": request.url.path}, exc_info=problem)
    return _answer(request, Problem(500, "Something went wrong here", "The server's log says what."))


def on_no_failure(request: Request[Any, Any, Any], problem: NoSuchFailure) -> Response[Any]:
    """No such failure."""
    return _answer(request, Problem(404, "No such failure", str(problem)))


def on_no_stage(request: Request[Any, Any, Any], problem: NoSuchStage) -> Response[Any]:
    """No such stage."""
    return _answer(request, Problem(404, "No such stage", str(problem)))


def on_settled(request: Request[Any, Any, Any], problem: AlreadySettled) -> Response[Any]:
    """Nobody need do anything about it."""
    return _answer(request, Problem(409, "This failure is settled", str(problem)))


def on_no_upload(request: Request[Any, Any, Any], problem: NoSuchUpload) -> Response[Any]:
    """No such upload."""
    return _answer(request, Problem(404, "No such upload", str(problem)))


def on_upload_refused(request: Request[Any, Any, Any], problem: UploadRefused) -> Response[Any]:
    """An upload that cannot be taken in as it is."""
    return _answer(request, Problem(problem.status, "This upload cannot be taken in", str(problem)))


def on_nothing_to_replay(request: Request[Any, Any, Any], problem: NothingToReplay) -> Response[Any]:
    """The stage's turn has not come."""
    return _answer(request, Problem(409, "There is nothing to replay", str(problem)))


def on_no_detector(request: Request[Any, Any, Any], problem: UnknownDetector) -> Response[Any]:
    """Only so many detectors are known."""
    return _answer(request, Problem(400, "No such detector", str(problem)))


def on_no_chore(request: Request[Any, Any, Any], problem: NoSuchChore) -> Response[Any]:
    """No such chore."""
    return _answer(request, Problem(404, "No such chore", str(problem)))


HANDLERS: dict[Any, Any] = {
    NoSuchUpload: on_no_upload,
    UploadRefused: on_upload_refused,
    NoSuchFailure: on_no_failure,
    NoSuchStage: on_no_stage,
    AlreadySettled: on_settled,
    NoSuchChore: on_no_chore,
    NothingToReplay: on_nothing_to_replay,
    UnknownDetector: on_no_detector,
    Problem: on_problem,
    HTTPException: on_http,
    Outdated: on_outdated,
    Refused: on_refused,
    NoSuchClip: on_no_clip,
    NoSuchVideo: on_no_video,
    NotPlayable: on_not_playable,
    NoSuchFrame: on_no_frame,
    NoSuchSpan: on_no_span,
    Unreadable: on_unreadable,
    Lagging: on_unavailable,
    Unavailable: on_unavailable,
    TryLater: on_unavailable,
    DataError: on_wrong_value,
    SQLAlchemyError: on_unavailable,
    RecursionError: on_too_deep,
    MissingObject: on_lost_object,
    WrongObject: on_lost_object,
    Exception: on_anything_else,
}
