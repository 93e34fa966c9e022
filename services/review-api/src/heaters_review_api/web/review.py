"""Reviewing: what may be done, decisions on clips and cuts, undo and redo, groups, and the work that is handed out."""

import asyncio
import re
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from heaters_review_api.core import rules
from heaters_review_api.core.states import VERDICTS
from heaters_review_api.core.tables import Clip, Decision
from heaters_review_api.decisions import Selected, Turned
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, REVIEWERS, UNREMARKED, Principal
from heaters_review_api.web.clips import found_clip
from heaters_review_api.web.conditions import IfMatch, version_in
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem

Key = Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=200)]
Asker = Request[Principal, Any, Any]
_LEFT_MOST = 1000


@post("/api/selection/verdict", guards=[REVIEWERS], status_code=200, tags=["review"])
async def decide_selection(
    desk: TheDesk, request: Asker, data: JSONBody[views.SelectionWish], idempotency_key: Key
) -> views.SelectionDecided:
    """One verdict on several clips, undone as one. If a rule stands against any of them, nothing is decided."""
    made = await desk.decisions.decide_all(
        data.clips, data.verdict, by=request.user.id, idempotency_key=idempotency_key
    )
    return views.SelectionDecided(
        decision=made.decision_id,
        clips=await _views(desk, list(made.clip_ids)),
        refused=[
            views.RefusedClip(clip=one.clip_id, rule=one.refusal.rule, reason=one.refusal.reason)
            for one in made.refused
        ],
    )


@post("/api/groups", guards=[REVIEWERS], status_code=200, tags=["review"])
async def group(desk: TheDesk, request: Asker, data: JSONBody[views.GroupWish], idempotency_key: Key) -> views.Grouped:
    """Put clips together, of any videos: all become approved, and carry the group."""
    made = await desk.decisions.group(data.clips, by=request.user.id, idempotency_key=idempotency_key)
    return await _grouped(desk, made)


@post("/api/clips/{clip_id:uuid}/group", guards=[REVIEWERS], status_code=200, tags=["review"])
async def group_beside(
    desk: TheDesk,
    request: Asker,
    clip_id: FromPath[UUID],
    data: JSONBody[views.NeighbourWish],
    idempotency_key: Key,
    if_match: IfMatch = None,
) -> views.Grouped:
    """Put a clip together with the one before or after it."""
    made = await desk.decisions.group(
        [clip_id],
        by=request.user.id,
        idempotency_key=idempotency_key,
        beside=data.beside,
        only_on=version_in(if_match),
    )
    return await _grouped(desk, made)


async def _grouped(desk: Desk, made: Selected) -> views.Grouped:
    if made.group_id is None:
        raise ValueError(f"decision {made.decision_id} founded no group")
    return views.Grouped(decision=made.decision_id, group=made.group_id, clips=await _views(desk, list(made.clip_ids)))


@get("/api/groups/{group_id:uuid}", guards=[ANYBODY], tags=["clips"])
async def get_group(desk: TheDesk, group_id: FromPath[UUID]) -> views.Group:
    """The clips of a group."""
    clips = await desk.queries.clips_of_group(group_id, limit=rules.SELECTION_MOST)
    if not clips:
        raise Problem(404, "No such group", f"There is no group {group_id}.")
    return views.Group(group=group_id, clips=await desk.clip_views(clips))


@post("/api/clips/{clip_id:uuid}/ungroup", guards=[REVIEWERS], status_code=200, tags=["review"])
async def ungroup(
    desk: TheDesk, request: Asker, clip_id: FromPath[UUID], idempotency_key: Key, if_match: IfMatch = None
) -> views.VerdictGiven:
    """Take a clip out of its group; it stays approved."""
    made = await desk.decisions.ungroup(
        clip_id, by=request.user.id, idempotency_key=idempotency_key, only_on=version_in(if_match)
    )
    return await desk.verdict_view(made)


@post("/api/clips/{clip_id:uuid}/annotation", guards=[REVIEWERS], status_code=200, tags=["review"])
async def annotate(
    desk: TheDesk,
    request: Asker,
    clip_id: FromPath[UUID],
    data: JSONBody[views.AnnotationWish],
    idempotency_key: Key,
    if_match: IfMatch = None,
) -> views.VerdictGiven:
    """Write tags and a note to a clip, in place of what stands there."""
    made = await desk.decisions.annotate(
        clip_id,
        tags=tuple(data.tags),
        note=data.note,
        by=request.user.id,
        idempotency_key=idempotency_key,
        version=data.version,
        only_on=version_in(if_match),
    )
    return await desk.verdict_view(made)


