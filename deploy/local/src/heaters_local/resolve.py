"""Find what a person names by the first characters of its id."""

from collections.abc import Iterable
from http import HTTPStatus
from uuid import UUID

from heaters_local.client import Api, ApiError

__all__ = ["NoSuchId", "clip_id", "failure_id", "ids_to_approve", "video_id"]

_SHORTEST = 4


class NoSuchId(RuntimeError):
    """Nothing, or more than one thing, has an id that begins so."""


def video_id(api: Api, name: str) -> str:
    """The id of the one video whose id begins so.

    Raises:
        NoSuchId: there is none, or more than one.
    """
    if _is_whole(name):
        return name
    return _only("video", name, (video["id"] for video in api.videos()))


def clip_id(api: Api, name: str) -> str:
    """The id of the one clip whose id begins so.

    Raises:
        NoSuchId: there is none, or more than one.
    """
    if _is_whole(name):
        return name
    return _only("clip", name, (clip["id"] for clip in api.clips()))


def failure_id(api: Api, name: str) -> str:
    """The id of the one open failure whose id begins so.

    Raises:
        NoSuchId: there is none, or more than one.
    """
    if _is_whole(name):
        return name
    return _only("failure", name, (failure["id"] for failure in api.failures()))


def ids_to_approve(api: Api, name: str) -> list[str]:
    """What approving a name means: of a video all pending clips, else the clip of this id.

    Raises:
        NoSuchId: it names neither, or more than one.
    """
    try:
        video = api.video(video_id(api, name))
    except NoSuchId:
        return [clip_id(api, name)]
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return [name]
        raise
    return [clip["id"] for clip in api.clips(video=video["id"], state="pending_review")]


def _is_whole(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _only(kind: str, name: str, ids: Iterable[str]) -> str:
    if len(name) < _SHORTEST:
        raise NoSuchId(f"{name!r} is too short: give at least {_SHORTEST} characters of the {kind}'s id")
    found = [known for known in ids if known.startswith(name)]
    if not found:
        raise NoSuchId(f"there is no {kind} whose id begins with {name}")
    if len(found) > 1:
        raise NoSuchId(f"{len(found)} {kind}s have an id that begins with {name}: give more of it")
    return found[0]
