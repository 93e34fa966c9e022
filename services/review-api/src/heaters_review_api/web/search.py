"""Search: one question of any kinds, likeness, near-duplicates, models, keyframes and suggested tags."""

import base64
import binascii
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Redirect

from heaters_review_api.core.likeness import NoDirection
from heaters_review_api.core.words import terms
from heaters_review_api.db.queries import ClipOfVideo
from heaters_review_api.db.search import Filters, Found, Hit
from heaters_review_api.search.asking import Unanswered
from heaters_review_api.search.finder import (
    DEPTH,
    NEAR_DUPLICATE,
    Answer,
    Moment,
    NoSuchSpace,
    NotInSpace,
    Wanted,
    default_of,
)
from heaters_review_api.search.models import NotWhole
from heaters_review_api.search.pictures import UnreadablePicture
from heaters_review_api.web import search_views as shown
from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, OPERATORS, UNREMARKED, Principal
from heaters_review_api.web.clips import bounds, found_clip
from heaters_review_api.web.cursors import after_hit, read_hit
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem

_MOST_BODY_BYTES = 18 * 1024 * 1024
Key = Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=200)]
ModelName = Annotated[str | None, QueryParameter(max_length=300)]

_EXAMPLES = [
    Example(summary="More like one clip", value={"like": ["30394abf-f978-53a8-8706-7be2252369f4"], "limit": 12}),
    Example(
        summary="More like these, less like that, of one video",
        value={
            "like": ["30394abf-f978-53a8-8706-7be2252369f4", "8f14e45f-ceea-5c67-a1e5-0b1b1c1d1e1f"],
            "unlike": ["45c48cce-2e2d-5bdb-8c1b-1a2b3c4d5e6f"],
            "filters": {"videos": ["256a6a54-0be8-5323-9ab2-95d6a4fa1732"]},
        },
    ),
    Example(summary="What a text says", value={"text": "a red boat in fog", "filters": {"tags": ["harbour"]}}),
    Example(
        summary="Words of tags, notes and titles, lately decided",
        value={"words": 'harbour "blue hour" -fog', "filters": {"decided_from": "2026-11-01T00:00:00Z"}},
    ),
]


@post(
    "/api/search",
    guards=[ANYBODY],
    opt={UNREMARKED: True},
    status_code=200,
    tags=["search"],
    request_max_body_size=_MOST_BODY_BYTES,
)
async def search(desk: TheDesk, data: Annotated[shown.SearchWish, Body(examples=_EXAMPLES)]) -> shown.SearchResult:
    """Find clips by what they look like (examples, a text, a picture), by words, by filters, or by all of them together."""
    return await _answered(desk, _wanted(data), limit=data.limit, cursor=data.cursor)


@get("/api/clips/{clip_id:uuid}/similar", guards=[ANYBODY], tags=["search"])
async def similar(
    desk: TheDesk, clip_id: FromPath[UUID], limit: Annotated[int, QueryParameter(ge=1, le=200)] = 12
) -> views.Neighbours:
    """The embedded clips that look most like this one, the nearest first."""
    one = await found_clip(desk, clip_id)
    try:
        answer = await desk.finder.find(Wanted(like=(clip_id,)), limit=limit)
    except (NoSuchSpace, NotInSpace):
        raise Problem(
            409,
            "This clip cannot be compared yet",
            f"It is {one.clip.state.value}; a clip can be compared once it is embedded.",
        ) from None
    clips = await desk.queries.clips_by_id([hit.clip_id for hit in answer.found.hits])
    return views.Neighbours(
        items=[
            views.Neighbour(clip=await desk.clip_view(clips[hit.clip_id]), similarity=hit.score or 0.0)
            for hit in answer.found.hits
            if hit.clip_id in clips
        ]
    )


@get("/api/search/duplicates", guards=[ANYBODY], tags=["search"])
async def duplicates(
    desk: TheDesk,
    threshold: Annotated[float | None, QueryParameter(gt=0, le=1)] = None,
    video: FromQuery[UUID | None] = None,
    model: ModelName = None,
    strategy: ModelName = None,
    clips: Annotated[int, QueryParameter(ge=1, le=2000)] = 500,
) -> shown.Duplicates:
    """Groups of clips that are nearly the same, and how alike clips are at all, so that the threshold can be chosen with open eyes."""
    try:
        space = await desk.finder.space(model, strategy)
    except NoSuchSpace as problem:
        raise Problem(409, "Nothing can be compared yet", str(problem)) from None
    filters = Filters(videos=(video,) if video else ())
    found = await desk.finder.duplicates(space, filters, threshold=threshold, clips=clips)
    known = await desk.queries.clips_by_id([id_ for group in found.groups for id_ in group])
    groups = [[known[id_] for id_ in group if id_ in known] for group in found.groups]
    return shown.Duplicates(
        model=space.model,
        strategy=space.strategy,
        threshold=found.threshold,
        looked=found.looked,
        groups=[shown.DuplicateGroup(clips=await desk.clip_views(group)) for group in groups if len(group) > 1],
        histogram=found.histogram,
    )