@post("/api/videos/{video_id:uuid}/cuts", guards=[REVIEWERS], status_code=200, tags=["review"])
async def change_cuts(
    desk: TheDesk,
    request: Asker,
    video_id: FromPath[UUID],
    data: JSONBody[views.CutWish],
    idempotency_key: Key,
    if_match: IfMatch = None,
) -> views.CutsChanged:
    """Add a cut inside a clip, or remove, move or confirm one that stands."""
    if (data.operation == "move") != (data.to is not None):
        raise Problem(400, "The request cannot be understood", "A move, and nothing else, says `to` which frame.")
    made = await desk.decisions.change_cuts(
        video_id,
        data.operation,
        data.frame,
        to=data.to,
        by=request.user.id,
        idempotency_key=idempotency_key,
        version=data.version,
        only_on=version_in(if_match),
    )
    (row,) = await desk.queries.decision_rows(made.decision_id)
    clips = await desk.queries.clips_between(video_id, row.start_frame, row.end_frame)
    return views.CutsChanged(
        decision=made.decision_id,
        sequence=made.sequence,
        clips=await desk.clip_views(clips),
        cuts=[views.cut_view(cut) for cut in await desk.queries.cuts(video_id)],
    )


@post("/api/undo", guards=[REVIEWERS], status_code=200, tags=["review"])
async def undo(desk: TheDesk, request: Asker, data: JSONBody[views.TurnWish], idempotency_key: Key) -> views.Turned:
    """Take back one's last decision that stands, or a certain one, and all that came of it."""
    turned = await desk.decisions.undo(by=request.user.id, idempotency_key=idempotency_key, decision=data.decision)
    return await _turned(desk, turned)


@post("/api/redo", guards=[REVIEWERS], status_code=200, tags=["review"])
async def redo(desk: TheDesk, request: Asker, data: JSONBody[views.TurnWish], idempotency_key: Key) -> views.Turned:
    """Make the decision again that one has undone last, or a certain one."""
    turned = await desk.decisions.redo(by=request.user.id, idempotency_key=idempotency_key, decision=data.decision)
    return await _turned(desk, turned)


async def _turned(desk: Desk, turned: Turned) -> views.Turned:
    return views.Turned(
        decision=turned.decision_id,
        action=turned.action,
        spans=[views.Span(video_id=video_id, start=start, end=end) for video_id, start, end in turned.spans],
        clips=await desk.clip_views(await desk.queries.clips_in(turned.spans)),
        sequence=turned.sequence,
    )


@get("/api/decisions", guards=[REVIEWERS], tags=["review"])
async def my_decisions(
    desk: TheDesk,
    request: Asker,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    by: Annotated[
        Literal["system:auto-approve"] | None,
        QueryParameter(
            description="what requests' rules have approved, which whoever reviews may undo; else one's own"
        ),
    ] = None,
    video: Annotated[UUID | None, QueryParameter(description="only what is about this video")] = None,
) -> views.DecisionList:
    """What one has decided last, and which of it is undone or redone next."""
    who = by or request.user.id
    rows: dict[UUID, list[Decision]] = {}
    for row in await desk.queries.decisions_of(who, limit=limit, video_id=video):
        rows.setdefault(row.decision_id, []).append(row)
    return views.DecisionList(
        items=[
            views.Decision(
                decision=id_,
                action=parts[0].action,
                at=parts[0].at,
                spans=[views.Span(video_id=p.video_id, start=p.start_frame, end=p.end_frame) for p in parts],
                stands=any(part.stands for part in parts),
            )
            for id_, parts in rows.items()
        ],
        undo=await desk.queries.to_undo(who),
        redo=await desk.queries.to_redo(who),
    )


@get("/api/clips/{clip_id:uuid}/actions", guards=[ANYBODY], tags=["review"])
async def actions(desk: TheDesk, clip_id: FromPath[UUID]) -> views.Actions:
    """What may be done with a clip just now, and what stands against the rest: the very rules that decisions are checked by."""
    one = await found_clip(desk, clip_id)
    clip = one.clip
    found = [_possible(verdict, rules.refusal(clip, verdict)) for verdict in VERDICTS]
    for beside in ("previous", "next"):
        other = await desk.queries.neighbour(clip, beside)
        refusal = (
            rules.group_refusal([clip, other.clip])
            if other
            else rules.Refusal("there_is_a_neighbour", f"There is no {beside} clip that is open for review.")
        )
        found.append(_possible(f"group_{beside}", refusal))
    found.append(_possible("ungroup", rules.ungroup_refusal(clip)))
    found += await _cut_actions(desk, clip)
    return views.Actions(clip=clip.id, version=one.version, actions=found)


