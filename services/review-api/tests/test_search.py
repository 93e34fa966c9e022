"""Search over the API, on a real Postgres: likeness, words, filters, moments, duplicates; and its rules on their own."""

import asyncio
import base64
import io
import struct
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from heaters_contracts.asking import EMBED_QUEUE, EMBED_SUBJECT, EmbedAnswer, EmbedQuestion
from heaters_contracts.fact import decode, tell
from heaters_contracts.facts import ClipAnnotated, ClipEmbedded, VideoEmbeddingRequested
from heaters_contracts.facts.clip import Label
from heaters_contracts.spans import Span
from heaters_edges.bus import Bus
from heaters_local.cli import heaters
from heaters_review_api.core import likeness
from heaters_review_api.core.words import Term, terms
from heaters_review_api.db.search import Filters, SearchQueries, exact_most
from heaters_review_api.search.pictures import UnreadablePicture, small_jpeg
from PIL import Image

SPANS = ((0, 30), (30, 60), (60, 90), (90, 300))


def packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}e", *vector)).decode()


def embedded_film(story: Any, vectors: Sequence[Sequence[float]], **more: Any) -> Any:
    """Clips of SPANS, each embedded by the model `looks@1`."""
    film = story().ready([30, 60, 90])
    for n, (span, vector) in enumerate(zip(SPANS, vectors, strict=False)):
        keyframed = film.keyframed(film.exported(film.verdict("approve", *span, key=f"{film.video_id}{n}")))
        fact = ClipEmbedded(
            clip_id=keyframed.fact.clip_id,
            span=keyframed.fact.span,
            model="looks@1",
            strategy="middle",
            dimensions=len(vector),
            vector=packed(vector),
            **more,
        )
        film.say(fact, keyframed)
    return film


def annotate(film: Any, span: tuple[int, int], *, tags: tuple[str, ...] = (), note: str = "") -> None:
    fact = ClipAnnotated(
        clip_id=film.clip_id(*span),
        span=Span(start=span[0], end=span[1]),
        by="ana",
        idempotency_key=str(uuid4()),
        tags=tags,
        note=note,
    )
    film.say(fact, None, worked_s=None)


async def find(desk: Any, film: Any, **wish: Any) -> Any:
    filters = {"videos": [str(film.video_id)], **wish.pop("filters", {})}
    answer = await desk.client.post("/api/search", json={"filters": filters, **wish})
    assert answer.status_code == 200, answer.text
    return answer.json()


def starts(result: Any) -> list[int]:
    return [hit["clip"]["start"] for hit in result["items"]]


AROUND = ((1.0, 0.0, 0.0), (0.6, 0.8, 0.0), (0.8, 0.6, 0.0), (0.0, 0.0, 1.0))


async def test_more_like_these_less_like_those(desk: Any, story: Any) -> None:
    film = embedded_film(story, [(1.0, 0.0, 0.0), (0.8, 0.6, 0.0), (0.8, 0.0, 0.6), (0.0, 1.0, 0.0)])
    await desk.publish(film)
    first, last = str(film.clip_id(0, 30)), str(film.clip_id(90, 300))

    like = await find(desk, film, like=[first], model="looks@1")
    unlike = await find(desk, film, like=[first], unlike=[last], model="looks@1")

    assert [round(hit["similarity"], 2) for hit in like["items"]] == [0.8, 0.8, 0.0]
    assert starts(unlike) == [60, 30]
    assert (like["how"], like["model"], like["strategy"]) == ("exact", "looks@1", "middle")


async def test_pages_follow_each_other_without_gap_or_repeat(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND)
    await desk.publish(film)
    wish = {"like": [str(film.clip_id(0, 30))], "model": "looks@1", "limit": 1}

    pages, cursor = [], None
    for _ in range(3):
        page = await find(desk, film, **wish, **({"cursor": cursor} if cursor else {}))
        pages.append(starts(page))
        cursor = page["next"]

    assert pages == [[60], [30], [90]]
    assert cursor is None


async def test_words_stand_in_tags_notes_and_titles(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND)
    annotate(film, (0, 30), tags=("boat",), note="Blue hour, no fog")
    annotate(film, (30, 60), tags=("boathouse",), note="hour of blue")
    await desk.publish(film)

    assert starts(await find(desk, film, words="harbour boat")) == [0]
    assert sorted(starts(await find(desk, film, words="boat*"))) == [0, 30]
    assert starts(await find(desk, film, words='"blue hour"')) == [0]
    assert starts(await find(desk, film, words="boat* -fog")) == [30]
    assert starts(await find(desk, film, words="walk submarine")) == []
    assert (await find(desk, film, words="boat*"))["how"] == "words"