@get("/api/search/models", guards=[ANYBODY], tags=["search"])
async def list_models(desk: TheDesk) -> shown.SearchModels:
    """The models that clips are embedded by, how many clips each has seen, and which one searches go by."""
    return await _models(desk)


async def _models(desk: Desk) -> shown.SearchModels:
    rows = await desk.finder.models()
    indexed, of = await desk.indexes.names(), await desk.finder.embedded()
    default = default_of(rows) if rows else None
    return shown.SearchModels(
        items=[
            shown.SearchModel(
                model=row.space.model,
                strategy=row.space.strategy,
                dimensions=row.space.dimensions,
                clips=row.space.clips,
                of=max(of, row.space.clips),
                default=row is default,
                requested=row.requested,
                indexed=row.space in indexed,
                near_duplicate=row.near_duplicate or NEAR_DUPLICATE,
            )
            for row in rows
        ]
    )


@post("/api/search/models", guards=[OPERATORS], status_code=202, tags=["search"])
async def request_model(
    desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[shown.ModelWish], idempotency_key: Key
) -> shown.ModelAsked:
    """Have every clip embedded by one more model, those that are there and those that come. The list of models shows how far it is."""
    strategy = data.strategy
    try:
        if strategy is None:
            strategy = (await desk.finder.space()).strategy
        space = await desk.models.request(data.model, strategy, by=request.user.id, idempotency_key=idempotency_key)
    except NoSuchSpace as problem:
        raise Problem(409, "No strategy to go by", f"{problem} Say which strategy.") from None
    except Unanswered as problem:
        raise Problem(409, "This model cannot be had", str(problem)) from None
    return shown.ModelAsked(model=space.model, strategy=space.strategy, dimensions=space.dimensions)


@post("/api/search/default", guards=[OPERATORS], status_code=200, tags=["search"])
async def choose_default(
    desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[shown.DefaultWish], idempotency_key: Key
) -> shown.SearchModels:
    """Let searches go by another model, all at once. It must have every clip; the one before stays, to be gone back to."""
    try:
        await desk.models.choose(
            data.model,
            data.strategy,
            near_duplicate=data.near_duplicate,
            by=request.user.id,
            idempotency_key=idempotency_key,
        )
    except NotWhole as problem:
        raise Problem(409, "This model lacks clips", str(problem)) from None
    return await _models(desk)


@get("/api/search/overlap", guards=[ANYBODY], tags=["search"])
async def overlap(
    desk: TheDesk,
    model: Annotated[str, QueryParameter(min_length=1, max_length=300)],
    strategy: ModelName = None,
    other: ModelName = None,
    other_strategy: ModelName = None,
    clips: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
) -> shown.Overlap:
    """How far a model agrees with another (by itself, with the default) on which clips are neighbours."""
    try:
        one, two = await desk.finder.space(model, strategy), await desk.finder.space(other, other_strategy)
    except NoSuchSpace as problem:
        raise Problem(409, "Nothing can be compared yet", str(problem)) from None
    compared, share = await desk.finder.overlap(one, two, clips=clips)
    return shown.Overlap(clips=compared, share=share)


@get("/api/clips/{clip_id:uuid}/keyframes", guards=[ANYBODY], tags=["clips"])
async def keyframes(desk: TheDesk, clip_id: FromPath[UUID]) -> list[shown.Keyframe]:
    """The pictures that stand for a clip, in order; none before it is keyframed."""
    return _keyframes(await found_clip(desk, clip_id))


@get("/api/clips/{clip_id:uuid}/keyframes/{index:int}", guards=[ANYBODY], status_code=302, tags=["clips"])
async def keyframe_picture(desk: TheDesk, clip_id: FromPath[UUID], index: FromPath[int]) -> Redirect:
    """On to the picture in the store, at an address that is good for a few minutes."""
    pictures = (await found_clip(desk, clip_id)).clip.keyframes
    if not 0 <= index < len(pictures):
        raise Problem(404, "No such keyframe", f"Clip {clip_id} has {len(pictures)} keyframes.")
    chosen = pictures[index]
    address = desk.objects.store.url(
        chosen.object.key, expires_s=desk.settings.download_expires_s, name=f"{clip_id}-{chosen.frame}.jpg"
    )
    return Redirect(address, status_code=302, headers={"Cache-Control": "no-store"})