async def _cut_actions(desk: Desk, clip: Clip) -> list[views.Possible]:
    distance = desk.settings.cut_distance_frames
    middle = (clip.start_frame + clip.end_frame) // 2
    about = await desk.decisions.cut_place(clip.video_id, "add", middle, None)
    room = (clip.start_frame + distance, clip.end_frame - distance)
    found = [_possible("add_cut", rules.cut_refusal(about), frames=room if room[0] <= room[1] else None)]
    for side, frame in (("in", clip.start_frame), ("out", clip.end_frame)):
        for operation in ("remove", "confirm"):
            about = await desk.decisions.cut_place(clip.video_id, operation, frame, None)
            found.append(_possible(f"{operation}_cut_{side}", rules.cut_refusal(about)))
        # A cut that may be removed may be moved, if there is any other place for it.
        about = await desk.decisions.cut_place(clip.video_id, "move", frame, frame)
        refusal = rules.first_broken(rules.CUT_RULES["remove"], about)
        room = (about.start + distance, about.end - distance) if refusal is None else (0, 0)
        if refusal is None and room[0] >= room[1]:
            refusal = rules.Refusal(
                "cut_stays_between_its_neighbours", f"There is no room between frames {about.start} and {about.end}."
            )
        found.append(_possible(f"move_cut_{side}", refusal, frames=room if refusal is None else None))
    return found


def _possible(action: str, refusal: rules.Refusal | None, *, frames: tuple[int, int] | None = None) -> views.Possible:
    return views.Possible(
        action=action,
        allowed=refusal is None,
        rule=refusal.rule if refusal else None,
        reason=refusal.reason if refusal else None,
        frames=frames if refusal is None else None,
    )


@post("/api/queue/next", guards=[REVIEWERS], opt={UNREMARKED: True}, status_code=200, tags=["review"])
async def take_next(
    desk: TheDesk, request: Asker, data: JSONBody[views.NextWish], idempotency_key: Key
) -> views.Handed:
    """Clips for this reviewer alone, held until `lease_s` seconds after the last sign of life (`/api/queue/heartbeat`).

    The same key hands out the same clips again, as far as they still wait. A verdict ends its clip's lease by itself; who leaves hands
    the rest back (`/api/queue/release`, or `/api/queue/leave` as a page is closed).
    """
    taking = desk.leases.take(request.user.id, idempotency_key, order=data.order, limit=data.limit, video_id=data.video)
    taken, left = await asyncio.gather(taking, desk.queries.pending(data.video))
    return views.Handed(items=await _views(desk, taken), left=left, lease_s=desk.settings.lease_s)


@post("/api/queue/heartbeat", guards=[REVIEWERS], opt={UNREMARKED: True}, status_code=200, tags=["review"])
async def heartbeat(
    desk: TheDesk, request: Asker, idempotency_key: Key, data: JSONBody[views.BeatWish | None] = None
) -> views.StillHeld:
    """A sign of life: keep all that one holds for `lease_s` seconds more. To be sent at least every third of that.

    Clips that are named are held again if their lease had lapsed, as far as they still wait and nobody else holds them; `lost` are those
    that somebody else does hold.
    """
    clips, lost = await desk.leases.beat(request.user.id, idempotency_key, data.clips if data else ())
    return views.StillHeld(clips=clips, lost=lost)


@post("/api/queue/release", guards=[REVIEWERS], opt={UNREMARKED: True}, status_code=200, tags=["review"])
async def release(desk: TheDesk, request: Asker, data: JSONBody[views.ReleaseWish], idempotency_key: Key) -> views.Held:
    """Hand clips back, so that others may have them at once; all that one holds, where none are named: for who leaves."""
    return views.Held(clips=await desk.leases.release(request.user.id, data.clips))


@post("/api/queue/leave", guards=[REVIEWERS], opt={UNREMARKED: True}, status_code=204, tags=["review"])
async def leave(desk: TheDesk, request: Asker) -> None:
    """Hand clips back as a page is closed: `navigator.sendBeacon("/api/queue/leave", clips.join(" "))`.

    The body is plain text, whatever its type says: ids of clips, parted by spaces, commas or line ends; all that one holds, where it
    is empty. It needs no header of its own, for a beacon has none, and is safe to repeat.
    """
    said = (await request.body()).decode("utf-8", "replace")
    try:
        clips = [UUID(one) for one in re.split(r"[\s,]+", said.strip()) if one]
    except ValueError:
        raise Problem(
            400, "The request cannot be understood", "The body must be ids of clips and nothing else."
        ) from None
    if len(clips) > _LEFT_MOST:
        raise Problem(
            400, "The request cannot be understood", f"{len(clips)} clips are more than the {_LEFT_MOST} allowed."
        )
    await desk.leases.release(request.user.id, clips or None)


@get("/api/presence", guards=[ANYBODY], tags=["review"])
async def presence(desk: TheDesk) -> views.PresentList:
    """Who is on which video: who holds clips of it that still wait, or was seen there within half of a lease's time."""
    return views.PresentList(items=[views.present_view(one) for one in await desk.leases.present()])


async def _views(desk: Desk, clip_ids: list[UUID]) -> list[views.Clip]:
    found = await desk.queries.clips_by_id(clip_ids)
    return [await desk.clip_view(found[id_]) for id_ in clip_ids if id_ in found]


HANDLERS = [
    decide_selection,
    group,
    group_beside,
    get_group,
    ungroup,
    annotate,
    change_cuts,
    undo,
    redo,
    my_decisions,
    actions,
    take_next,
    heartbeat,
    release,
    leave,
    presence,
]
