"""Choose videos: by id, or by what they are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from heaters_local.client import Api
from heaters_local.resolve import video_id

__all__ = ["Selection", "chosen", "selection_options"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which videos: those named, or else those that are like all that is not None."""

    names: tuple[str, ...] = ()
    everything: bool = False
    tag: str | None = None
    requester: str | None = None
    state: str | None = None
    title: str | None = None

    @property
    def described(self) -> bool:
        """Whether they are chosen by what they are."""
        return any(value is not None for value in (self.tag, self.requester, self.state, self.title))


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command VIDEO..., --all, --tag, --requester, --state and --title, and its function a `Selection`."""

    @click.argument("names", metavar="[VIDEO]...", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="Every video.")
    @click.option("--tag", help="Every video with this tag.")
    @click.option("--requester", help="Every video of this requester.")
    @click.option("--state", help="Every video in this state, such as in_review.")
    @click.option("--title", help="Every video whose title has this in it.")
    @wraps(command)
    def with_selection(
        *given: Any,
        names: tuple[str, ...],
        everything: bool,
        tag: str | None,
        requester: str | None,
        state: str | None,
        title: str | None,
        **options: Any,
    ) -> Any:
        selection = Selection(names, everything, tag, requester, state, title)
        if sum((bool(names), everything, selection.described)) != 1:
            raise click.UsageError("name videos, or give --all, or say which: --tag, --requester, --state, --title")
        return command(*given, selection=selection, **options)

    return with_selection


def chosen(api: Api, selection: Selection) -> list[str]:
    """The ids of the videos that are chosen.

    Raises:
        NoSuchId: a name is that of no video, or of more than one.
    """
    if selection.names:
        return list(dict.fromkeys(video_id(api, name) for name in selection.names))
    return [
        video["id"]
        for video in api.videos()
        if (selection.tag is None or selection.tag in video["tags"])
        and (selection.requester is None or selection.requester == video["requester"])
        and (selection.state is None or selection.state == video["state"])
        and (selection.title is None or selection.title.lower() in (video["title"] or "").lower())
    ]