@get("/api/clips/{clip_id:uuid}/suggestions", guards=[ANYBODY], tags=["clips"])
async def suggestions(desk: TheDesk, clip_id: FromPath[UUID]) -> shown.Suggestions:
    """Tags that the default model would give this clip (or another one, where the default knows no labels), without those that it has."""
    one = await found_clip(desk, clip_id)
    seen = {(row.model, row.strategy): row.labels for row in await desk.finder.labels(clip_id) if row.labels}
    if not seen:
        return shown.Suggestions(model=None, items=[])
    space = await desk.finder.space()
    default = (space.model, space.strategy)
    model, strategy = default if default in seen else max(seen)
    labels = seen[model, strategy]
    has = {tag.casefold() for tag in one.clip.tags}
    return shown.Suggestions(
        model=model,
        items=[
            shown.Suggestion(tag=label.name, share=label.share) for label in labels if label.name.casefold() not in has
        ],
    )


def _keyframes(one: ClipOfVideo) -> list[shown.Keyframe]:
    return [
        shown.Keyframe(frame=picture.frame, address=f"/api/clips/{one.clip.id}/keyframes/{index}")
        for index, picture in enumerate(one.clip.keyframes)
    ]


def _moment(one: ClipOfVideo, moment: Moment | None) -> shown.Moment | None:
    if moment is None:
        return None
    address = f"/api/videos/{one.clip.video_id}/frames/{moment.frame}.jpg"
    return shown.Moment(frame=moment.frame, similarity=moment.similarity, address=address)


def _wanted(data: shown.SearchWish) -> Wanted:
    if data.unlike and not (data.like or data.text or data.image):
        raise Problem(400, "Nothing to look for", "Clips can be unlike some only among those that are like something.")
    try:
        words = terms(data.words)
        picture = base64.b64decode(data.image, validate=True) if data.image is not None else None
    except binascii.Error as problem:
        raise Problem(400, "The image cannot be read", f"It is not base64: {problem}.") from None
    except ValueError as problem:
        raise Problem(400, "Too many words", str(problem)) from None
    asked = data.filters or shown.SearchFilters()
    filters = Filters(
        tuple(dict.fromkeys(asked.videos)),
        tuple(dict.fromkeys(asked.tags)),
        tuple(dict.fromkeys(asked.states)),
        asked.decided_from,
        asked.decided_to,
        words,
        tuple(bounds(asked.measures).items()),
    )
    text = (data.text or "").replace("\x00", " ").strip() or None
    return Wanted(
        tuple(dict.fromkeys(data.like)),
        tuple(dict.fromkeys(data.unlike)),
        text,
        picture,
        filters,
        data.model,
        data.strategy,
    )


async def _find(desk: Desk, wanted: Wanted, limit: int) -> Answer:
    try:
        return await desk.finder.find(wanted, limit=limit)
    except NoSuchSpace as problem:
        raise Problem(409, "Nothing can be compared yet", str(problem)) from None
    except NotInSpace as problem:
        one = await found_clip(desk, problem.clip_id)
        raise Problem(
            409,
            "This clip cannot be compared yet",
            f"{problem} It is {one.clip.state.value}.",
            clip=str(problem.clip_id),
        ) from None
    except NoDirection as problem:
        raise Problem(400, "Nothing to look for", str(problem)) from None
    except UnreadablePicture as problem:
        raise Problem(400, "The image cannot be read", str(problem)) from None
    except Unanswered as problem:
        raise Problem(409, "This cannot be looked for just now", str(problem)) from None


async def _answered(desk: Desk, wanted: Wanted, *, limit: int, cursor: str | None) -> shown.SearchResult:
    seen, last = read_hit(cursor)
    answer = await _find(desk, wanted, min(DEPTH, seen + limit) + 1)
    place, hits = _page(answer.found, seen, last)
    page = hits[:limit]
    clips = await desk.queries.clips_by_id([hit.clip_id for hit in page])
    moments = await desk.finder.moments(answer.space, wanted, page) if answer.space else {}
    items = []
    for hit in page:
        one = clips.get(hit.clip_id)
        if one is None:
            continue
        items.append(
            shown.Hit(
                clip=await desk.clip_view(one),
                similarity=hit.score if answer.space else None,
                rank=None if answer.space else hit.score,
                moment=_moment(one, moments.get(hit.clip_id)),
                keyframes=_keyframes(one),
            )
        )
    more = len(hits) > limit and place + limit < DEPTH
    return shown.SearchResult(
        items=items,
        how=answer.found.how,
        model=answer.space.model if answer.space else None,
        strategy=answer.space.strategy if answer.space else None,
        next=after_hit(place + limit, page[-1].clip_id) if more and page else None,
    )


def _page(found: Found, seen: int, last: UUID | None) -> tuple[int, list[Hit]]:
    """Where the page begins, and what is left from there: after the last hit that was seen, should others have come before it."""
    ids = [hit.clip_id for hit in found.hits]
    place = ids.index(last) + 1 if last in ids else seen
    return place, found.hits[place:]


HANDLERS = [
    search,
    similar,
    duplicates,
    list_models,
    request_model,
    choose_default,
    overlap,
    keyframes,
    keyframe_picture,
    suggestions,
]
