"""The database: one head, the tables that the code thinks of, and a rebuild that gives back every row."""

import asyncio
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from heaters_edges.bus import Stored
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.core import tables
from heaters_review_api.db import schema
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.migrate import alembic_config
from heaters_review_api.db.passed import Lagging, Passed
from heaters_review_api.db.projector import LostLead, Projector
from heaters_review_api.db.rebuild import ProjectorRuns, rebuild
from pydantic import SecretStr
from sqlalchemy import Connection, func, select


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


async def test_the_migrations_make_the_tables_that_the_code_thinks_of(desk: Any) -> None:
    def compare(connection: Connection) -> list[Any]:
        options = {
            "include_schemas": True,
            "version_table_schema": "app",
            "include_object": lambda o, name, kind, reflected, other: (
                not (kind == "table" and name == "alembic_version")
                # One for each model, made as models appear.
                and not (kind == "index" and str(name).startswith("embedding_near_"))
            ),
            "compare_type": False,
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)

    async with desk.application.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


@pytest.mark.parametrize("table", list(schema.PROJECTION), ids=str)
def test_a_row_has_the_columns_of_its_table_in_order(table: Any) -> None:
    kinds = {
        kind.__name__.removesuffix("Row").lower(): kind for kind in vars(tables).values() if isinstance(kind, type)
    }

    assert kinds[table.name.replace("_", "")].__struct_fields__ == tuple(column.name for column in table.columns)


@pytest.fixture
async def second(migrated: Any) -> Any:
    """A database of its own beside the first, made from the same stream."""
    admin = await psycopg.AsyncConnection.connect(
        migrated.database_url.get_secret_value().replace("+psycopg", ""), autocommit=True
    )
    async with admin:
        await admin.execute("CREATE DATABASE second")
    url = migrated.database_url.get_secret_value().rpartition("/")[0] + "/second"
    settings = migrated.model_copy(update={"database_url": SecretStr(url)})
    await migrate_all(settings)
    return settings


async def test_a_rebuild_gives_back_every_row(desk: Any, second: Any, start: Any, story: Any) -> None:
    film = story().ready([30, 120, 250])
    approved = film.verdict("approve", 0, 30, key="1")
    film.failed("export", approved)
    film.verdict("skip", 30, 120, key="2")
    film.embedded(film.keyframed(film.exported(film.verdict("approve", 120, 250, key="3"))))
    await desk.publish(film)
    engine = make_engine(second)

    async with start(second) as replayed:
        await replayed.application.passed.wait_for(desk.application.passed.sequence, timeout_s=60)
        with pytest.raises(ProjectorRuns):
            await rebuild(engine)
        from_stream = await replayed.rows()
    count = await rebuild(engine)
    async with start(second) as rebuilt:
        from_facts = await rebuilt.rows()
    await engine.dispose()
    live = await desk.rows()

    assert count >= len(film.told)
    assert len(live["projection.clip"]) >= 4
    assert from_stream == live
    assert from_facts == live


async def test_two_replicas_share_one_projector(migrated: Any, start: Any, story: Any) -> None:
    film = story().ready([30])

    async with start(migrated) as one, start(migrated) as other:
        await one.publish(film)
        await other.application.passed.wait_for(one.application.passed.sequence, timeout_s=60)
        shown = await other.client.get(f"/api/videos/{film.video_id}")

    assert shown.json()["state"] == "in_review"


async def test_a_projector_that_was_overtaken_writes_nothing(desk: Any) -> None:
    late = Projector(desk.application.engine, Passed())
    message = Stored(1, (await _now(desk)), "heaters.nonsense", {}, b"")

    with pytest.raises(LostLead):
        await late.apply([message])


async def _now(desk: Any) -> Any:
    async with desk.application.engine.connect() as connection:
        return (await connection.execute(select(func.now()))).scalar_one()


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        ("heaters.video.requested.v9.bulk.{}", b"{}"),
        ("heaters.video.requested.v1.bulk.{}", b"not json"),
        ("heaters.video.requested.v1.bulk.{}", b'{"id": 1}'),
        ("heaters.video.dreamt.v1.bulk.{}", b"{}"),
        ("heaters.strange", b"\x00\xff"),
    ],
)
async def test_what_nobody_can_read_is_kept_and_passed(desk: Any, story: Any, subject: str, data: bytes) -> None:
    film = story()
    film.requested()
    await desk.publish(film)

    ack = await desk.application.bus.publish_raw(subject.format(film.video_id), {}, data)
    await desk.application.passed.wait_for(ack.sequence, timeout_s=60)

    m = schema.message.c
    async with desk.application.engine.connect() as connection:
        kept = (await connection.execute(select(schema.message).where(m.sequence == ack.sequence))).one()
        v = schema.video.c
        version = (await connection.execute(select(v.version).where(v.id == film.video_id))).scalar_one()
    assert kept.data == data
    assert kept.unreadable
    if subject.count(".") == 5:
        assert version == ack.sequence


async def test_a_subject_that_only_looks_like_a_videos_does_not_count_for_its_version(desk: Any, story: Any) -> None:
    """The server's filter of the video's messages does not see it, so nobody could decide on that version."""
    film = story().ready([30])
    await desk.publish(film)

    ack = await desk.application.bus.publish_raw(f"heaters.clip.skipped.v1.bulk.{film.video_id.hex}", {}, b"{}")
    await desk.application.passed.wait_for(ack.sequence, timeout_s=60)
    answer = await desk.client.post(
        f"/api/clips/{film.clip_id(0, 30)}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": "k"}
    )

    assert answer.status_code == 200, answer.text


async def test_a_fact_that_does_not_fit_the_tables_is_passed_and_its_neighbours_stay(desk: Any, story: Any) -> None:
    film, huge = story(), story(frames=(2**40, 5))
    film.requested()
    downloaded = huge.downloaded(huge.requested())
    huge.planned_segment(huge.segments()[0], downloaded)
    for segment in huge.segments():
        huge.detected(segment, [2**39], downloaded)
    other = story()
    other.requested()

    for one in (film, huge, other):
        await desk.publish(one)

    found = [(await desk.client.get(f"/api/videos/{one.video_id}")).status_code for one in (film, huge, other)]
    assert found == [200, 200, 200]
    assert await desk.application.desk.queries.unreadable() >= 1


async def test_a_text_that_postgres_cannot_store_is_stored_without_its_nul(desk: Any, story: Any) -> None:
    film = story()
    requested = film.requested()
    film.failed("download", requested, reason="bad\x00bytes")

    await desk.publish(film)

    shown = (await desk.client.get(f"/api/videos/{film.video_id}")).json()
    assert shown["failures_list"][0]["reason"] == "bad\N{REPLACEMENT CHARACTER}bytes"
    assert shown["state"] == "download_failed"


async def test_waiting_for_what_never_comes_says_where_the_projection_is() -> None:
    passed = Passed()
    passed.advance(5)

    with pytest.raises(Lagging, match="is at fact 5 and has not come to 7"):
        await passed.wait_for(7, timeout_s=0.01)


async def test_waiting_ends_when_it_is_passed() -> None:
    passed = Passed()
    waiting = asyncio.create_task(passed.wait_for(7, timeout_s=5))
    await asyncio.sleep(0)

    passed.advance(6)
    passed.advance(9)

    await waiting
