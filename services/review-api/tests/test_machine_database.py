"""Any sequence of decisions by two reviewers at once, over the real stream and database: tiled, ordered, and equal to a replay."""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import uuid4

from heaters_contracts.fact import decode
from heaters_review_api.core.fold import fold
from heaters_review_api.core.tables import Tables
from heaters_review_api.db import rows, schema
from heaters_review_api.decisions import Decisions, NoSuchClip, Refused
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

PLACES = st.integers(0, 299)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["approve", "skip", "archive", "all", "group", "ungroup", "note", "add", "remove", "move", "undo", "redo"]
        ),
        PLACES,
        PLACES,
    ),
    min_size=2,
    max_size=14,
)


async def step(made: Decisions, queries: Any, by: str, video: Any, action: str, at: int, other: int) -> None:
    """One thing that a person wants; what the rules refuse is not done."""
    key = uuid4().hex
    (here,), (there,) = [[c.id for c in await queries.clips_at(video, n) if n < c.end_frame] for n in (at, other)]
    who = {"by": by, "idempotency_key": key}
    try:
        if action in {"approve", "skip", "archive"}:
            await made.decide(here, action, **who)  # type: ignore[arg-type]  # a literal, by the line above
        elif action == "all":
            await made.decide_all([here, there], "approve" if at % 2 else "skip", **who)
        elif action == "group":
            await made.group([here, there], **who)
        elif action == "ungroup":
            await made.ungroup(here, **who)
        elif action == "note":
            await made.annotate(here, tags=("night",), note=str(at), **who)
        elif action == "undo":
            await made.undo(**who)
        elif action == "redo":
            await made.redo(**who)
        else:
            cuts = [cut.frame for cut in await queries.cuts(video)] or [at]
            frame = at if action == "add" else min(cuts, key=lambda cut: abs(cut - at))
            to = other if action == "move" else None
            await made.change_cuts(video, action, frame, to=to, **who)  # type: ignore[arg-type]  # as above
    except (Refused, NoSuchClip):
        pass


@given(steps=STEPS)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_what_two_reviewers_do_at_once_is_what_a_replay_gives(
    desk: Any, story: Any, steps: list[tuple[str, int, int]]
) -> None:
    app, film = desk.application, story().ready([30, 120, 250])
    await desk.publish(film)
    queries, video = app.desk.queries, film.video_id
    people = {
        f"{name}-{uuid4().hex}": Decisions(app.bus, queries, app.passed, timeout_s=60, cut_distance_frames=2)
        for name in ("ana", "ben")
    }

    async def work(by: str, made: Decisions, todo: list[tuple[str, int, int]]) -> None:
        for one in todo:
            await step(made, queries, by, video, *one)

    await asyncio.gather(*(work(by, made, steps[n::2]) for n, (by, made) in enumerate(people.items())))
    await app.passed.wait_for(await app.bus.last_sequence(), timeout_s=60)

    async with app.engine.connect() as connection:
        live = (await rows.load(connection, [video]))[video]
        of_video = schema.message.c.subject.endswith(str(video))
        kept = (await connection.execute(select(schema.message).where(of_video).order_by("sequence"))).all()
    told = [decode(m.subject, m.headers, bytes(m.data)).stored(m.sequence, m.stored_at) for m in kept]
    replayed = fold(Tables.empty(video), told)
    spans = sorted((c.start_frame, c.end_frame) for c in live.clips.values() if c.live)
    assert (spans[0][0], spans[-1][1]) == (0, 300)
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert await queries.without_order(video) == []
    assert live.video == replayed.video
    assert live.clips == replayed.clips
    assert live.cuts == replayed.cuts
    assert live.decisions == replayed.decisions
    assert live.reversals == replayed.reversals
    assert live.events == replayed.events
    assert live.discarded == replayed.discarded