async def test_words_filter_what_looks_alike(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND)
    annotate(film, (30, 60), tags=("boat",))
    annotate(film, (90, 300), tags=("boat",))
    await desk.publish(film)

    found = await find(desk, film, words="boat", like=[str(film.clip_id(0, 30))], model="looks@1")

    assert starts(found) == [30, 90]


async def test_filters_leave_what_they_say(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND[:2])
    annotate(film, (0, 30), tags=("boat", "fog"))
    await desk.publish(film)

    assert starts(await find(desk, film, filters={"tags": ["boat", "fog"]})) == [0]
    assert starts(await find(desk, film, filters={"tags": ["boat", "sun"]})) == []
    assert sorted(starts(await find(desk, film, filters={"states": ["pending_review"]}))) == [60, 90]
    assert starts(await find(desk, film, filters={"decided_to": "2020-01-01T00:00:00Z"})) == []
    assert sorted(starts(await find(desk, film, filters={"decided_from": "2020-01-01T00:00:00Z"}))) == [0, 30]


async def test_a_hit_says_its_nearest_moment_and_shows_its_keyframes(desk: Any, story: Any) -> None:
    vectors = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], "<f2").tobytes()
    ref = await desk.application.desk.objects.put_bytes(vectors, f"vectors/{uuid4()}.f16")
    film = embedded_film(story, AROUND[:2], frame_vectors=ref, frames=(31, 44, 58))
    await desk.publish(film)

    [hit] = (await find(desk, film, like=[str(film.clip_id(0, 30))], model="looks@1"))["items"]

    assert hit["moment"]["frame"] == 44
    assert hit["moment"]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert hit["moment"]["address"] == f"/api/videos/{film.video_id}/frames/44.jpg"
    shown = await desk.client.get(hit["keyframes"][0]["address"])
    assert shown.status_code == 302
    assert f"clips/{film.clip_id(30, 60)}.jpg" in shown.headers["location"]


async def test_near_duplicates_hang_together(desk: Any, story: Any) -> None:
    film = embedded_film(story, [(1.0, 0.0, 0.0), (0.99, 0.14, 0.0), (0.97, 0.25, 0.0), (0.0, 0.0, 1.0)])
    await desk.publish(film)
    wanted = {"video": str(film.video_id), "model": "looks@1", "threshold": 0.99}

    found = (await desk.client.get("/api/search/duplicates", params=wanted)).json()

    ours = [
        sorted(clip["start"] for clip in g["clips"] if clip["video_id"] == str(film.video_id)) for g in found["groups"]
    ]
    assert [0, 30, 60] in ours
    assert found["looked"] == 4
    assert sum(found["histogram"]) == 4
    assert found["threshold"] == 0.99


