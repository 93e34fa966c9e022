"""Decisions of every kind, undo and redo, and the work that is handed out: through the API, on real servers."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from heaters_contracts import ids
from heaters_contracts.fact import decode, tell
from heaters_contracts.facts import SegmentScenesDetected
from heaters_contracts.facts.clip import ProxyPart
from heaters_contracts.facts.segment import Cut
from heaters_contracts.objects import ObjectRef
from heaters_edges.bus import BusError
from heaters_review_api.app import ROUTES
from heaters_review_api.db.leases import Leases
from heaters_review_api.decisions import Decisions
from heaters_review_api.orders import Orders, order
from heaters_review_api.telling import Refused
from sqlalchemy import text


async def post(desk: Any, path: str, body: Any = None, *, key: str | None = None) -> Any:
    return await desk.client.post(path, json=body or {}, headers={"Idempotency-Key": key or uuid4().hex})


async def shown(desk: Any, clip: Any) -> Any:
    return (await desk.client.get(f"/api/clips/{clip}")).json()


async def spans(desk: Any, film: Any) -> dict[tuple[int, int], str]:
    clips = (await desk.client.get("/api/clips", params={"video": str(film.video_id)})).json()["items"]
    return {(c["start"], c["end"]): c["state"] for c in clips}


def ref(key: str) -> ObjectRef:
    return ObjectRef(key=key, bytes=1, sha256=hashlib.sha256(key.encode()).hexdigest())


async def told_types(desk: Any, film: Any) -> list[str]:
    history = await desk.application.bus.history(film.video_id)
    return [decode(m.subject, m.headers, m.data).fact.TYPE for m in history[len(film.told) :]]


@pytest.fixture
async def film(desk: Any, story: Any) -> Any:
    told = story().ready([30, 120, 250])
    await desk.publish(told)
    return told


@pytest.fixture
async def other(desk: Any, story: Any) -> Any:
    told = story().ready([50])
    await desk.publish(told)
    return told


@pytest.fixture
async def ben(desk: Any) -> Decisions:
    """Somebody else, at another replica."""
    app = desk.application
    return Decisions(app.bus, app.desk.queries, app.passed, timeout_s=60, cut_distance_frames=6)


class Dies:
    """A bus that breaks off after some facts, as a replica does that is killed."""

    def __init__(self, bus: Any, after: int) -> None:
        self._bus, self.left = bus, after

    async def publish(self, told: Any, *, expect: int | None = None) -> Any:
        if self.left == 0:
            raise BusError("killed")
        self.left -= 1
        return await self._bus.publish(told, expect=expect)

    async def last_sequence(self) -> int:
        return int(await self._bus.last_sequence())


class Overtaken:
    """A bus before one of whose facts, the first or a later one, somebody else is faster."""

    def __init__(self, bus: Any, faster: Callable[[], Awaitable[Any]], *, after: int = 0) -> None:
        self._bus, self._faster, self._left = bus, faster, after

    async def publish(self, told: Any, *, expect: int | None = None) -> Any:
        if self._left == 0:
            await self._faster()
        self._left -= 1
        return await self._bus.publish(told, expect=expect)

    async def last_sequence(self) -> int:
        return int(await self._bus.last_sequence())


async def test_a_group_approves_its_clips_and_orders_each(desk: Any, film: Any) -> None:
    first, second = film.clip_id(0, 30), film.clip_id(30, 120)

    answer = await post(desk, f"/api/clips/{first}/group", {"beside": "next"})

    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert [(c["id"], c["state"], c["group"]) for c in made["clips"]] == [
        (str(first), "exporting", made["group"]),
        (str(second), "exporting", made["group"]),
    ]
    assert await told_types(desk, film) == ["clip.grouped", "clip.approved", "clip.approved"]
    listed = (await desk.client.get(f"/api/groups/{made['group']}")).json()
    assert [c["id"] for c in listed["clips"]] == [str(first), str(second)]


async def test_a_clip_joins_the_group_of_its_neighbour(desk: Any, film: Any) -> None:
    group = (await post(desk, f"/api/clips/{film.clip_id(30, 120)}/group", {"beside": "previous"})).json()["group"]

    joined = await post(desk, f"/api/clips/{film.clip_id(120, 250)}/group", {"beside": "previous"})

    assert joined.json()["group"] == group
    assert len((await desk.client.get(f"/api/groups/{group}")).json()["clips"]) == 3


async def test_a_group_may_have_clips_of_several_videos_and_is_undone_as_one(desk: Any, film: Any, other: Any) -> None:
    clips = [film.clip_id(0, 30), other.clip_id(0, 50)]

    made = (await post(desk, "/api/groups", {"clips": [str(c) for c in clips]})).json()
    assert [(await shown(desk, c))["group"] for c in clips] == [made["group"]] * 2
    turned = await post(desk, "/api/undo")

    assert turned.json()["decision"] == made["decision"]
    assert {s["video_id"] for s in turned.json()["spans"]} == {str(film.video_id), str(other.video_id)}
    assert [((await shown(desk, c))["group"], (await shown(desk, c))["state"]) for c in clips] == [
        (None, "pending_review")
    ] * 2


@pytest.mark.parametrize("facts", [0, 1, 2, 3])
async def test_a_group_that_a_crash_broke_off_is_completed_by_its_key(
    desk: Any, film: Any, other: Any, facts: int
) -> None:
    key = uuid4().hex
    app = desk.application
    clips = [film.clip_id(0, 30), other.clip_id(0, 50)]
    dying = Decisions(Dies(app.bus, facts), app.desk.queries, app.passed, timeout_s=60)

    with pytest.raises(BusError):
        await dying.group(clips, by="local", idempotency_key=key)
    answer = await post(desk, "/api/groups", {"clips": [str(c) for c in clips]}, key=key)

    assert answer.status_code == 200, answer.text
    assert [c["state"] for c in answer.json()["clips"]] == ["exporting", "exporting"]
    assert await told_types(desk, film) == ["clip.grouped", "clip.approved"]
    assert await told_types(desk, other) == ["clip.grouped", "clip.approved"]


async def test_what_a_crash_left_without_an_order_is_ordered_by_whoever_comes_by(desk: Any, film: Any) -> None:
    app = desk.application
    dying = Decisions(Dies(app.bus, 1), app.desk.queries, app.passed, timeout_s=60)
    with pytest.raises(BusError):
        await dying.group([film.clip_id(0, 30)], by="ana", idempotency_key="k", beside="next")
    orders: Orders = app.desk.decisions.orders

    both = await asyncio.gather(orders.complete(film.video_id), orders.complete(film.video_id))

    await app.passed.wait_for(max(filter(None, both), default=0), timeout_s=30)
    assert await told_types(desk, film) == ["clip.grouped", "clip.approved", "clip.approved"]
    assert await app.desk.queries.without_order(film.video_id) == []


async def test_a_video_that_cannot_be_ordered_keeps_no_other_waiting(desk: Any, film: Any, story: Any) -> None:
    """A foreign publisher has told its scenes, and nobody its proxies."""
    app, odd = desk.application, story(frames=(100, 100), video_id=UUID(int=uuid4().int >> 64))
    downloaded = odd.downloaded(odd.requested())
    plans = [odd.planned_segment(segment, downloaded) for segment in odd.segments()]
    odd.planned(downloaded)
    for segment, planned in zip(odd.segments(), plans, strict=True):
        odd.detected(segment, [50], planned)
    await desk.publish(odd)
    for one, end in ((odd, 50), (film, 30)):
        dying = Decisions(Dies(app.bus, 1), app.desk.queries, app.passed, timeout_s=60)
        with suppress(BusError, Refused):
            await dying.group([one.clip_id(0, end)], by="ana", idempotency_key=f"k{end}", beside="next")

    lacking = await app.desk.queries.videos_without_order()
    for _ in range(1200):
        if not await app.desk.queries.without_order(film.video_id):
            break
        await asyncio.sleep(0.05)

    assert lacking[0] == odd.video_id
    assert await told_types(desk, odd) == ["clip.grouped"]
    assert await told_types(desk, film) == ["clip.grouped", "clip.approved", "clip.approved"]
    await app.desk.decisions.undo(by="ana", idempotency_key=uuid4().hex, decision=ids.decision_id("ana", "k50"))


@pytest.mark.parametrize("facts", [1, 2, 3])
async def test_a_group_that_is_undone_while_its_orders_are_told_leaves_nothing_to_export(
    desk: Any, film: Any, facts: int
) -> None:
    """Those that were told are taken back, and those that come too late change nothing, now and for ever."""
    app, both = desk.application, [film.clip_id(0, 30), film.clip_id(30, 120)]
    dying = Decisions(Dies(app.bus, facts), app.desk.queries, app.passed, timeout_s=60)
    with suppress(BusError):
        await dying.group(both, by="local", idempotency_key=uuid4().hex)
    lacking = await app.desk.queries.without_order(film.video_id)

    undone = await post(desk, "/api/undo")
    late = [
        order(one.clip, (ProxyPart(segment=film.segments()[0], proxy=ref("p"), packets=ref("i")),)) for one in lacking
    ]
    told = [
        tell(fact, video_id=film.video_id, lane="bulk", cause=one.clip.stands_by, time=datetime.now(UTC))
        for fact, one in zip(late, lacking, strict=True)
    ]
    for one in told:
        await app.passed.wait_for((await app.bus.publish(one)).sequence, timeout_s=60)
    ordered = await app.desk.decisions.orders.complete(film.video_id)

    assert undone.status_code == 200, undone.text
    assert [(await shown(desk, c))["state"] for c in both] == ["pending_review"] * 2
    assert ordered is None


async def test_a_selection_is_one_decision(desk: Any, film: Any, other: Any) -> None:
    clips = [film.clip_id(0, 30), film.clip_id(120, 250), other.clip_id(50, 300)]

    answer = await post(desk, "/api/selection/verdict", {"clips": [str(c) for c in clips], "verdict": "approve"})
    decided = [(await shown(desk, c))["state"] for c in clips]
    turned = await post(desk, "/api/undo")

    assert answer.status_code == 200, answer.text
    assert answer.json()["refused"] == []
    assert decided == ["exporting"] * 3
    assert turned.json()["decision"] == answer.json()["decision"]
    assert [(await shown(desk, c))["state"] for c in clips] == ["pending_review"] * 3


@pytest.mark.parametrize("facts", [0, 1, 2])
async def test_a_selection_that_a_crash_broke_off_is_completed_by_its_key(
    desk: Any, film: Any, other: Any, facts: int
) -> None:
    key = uuid4().hex
    app = desk.application
    clips = [film.clip_id(0, 30), film.clip_id(120, 250), other.clip_id(50, 300)]
    dying = Decisions(Dies(app.bus, facts), app.desk.queries, app.passed, timeout_s=60)

    with pytest.raises(BusError):
        await dying.decide_all(clips, "skip", by="local", idempotency_key=key)
    await app.passed.wait_for(await app.bus.last_sequence(), timeout_s=30)
    body = {"clips": [str(c) for c in clips], "verdict": "skip"}
    answer = await post(desk, "/api/selection/verdict", body, key=key)
    again = await post(desk, "/api/selection/verdict", body, key=key)

    assert answer.json() == again.json()
    assert [(await shown(desk, c))["state"] for c in clips] == ["review_skipped"] * 3
    assert await told_types(desk, film) == ["clip.skipped", "clip.skipped"]
    assert await told_types(desk, other) == ["clip.skipped"]


async def test_a_selection_against_which_a_rule_stands_decides_nothing(desk: Any, film: Any) -> None:
    clips = [film.clip_id(0, 30), film.clip_id(30, 120)]
    await post(desk, f"/api/clips/{clips[1]}/verdict", {"verdict": "skip"})

    answer = await post(desk, "/api/selection/verdict", {"clips": [str(c) for c in clips], "verdict": "skip"})

    assert answer.status_code == 409
    assert answer.json()["rule"] == "verdict_is_new"
    assert [c["clip"] for c in answer.json()["clips"]] == [str(clips[1])]
    assert (await shown(desk, clips[0]))["state"] == "pending_review"


async def test_a_selection_in_which_somebody_was_faster_decides_the_rest_and_names_what_is_left_out(
    desk: Any, film: Any, ben: Decisions
) -> None:
    mine, hers = film.clip_id(0, 30), film.clip_id(30, 120)
    app = desk.application
    faster = partial(ben.decide, hers, "skip", by="ben", idempotency_key=uuid4().hex)
    slower = Decisions(Overtaken(app.bus, faster), app.desk.queries, app.passed, timeout_s=60)

    made = await slower.decide_all([mine, hers], "skip", by="local", idempotency_key=uuid4().hex)

    assert made.clip_ids == (mine,)
    assert [(one.clip_id, one.refusal.rule) for one in made.refused] == [(hers, "verdict_is_new")]
    assert await told_types(desk, film) == ["clip.skipped", "clip.skipped"]


async def test_a_selection_in_which_somebody_was_faster_everywhere_is_refused(
    desk: Any, film: Any, ben: Decisions
) -> None:
    hers = film.clip_id(0, 30)
    app = desk.application
    faster = partial(ben.decide, hers, "skip", by="ben", idempotency_key=uuid4().hex)
    slower = Decisions(Overtaken(app.bus, faster), app.desk.queries, app.passed, timeout_s=60)

    with pytest.raises(Refused, match="skipped by ben already"):
        await slower.decide_all([hers], "skip", by="local", idempotency_key=uuid4().hex)

    assert await told_types(desk, film) == ["clip.skipped"]


async def test_a_selection_that_is_undone_while_it_is_told_decides_no_more(
    desk: Any, film: Any, other: Any, ben: Decisions
) -> None:
    first, second, third = film.clip_id(0, 30), film.clip_id(30, 120), other.clip_id(0, 50)
    key, app = uuid4().hex, desk.application
    undo = partial(ben.undo, by="local", idempotency_key=uuid4().hex)
    slow = Decisions(Overtaken(app.bus, undo, after=1), app.desk.queries, app.passed, timeout_s=60)

    made = await slow.decide_all([first, second, third], "skip", by="local", idempotency_key=key)
    again = await ben.decide_all([first, second, third], "skip", by="local", idempotency_key=key)

    assert made.clip_ids == again.clip_ids == (first,)
    assert [(one.clip_id, one.refusal.rule) for one in made.refused] == [
        (second, "decision_stands"),
        (third, "decision_stands"),
    ]
    assert [one.clip_id for one in again.refused] == [second, third]
    assert await told_types(desk, film) == ["clip.skipped", "decision.undone"]
    assert await told_types(desk, other) == []


async def test_a_group_says_which_clip_somebody_else_has_put_elsewhere_while_it_was_told(
    desk: Any, film: Any, other: Any, ben: Decisions
) -> None:
    mine, taken = film.clip_id(0, 30), other.clip_id(0, 50)
    app = desk.application
    faster = partial(ben.group, [taken, other.clip_id(50, 300)], by="ben", idempotency_key=uuid4().hex)
    slow = Decisions(Overtaken(app.bus, faster, after=1), app.desk.queries, app.passed, timeout_s=60)

    with pytest.raises(Refused, match="frames 0 to 49 was put into another group meanwhile") as refused:
        await slow.group([mine, taken], by="local", idempotency_key=uuid4().hex)

    assert [one.clip_id for one in refused.value.clips] == [taken]
    assert (await shown(desk, taken))["group"] != (await shown(desk, mine))["group"]


async def test_a_selection_key_means_one_selection(desk: Any, film: Any) -> None:
    clips = [str(film.clip_id(0, 30)), str(film.clip_id(30, 120))]
    await post(desk, "/api/selection/verdict", {"clips": clips[:1], "verdict": "skip"}, key="one")

    answer = await post(desk, "/api/selection/verdict", {"clips": clips[1:], "verdict": "skip"}, key="one")

    assert (answer.status_code, answer.json()["rule"]) == (422, "key_is_new")


async def test_cuts_are_added_moved_removed_and_undone_step_by_step(desk: Any, film: Any) -> None:
    cuts, at = f"/api/videos/{film.video_id}/cuts", []
    before = await spans(desk, film)

    for body in (
        {"operation": "add", "frame": 60},
        {"operation": "move", "frame": 60, "to": 70},
        {"operation": "remove", "frame": 120},
    ):
        answer = await post(desk, cuts, body)
        assert answer.status_code == 200, answer.text
        at.append(sorted(await spans(desk, film)))
    back = []
    for _ in range(3):
        await post(desk, "/api/undo")
        back.append(await spans(desk, film))
    for _ in range(3):
        await post(desk, "/api/redo")

    assert at == [
        [(0, 30), (30, 60), (60, 120), (120, 250), (250, 300)],
        [(0, 30), (30, 70), (70, 120), (120, 250), (250, 300)],
        [(0, 30), (30, 70), (70, 250), (250, 300)],
    ]
    assert [sorted(b) for b in back] == [at[1], at[0], sorted(before)]
    assert back[-1] == before
    assert sorted(await spans(desk, film)) == at[2]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"operation": "add", "frame": 30}, "cut_is_new"),
        ({"operation": "add", "frame": 0}, "cut_is_inside_a_clip"),
        ({"operation": "add", "frame": 900}, "cut_is_inside_a_clip"),
        ({"operation": "add", "frame": 33}, "cut_keeps_its_distance"),
        ({"operation": "remove", "frame": 0}, "cut_stands"),
        ({"operation": "remove", "frame": 300}, "cut_stands"),
        ({"operation": "move", "frame": 120, "to": 31}, "cut_stays_between_its_neighbours"),
        ({"operation": "move", "frame": 120, "to": 251}, "cut_stays_between_its_neighbours"),
        ({"operation": "move", "frame": 120, "to": 120}, "cut_moves"),
        ({"operation": "confirm", "frame": 121}, "cut_stands"),
    ],
)
async def test_a_change_of_cuts_that_a_rule_forbids_says_which(desk: Any, film: Any, body: Any, rule: str) -> None:
    answer = await post(desk, f"/api/videos/{film.video_id}/cuts", body)

    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["rule"] == rule
    assert answer.json()["detail"]
    assert await told_types(desk, film) == []


async def test_a_confirmed_cut_is_certain_and_says_who(desk: Any, film: Any) -> None:
    answer = await post(desk, f"/api/videos/{film.video_id}/cuts", {"operation": "confirm", "frame": 120})

    cut = next(c for c in answer.json()["cuts"] if c["frame"] == 120)
    assert (cut["confidence"], cut["by"]) == (1.0, "local")
    assert [(c["start"], c["confidence_out"]) for c in answer.json()["clips"]] == [(30, 1.0), (120, 0.9)]


async def test_a_change_of_cuts_on_an_old_version_says_what_others_did(desk: Any, film: Any, ben: Decisions) -> None:
    version = (await shown(desk, film.clip_id(30, 120)))["version"]
    await ben.decide(film.clip_id(30, 120), "skip", by="ben", idempotency_key="b")
    cuts = f"/api/videos/{film.video_id}/cuts"

    here = await post(desk, cuts, {"operation": "add", "frame": 60, "version": version})
    elsewhere = await post(desk, cuts, {"operation": "add", "frame": 150, "version": version})

    assert (here.status_code, here.json()["rule"]) == (409, "clips_are_as_seen")
    assert here.json()["detail"] == "ben has decided here meanwhile: frames 30 to 119, skipped. Look again."
    assert elsewhere.status_code == 200


async def test_the_same_key_changes_cuts_once(desk: Any, film: Any) -> None:
    cuts = f"/api/videos/{film.video_id}/cuts"

    first = await post(desk, cuts, {"operation": "add", "frame": 60}, key="one")
    again = await post(desk, cuts, {"operation": "add", "frame": 60}, key="one")
    otherwise = await post(desk, cuts, {"operation": "remove", "frame": 60}, key="one")

    assert again.json()["decision"] == first.json()["decision"]
    assert otherwise.status_code == 422
    assert await told_types(desk, film) == ["video.cuts_changed"]


async def test_tags_and_notes_are_written_and_undone(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)
    path = f"/api/clips/{clip}/annotation"

    await post(desk, path, {"tags": ["night", "Zürich"], "note": "quiet"})
    await post(desk, path, {"tags": ["rain"], "note": ""})
    await post(desk, "/api/undo")
    wrong = await post(desk, path, {"tags": [" space"]})

    assert ((await shown(desk, clip))["tags"], (await shown(desk, clip))["note"]) == (["night", "Zürich"], "quiet")
    assert (wrong.status_code, wrong.json()["rule"]) == (409, "tags_are_words")
    found = await desk.client.get("/api/clips", params={"tag": "Zürich", "video": str(film.video_id)})
    assert [c["id"] for c in found.json()["items"]] == [str(clip)]


async def test_an_ungrouped_clip_stays_approved(desk: Any, film: Any) -> None:
    clip = film.clip_id(0, 30)
    await post(desk, f"/api/clips/{clip}/group", {"beside": "next"})

    answer = await post(desk, f"/api/clips/{clip}/ungroup")
    again = await post(desk, f"/api/clips/{clip}/ungroup")

    assert (answer.json()["clip"]["group"], answer.json()["clip"]["state"]) == (None, "exporting")
    assert (again.status_code, again.json()["rule"]) == (409, "clip_is_in_a_group")


async def test_undoing_a_skip_of_an_approval_orders_the_export_again(desk: Any, film: Any) -> None:
    clip = film.clip_id(30, 120)
    for verdict in ("approve", "skip"):
        await post(desk, f"/api/clips/{clip}/verdict", {"verdict": verdict})

    await post(desk, "/api/undo")

    assert (await shown(desk, clip))["state"] == "exporting"
    assert await told_types(desk, film) == ["clip.approved", "clip.skipped", "decision.undone", "clip.approved"]
    assert await desk.application.desk.queries.without_order(film.video_id) == []


async def test_undoing_an_exported_clip_marks_its_file_and_takes_it_out_of_search(desk: Any, story: Any) -> None:
    film = story().ready([30])
    approved = film.verdict("approve", 0, 30, by="local", key="a")
    film.embedded(film.keyframed(film.exported(approved)))
    await desk.publish(film)
    clip = film.clip_id(0, 30)
    assert (await desk.client.get(f"/api/clips/{clip}/similar")).status_code == 200

    answer = await post(desk, "/api/undo", {"decision": str(approved.id)})

    assert answer.status_code == 200, answer.text
    assert (await shown(desk, clip))["state"] == "pending_review"
    assert (await desk.client.get(f"/api/clips/{clip}/similar")).status_code == 409
    rows = await desk.rows()
    assert [r for r in rows["projection.embedding"] if str(clip) in r] == []
    assert len([r for r in rows["projection.discarded"] if str(film.video_id) in r]) == 2


async def test_a_verdict_on_what_others_have_changed_names_them(desk: Any, film: Any, ben: Decisions) -> None:
    clip, other = film.clip_id(30, 120), film.clip_id(120, 250)
    seen = (await shown(desk, clip))["version"]
    await ben.decide(other, "skip", by="ben", idempotency_key="elsewhere")
    await ben.decide(clip, "archive", by="ben", idempotency_key="here")
    after = (await shown(desk, clip))["version"]

    stale = await post(desk, f"/api/clips/{clip}/verdict", {"verdict": "skip", "version": seen})
    note = await post(desk, f"/api/clips/{clip}/annotation", {"note": "dark", "version": seen})
    fresh = await post(desk, f"/api/clips/{clip}/verdict", {"verdict": "skip", "version": after})

    assert (stale.status_code, stale.json()["rule"]) == (409, "clips_are_as_seen")
    assert stale.json()["detail"] == "ben has decided here meanwhile: frames 30 to 119, archived. Look again."
    assert note.json()["rule"] == "clips_are_as_seen"
    assert fresh.status_code == 200


async def test_an_undo_is_refused_when_somebody_decided_since(desk: Any, film: Any, ben: Decisions) -> None:
    clip = film.clip_id(30, 120)
    mine = (await post(desk, f"/api/clips/{clip}/verdict", {"verdict": "skip"})).json()["decision"]
    await ben.decide(clip, "archive", by="ben", idempotency_key="b")

    answer = await post(desk, "/api/undo", {"decision": mine})
    _, foreign = await desk.application.desk.queries.clip_and_decision(clip, "b")
    not_mine = await post(desk, "/api/undo", {"decision": str(foreign.decision_id)})
    await ben.undo(by="ben", idempotency_key="b2")
    after = await post(desk, "/api/undo", {"decision": mine})

    assert (answer.status_code, answer.json()["rule"]) == (409, "nobody_decided_since")
    assert answer.json()["detail"] == "ben has decided on the same clips since: frames 30 to 119, archived."
    assert (not_mine.status_code, not_mine.json()["rule"]) == (409, "decision_is_yours")
    assert after.status_code == 200
    assert (await shown(desk, clip))["state"] == "pending_review"


async def test_the_same_key_undoes_once(desk: Any, film: Any) -> None:
    for span in ((0, 30), (30, 120)):
        await post(desk, f"/api/clips/{film.clip_id(*span)}/verdict", {"verdict": "skip"})

    first = await post(desk, "/api/undo", key="one")
    again = await post(desk, "/api/undo", key="one")
    otherwise = await post(desk, "/api/redo", key="one")

    assert again.json() == first.json()
    assert (otherwise.status_code, otherwise.json()["rule"]) == (422, "key_is_new")
    assert await spans(desk, film) == {
        (0, 30): "review_skipped",
        (30, 120): "pending_review",
        (120, 250): "pending_review",
        (250, 300): "pending_review",
    }


async def test_a_new_decision_leaves_nothing_to_redo(desk: Any, film: Any) -> None:
    await post(desk, f"/api/clips/{film.clip_id(0, 30)}/verdict", {"verdict": "skip"})
    await post(desk, "/api/undo")
    await post(desk, f"/api/clips/{film.clip_id(30, 120)}/verdict", {"verdict": "skip"})

    answer = await post(desk, "/api/redo")

    assert (answer.status_code, answer.json()["rule"]) == (409, "there_is_something_to_redo")


@pytest.mark.parametrize("facts", [0, 1])
async def test_an_undo_that_a_crash_broke_off_is_completed_by_its_key(
    desk: Any, film: Any, other: Any, facts: int
) -> None:
    key = uuid4().hex
    app = desk.application
    clips = [film.clip_id(0, 30), other.clip_id(0, 50)]
    await post(desk, "/api/selection/verdict", {"clips": [str(c) for c in clips], "verdict": "skip"})
    dying = Decisions(Dies(app.bus, facts), app.desk.queries, app.passed, timeout_s=60)

    with pytest.raises(BusError):
        await dying.undo(by="local", idempotency_key=key)
    await app.passed.wait_for(await app.bus.last_sequence(), timeout_s=30)
    answer = await post(desk, "/api/undo", key=key)

    assert answer.status_code == 200, answer.text
    assert [(await shown(desk, c))["state"] for c in clips] == ["pending_review"] * 2
    assert await told_types(desk, film) == ["clip.skipped", "decision.undone"]
    assert await told_types(desk, other) == ["clip.skipped", "decision.undone"]


async def test_the_page_is_told_what_may_be_done_and_why_not(desk: Any, story: Any) -> None:
    film = story().ready([30, 120])
    film.exported(film.verdict("approve", 30, 120))
    await desk.publish(film)

    hints = (await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}/actions")).json()

    found = {h["action"]: (h["allowed"], h["rule"], h["frames"]) for h in hints["actions"]}
    assert found == {
        "approve": (True, None, None),
        "skip": (True, None, None),
        "archive": (True, None, None),
        "group_previous": (False, "there_is_a_neighbour", None),
        "group_next": (True, None, None),
        "ungroup": (False, "clip_is_in_a_group", None),
        "add_cut": (True, None, [6, 24]),
        "remove_cut_in": (False, "cut_stands", None),
        "confirm_cut_in": (False, "cut_stands", None),
        "move_cut_in": (False, "cut_stands", None),
        "remove_cut_out": (False, "clip_is_no_file_yet", None),
        "confirm_cut_out": (True, None, None),
        "move_cut_out": (False, "clip_is_no_file_yet", None),
    }


async def test_one_sees_what_one_has_decided_and_what_would_be_undone(desk: Any, film: Any) -> None:
    first = (await post(desk, f"/api/clips/{film.clip_id(0, 30)}/verdict", {"verdict": "skip"})).json()["decision"]
    second = (await post(desk, f"/api/videos/{film.video_id}/cuts", {"operation": "add", "frame": 60})).json()
    await post(desk, "/api/undo")

    listed = (await desk.client.get("/api/decisions", params={"limit": 2})).json()

    assert [(d["decision"], d["action"], d["stands"]) for d in listed["items"]] == [
        (second["decision"], "add_cut", False),
        (first, "skip", True),
    ]
    assert (listed["undo"], listed["redo"]) == (first, second["decision"])


async def test_decisions_are_listed_of_one_video(desk: Any, film: Any, other: Any) -> None:
    await post(desk, f"/api/clips/{film.clip_id(0, 30)}/verdict", {"verdict": "skip"})
    there = (await post(desk, f"/api/clips/{other.clip_id(0, 50)}/verdict", {"verdict": "skip"})).json()["decision"]
    await post(desk, f"/api/clips/{film.clip_id(30, 120)}/verdict", {"verdict": "skip"})

    listed = (await desk.client.get("/api/decisions", params={"video": str(other.video_id)})).json()

    assert [(d["decision"], d["spans"][0]["video_id"]) for d in listed["items"]] == [(there, str(other.video_id))]


async def test_clips_of_many_spans_are_read_at_once_each_of_them_once(desk: Any, film: Any, other: Any) -> None:
    queries = desk.application.desk.queries
    spans = [(other.video_id, 0, 1), (film.video_id, 30, 121), (film.video_id, 29, 31), (uuid4(), 0, 9)]

    found = await queries.clips_in(spans)

    assert [one.clip.id for one in found] == [
        other.clip_id(0, 50),
        film.clip_id(30, 120),
        film.clip_id(120, 250),
        film.clip_id(0, 30),
    ]
    assert await queries.clips_in([]) == []


async def test_no_two_reviewers_get_the_same_clip(desk: Any, story: Any) -> None:
    film = story(frames=(300,)).ready(list(range(10, 300, 10)))
    await desk.publish(film)
    leases = desk.application.desk.leases

    taken = await asyncio.gather(
        *(
            leases.take(f"r{n}", "k", order=order, limit=3, video_id=film.video_id)
            for n, order in enumerate(["video", "oldest", "least_certain", "random"] * 2)
        )
    )

    clips = [clip for one in taken for clip in one]
    assert len(clips) == len(set(clips)) == 24
    for n in range(8):
        await leases.release(f"r{n}")


async def test_a_lease_is_kept_by_signs_of_life_and_handed_back(desk: Any, film: Any) -> None:
    body = {"limit": 2, "video": str(film.video_id)}

    await post(desk, "/api/queue/release")  # what pages of other tests have left

    first = (await post(desk, "/api/queue/next", body, key="one")).json()
    again = (await post(desk, "/api/queue/next", body, key="one")).json()
    more = (await post(desk, "/api/queue/next", {**body, "limit": 9}, key="two")).json()
    present = (await desk.client.get("/api/presence")).json()["items"]
    held = (await post(desk, "/api/queue/heartbeat")).json()
    back = (await post(desk, "/api/queue/release", {"clips": [first["items"][0]["id"]]})).json()
    third = (await post(desk, "/api/queue/next", body, key="three")).json()
    await post(desk, "/api/queue/release")

    assert [(c["start"], c["end"]) for c in first["items"]] == [(0, 30), (30, 120)]
    assert again["items"] == first["items"]
    assert [(c["start"], c["end"]) for c in more["items"]] == [(120, 250), (250, 300)]
    assert [(p["video_id"], p["by"], p["clips"]) for p in present if p["by"] == "local"] == [
        (str(film.video_id), "local", 4)
    ]
    assert held == {"clips": 4, "lost": []}
    assert back == {"clips": 1}
    assert [c["start"] for c in third["items"]] == [0]
    assert "local" not in {p["by"] for p in (await desk.client.get("/api/presence")).json()["items"]}


async def test_an_expired_lease_is_free_for_others(desk: Any, film: Any) -> None:
    leases = Leases(desk.application.engine, lease_s=60)
    mine = await leases.take("ana", film.video_id.hex, order="video", limit=4, video_id=film.video_id)
    assert await leases.take("ben", film.video_id.hex, order="video", limit=4, video_id=film.video_id) == []

    async with desk.application.engine.begin() as connection:
        over = "UPDATE app.lease SET expires_at = now() WHERE holder = 'ana' AND video_id = :video_id"
        await connection.execute(text(over), {"video_id": film.video_id})
    theirs = await leases.take("ben", film.video_id.hex, order="video", limit=4, video_id=film.video_id)

    assert theirs == mine
    await leases.release("ben")


async def test_a_lapsed_lease_that_nobody_took_is_held_again_by_whoever_names_its_clips(desk: Any, film: Any) -> None:
    leases = desk.application.desk.leases
    await post(desk, "/api/queue/release")
    wish = {"limit": 4, "video": str(film.video_id)}
    first, second, third, fourth = (c["id"] for c in (await post(desk, "/api/queue/next", wish)).json()["items"])
    async with desk.application.engine.begin() as connection:
        lapsed = "UPDATE app.lease SET expires_at = now() WHERE video_id = :video_id"
        await connection.execute(text(lapsed), {"video_id": film.video_id})
        forgotten = "DELETE FROM app.lease WHERE clip_id = :clip"
        await connection.execute(text(forgotten), {"clip": second})
    (taken,) = await leases.take("ben", "k", order="video", limit=1, video_id=film.video_id)
    await post(desk, f"/api/clips/{fourth}/verdict", {"verdict": "skip"})

    wordless = (await post(desk, "/api/queue/heartbeat")).json()
    named = (await post(desk, "/api/queue/heartbeat", {"clips": [first, second, third, fourth]})).json()
    others = await leases.take("ana", "k", order="video", limit=4, video_id=film.video_id)
    await leases.release("ben")

    assert str(taken) == first
    assert wordless == {"clips": 0, "lost": []}
    assert named == {"clips": 2, "lost": [first]}
    assert others == []


async def test_how_many_are_left_is_said_of_the_video_that_is_reviewed(desk: Any, film: Any, other: Any) -> None:
    await post(desk, "/api/queue/release")
    before = (await desk.client.get("/api/queue")).json()["left"]
    wish = {"limit": 1, "video": str(film.video_id)}

    some = (await post(desk, "/api/queue/next", wish)).json()["left"]
    await post(desk, f"/api/clips/{film.clip_id(0, 30)}/verdict", {"verdict": "skip"})
    queue = (await desk.client.get("/api/queue", params={"video": str(film.video_id)})).json()
    nothing = (await post(desk, "/api/queue/next", {**wish, "video": str(uuid4())})).json()
    everything = (await post(desk, "/api/queue/next", {"limit": 1})).json()["left"]
    await post(desk, "/api/queue/release")

    assert before >= 6
    assert some == 4
    assert (queue["left"], [clip["start"] for clip in queue["items"]]) == (3, [30, 120, 250])
    assert (nothing["left"], nothing["items"]) == (0, [])
    assert everything == before - 1


async def test_a_sign_of_life_needs_no_body(desk: Any) -> None:
    answer = await desk.client.post("/api/queue/heartbeat", headers={"Idempotency-Key": uuid4().hex})

    assert answer.status_code == 200


async def test_the_least_certain_clips_come_first(desk: Any, story: Any) -> None:
    film = story(frames=(100,)).ready([])
    cuts = tuple(Cut(frame=f, start=f, end=f + 1, confidence=c) for f, c in ((20, 0.9), (40, 0.3), (60, 0.8)))
    made = next(one for one in film.told if one.fact.TYPE == "segment.preprocessed")
    film.say(SegmentScenesDetected(segment=film.segments()[0], detector="x", cuts=cuts), made)
    await desk.publish(film)

    taken = await desk.application.desk.leases.take(
        "ana", uuid4().hex, order="least_certain", limit=4, video_id=film.video_id
    )
    ids = (
        await desk.client.get("/api/clips/ids", params={"order": "least_certain", "video": str(film.video_id)})
    ).json()
    doubtful = await desk.client.get("/api/clips", params={"video": str(film.video_id), "certainty_to": 0.5})
    short = await desk.client.get("/api/clips", params={"video": str(film.video_id), "frames_from": 21})

    assert {film.clip_id(20, 40), film.clip_id(40, 60)} == set(taken[:2])
    assert taken[2:] == [film.clip_id(60, 100), film.clip_id(0, 20)]
    assert ids["ids"] == [str(id_) for id_ in taken]
    assert [c["start"] for c in doubtful.json()["items"]] == [20, 40]
    assert [c["start"] for c in short.json()["items"]] == [60]
    await desk.application.desk.leases.release("ana")


PARTS = ("", "/{upload_id:uuid}/urls", "/{upload_id:uuid}/complete")


@pytest.mark.parametrize("order", ["video", "oldest", "least_certain", "shortest", "longest"])
async def test_pages_of_ids_give_every_clip_once(desk: Any, story: Any, order: str) -> None:
    film = story().ready(list(range(10, 300, 10)))
    await desk.publish(film)
    found: list[str] = []
    cursor = None

    for _ in range(10):
        wanted = {"video": str(film.video_id), "limit": 7, "order": order} | ({"cursor": cursor} if cursor else {})
        page = (await desk.client.get("/api/clips/ids", params=wanted)).json()
        found += page["ids"]
        cursor = page["next"]
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 30
    if order == "video":
        assert found[:2] == [str(film.clip_id(0, 10)), str(film.clip_id(10, 20))]


async def test_clips_are_chosen_and_ordered_by_how_long_they_are(desk: Any, story: Any) -> None:
    film = story(frames=(300,)).ready([10, 100, 140])
    await desk.publish(film)
    video = {"video": str(film.video_id)}

    shortest = (await desk.client.get("/api/clips/ids", params={**video, "order": "shortest"})).json()["ids"]
    longest = (await desk.client.get("/api/clips/ids", params={**video, "order": "longest", "frames_to": 100})).json()[
        "ids"
    ]

    assert shortest == [str(film.clip_id(*span)) for span in ((0, 10), (100, 140), (10, 100), (140, 300))]
    assert longest == [str(film.clip_id(*span)) for span in ((10, 100), (100, 140), (0, 10))]


def test_every_post_of_the_api_is_safe_to_repeat_by_a_key_or_by_what_it_says() -> None:
    by_content = {"/api/uploads", "/api/ingest", *(f"/api/uploads/parts{rest}" for rest in PARTS)}
    named = {
        "/api/accounts",
        "/api/accounts/{account_id:uuid}",
        "/api/me/password",
        "/api/tokens/{token_id:uuid}/revoke",
    }
    by_content.add("/api/queue/leave")  # a beacon has no headers; to hand back what is handed back changes nothing
    changes_nothing_that_is_kept = {"/api/search", "/api/maintenance/{name:str}", "/api/player-errors"}
    shown_once = {"/api/tokens"}  # a token whose answer was lost is known to nobody: it is revoked, and another made
    fine = by_content | named | changes_nothing_that_is_kept | shown_once
    without = {
        path
        for handler in ROUTES
        for path in handler.paths
        if "POST" in handler.http_methods and path.startswith("/api/") and path not in fine
        if "idempotency_key" not in handler.parsed_fn_signature.parameters
    }

    assert without == set()