async def test_the_command_shows_groups_and_the_distribution_that_the_threshold_cuts(
    desk: Any, story: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = embedded_film(story, [(1.0, 0.0, 0.0), (0.99, 0.14, 0.0), (0.0, 0.0, 1.0), (0.0, 0.35, 0.94)])
    await desk.publish(film)
    monkeypatch.setenv("HEATERS_URL", str(desk.client.base_url).rstrip("/"))
    monkeypatch.setenv("HEATERS_TOKEN", "a-token-for-tests")
    words = ["duplicates", "--video", str(film.video_id), "--model", "looks@1", "--threshold", "0.98"]

    ended = await asyncio.to_thread(CliRunner().invoke, heaters, words)
    nothing = await asyncio.to_thread(CliRunner().invoke, heaters, ["duplicates", "--model", "nobody@1"])

    assert ended.exit_code == 0, ended.output
    assert "4 clips, looks@1, middle" in ended.output
    assert "<- threshold" in next(line for line in ended.output.splitlines() if line.startswith("0.95"))
    assert all(str(film.clip_id(*span)) in ended.output for span in ((0, 30), (30, 60)))
    assert "at least 0.98 alike" in ended.output
    assert (nothing.exit_code, "No clip is embedded by nobody@1 yet" in nothing.output) == (1, True)


async def test_labels_are_suggested_until_they_are_tags(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND, labels=(Label(name="Seashore", share=0.6), Label(name="pier", share=0.2)))
    annotate(film, (0, 30), tags=("seashore",))
    await desk.publish(film)

    models = (await desk.client.get("/api/search/models")).json()["items"]
    answer = (await desk.client.get(f"/api/clips/{film.clip_id(0, 30)}/suggestions")).json()

    ours = next(model for model in models if model["model"] == "looks@1")
    assert (ours["strategy"], ours["dimensions"]) == ("middle", 3)
    assert ours["clips"] >= 4
    assert answer == {"model": "looks@1", "items": [{"tag": "pier", "share": 0.2}]}


@pytest.mark.parametrize(
    ("wish", "status", "why"),
    [
        ({"unlike": [str(uuid4())]}, 400, "unlike"),
        ({"image": "no base64!"}, 400, "base64"),
        ({"image": base64.b64encode(b"GIF89a").decode()}, 400, "picture"),
        ({"words": "a " * 33}, 400, "at most 32"),
        ({"model": "nobody@1", "text": "a boat"}, 409, "nobody@1"),
        ({"text": "a boat"}, 409, "embedder"),
        ({"cursor": "!"}, 400, "cursor"),
        ({"limit": 0}, 400, "limit"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
async def test_what_cannot_be_looked_for_is_refused_with_a_reason(
    desk: Any, story: Any, wish: Any, status: int, why: str
) -> None:
    await desk.publish(embedded_film(story, AROUND[:1]))

    answer = await desk.client.post("/api/search", json=wish)

    assert answer.status_code == status, answer.text
    assert why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ()),
        ("  boat ", (Term("boat"),)),
        ('harbour "blue hour" -fog boat*', (Term("harbour"), Term("blue hour"), Term("fog", refused=True), Term("boat", prefix=True))),
        ('"never closed', (Term("never closed"),)),
        ("- * & | !", ()),
        ("it's a:b\\c", (Term("it's"), Term("a:b\\c"))),
        ('-"blue hour"', (Term("blue hour", refused=True),)),
    ],
)  # fmt: skip
def test_words_are_read_as_people_type_them(typed: str, read: tuple[Term, ...]) -> None:
    assert terms(typed) == read


@pytest.mark.parametrize("typed", ["'", "a'b*", "\\", "x\\'*", "a & b:*", "<->", "(", "boat:*", "\x00b"])
async def test_no_word_breaks_the_query(desk: Any, typed: str) -> None:
    answer = await desk.client.post("/api/search", json={"words": typed})

    assert answer.status_code == 200, answer.text


def test_groups_hang_together_over_several_steps() -> None:
    a, b, c, d, e = (UUID(int=n) for n in range(1, 6))

    assert likeness.groups([(a, b), (d, e), (c, b)]) == [[a, b, c], [d, e]]


def test_examples_that_cancel_each_other_out_are_refused() -> None:
    one = np.array([1, 0], np.float32)

    with pytest.raises(likeness.NoDirection):
        likeness.wanted([one, -one])


def test_a_histogram_counts_cosines_in_twentieths() -> None:
    counts = likeness.histogram([-0.2, 0.01, 0.5, 0.99, 1.0])

    assert (counts[0], counts[10], counts[19], sum(counts)) == (2, 1, 2, 5)


def test_overlap_is_the_share_of_common_neighbours() -> None:
    a, b, c, d = (UUID(int=n) for n in range(4))

    assert likeness.overlap([[a, b], [c]], [[b, d], [c]]) == 0.75
    assert likeness.overlap([], []) is None


def test_moments_of_bytes_that_are_no_vectors_are_none() -> None:
    query = np.array([1, 0], np.float32)

    assert likeness.moment(b"", 2, query) is None
    assert likeness.moment(b"123", 2, query) is None
    assert likeness.moment(np.array([[np.nan, 1]], "<f2").tobytes(), 2, query) is None


def test_a_picture_is_made_small_and_upright() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.new("RGB", (2000, 1000), "red").save(out, "JPEG", exif=exif)

    small = Image.open(io.BytesIO(small_jpeg(out.getvalue())))

    assert (small.format, small.size) == ("JPEG", (256, 512))


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")

    with pytest.raises(UnreadablePicture, match="9000x9000"):
        small_jpeg(out.getvalue())


@pytest.fixture
async def embedder(desk: Any) -> Any:
    """Answers as an embedder does that knows one image-text model, `looks@1`, in which every text lies at (0, 0, 1)."""

    async def answer(data: bytes) -> bytes:
        asked = EmbedQuestion.model_validate_json(data)
        if asked.model.partition("@")[0] != "looks":
            return EmbedAnswer(problem=f"no model {asked.model!r}; there are: looks").model_dump_json().encode()
        vectors = tuple(packed((0.0, 0.0, 1.0)) for _ in asked.texts) + tuple(
            packed((0.0, 1.0, 0.0)) for _ in asked.pictures
        )
        return EmbedAnswer(model="looks@1", dimensions=3, reads_texts=True, vectors=vectors).model_dump_json().encode()

    bus = Bus(desk.application.settings, source="embedder")
    await bus.connect()
    await bus.answer(EMBED_SUBJECT, EMBED_QUEUE, answer)
    await bus.client.flush()
    yield answer
    await bus.close()


async def test_a_text_and_a_picture_are_looked_for_through_an_embedder(desk: Any, story: Any, embedder: Any) -> None:
    film = embedded_film(story, AROUND)
    await desk.publish(film)
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "PNG")
    picture = base64.b64encode(out.getvalue()).decode()

    by_text = await find(desk, film, text="a lighthouse", model="looks@1")
    by_picture = await find(desk, film, image=picture, model="looks@1")
    by_both = await find(desk, film, text="a lighthouse", like=[str(film.clip_id(30, 60))], model="looks@1", limit=1)

    assert starts(by_text)[0] == 90
    assert starts(by_picture)[0] == 30
    assert starts(by_both) == [90]


async def test_a_model_is_asked_for_completed_and_chosen_all_at_once(desk: Any, story: Any, embedder: Any) -> None:
    film = story().ready([30, 60])
    keyframed = [
        film.keyframed(film.exported(film.verdict("approve", *span, key=f"{film.video_id}{span}")))
        for span in ((0, 30), (30, 60))
    ]
    for told in keyframed:
        film.embedded(told, (1.0, 0.0, 0.0))
    await desk.publish(film)
    key = {"Idempotency-Key": str(uuid4())}

    unknown = await desk.client.post("/api/search/models", json={"model": "smells"}, headers=key)
    asked = await desk.client.post("/api/search/models", json={"model": "looks", "strategy": "new"}, headers=key)
    wanted = {"model": "looks@1", "strategy": "new"}
    early = await desk.client.post("/api/search/default", json=wanted, headers=key)
    requests = await asks(desk, film, "new")
    again = await desk.application.desk.models.complete()

    assert (unknown.status_code, "no model 'smells'" in unknown.json()["detail"]) == (409, True)
    assert asked.status_code == 202, asked.text
    assert asked.json() == {"model": "looks@1", "strategy": "new", "dimensions": 3}
    assert early.status_code == 409
    assert {clip.clip_id for request in requests for clip in request.fact.clips} == {
        told.fact.clip_id for told in keyframed
    }
    assert {clip.keyframed for request in requests for clip in request.fact.clips} == {told.id for told in keyframed}
    assert again == 0

    for request in requests:
        for clip in request.fact.clips:
            fact = ClipEmbedded(
                clip_id=clip.clip_id, span=clip.span, model="looks@1", strategy="new", dimensions=3,
                vector=packed((0.0, 1.0, 0.0)), keyframed=clip.keyframed,
            )  # fmt: skip
            film.told.append(tell(fact, video_id=film.video_id, lane="bulk", cause=request.id, time=request.time))
    del film.told[: -len(keyframed)]
    await desk.publish(film)
    overlap = await desk.client.get("/api/search/overlap", params={**wanted, "other": "tiny@1"})
    lacking = await desk.application.desk.finder._queries.lacking("looks@1", "new", limit=500)

    assert {told.fact.clip_id for told in keyframed}.isdisjoint(one.clip.id for one in lacking)
    assert overlap.json()["clips"] >= 2
    assert 0 <= overlap.json()["share"] <= 1


async def asks(desk: Any, film: Any, strategy: str) -> list[Any]:
    """Facts that ask for a strategy's embeddings of a film, as soon as the sweep has told them."""
    for _ in range(600):
        stored = await desk.application.bus.history(film.video_id)
        found = [decode(one.subject, one.headers, one.data) for one in stored if ".embedding_requested." in one.subject]
        found = [
            told for told in found if isinstance(told.fact, VideoEmbeddingRequested) and told.fact.strategy == strategy
        ]
        if found:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("nobody asked for embeddings")


async def test_a_model_gets_an_index_once_it_has_enough_clips(desk: Any, story: Any) -> None:
    film = embedded_film(story, AROUND)
    await desk.publish(film)
    indexes = desk.application.desk.indexes

    made = await indexes.ensure(least=2)
    again = await indexes.ensure(least=2)
    named = {space.model for space in await indexes.names()}
    space = await desk.application.desk.finder.space("looks@1", "middle")
    query = likeness.pack(np.array([1, 0, 0], np.float32))
    filters = Filters(videos=(film.video_id,))
    by_index = await SearchQueries(desk.application.engine).nearest(space, query, filters, limit=3, how="index")
    one_by_one = await SearchQueries(desk.application.engine).nearest(space, query, filters, limit=3, how="exact")

    assert ("looks@1", "middle") in {(one.model, one.strategy) for one in made}
    assert again == []
    assert "looks@1" in named
    assert [hit.clip_id for hit in by_index.hits] == [hit.clip_id for hit in one_by_one.hits]
    assert len(by_index.hits) == 3


def test_the_more_clips_there_are_the_more_a_filter_may_leave_for_all_to_be_compared() -> None:
    assert [exact_most(clips) for clips in (0, 4000, 10_000, 1_000_000)] == [4000, 4000, 894, 8944]
