"""What operators rely on: fsck, back-up and restore, a stream given back, a video erased so that nothing of it is found."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from heaters_contracts.facts import VideoDownloaded
from heaters_contracts.objects import ObjectRef, content_key
from heaters_edges.bus import Bus
from heaters_edges.store import Listed, S3Store
from heaters_edges.streams import migrate as migrate_streams
from heaters_edges.upkeep import StreamNotEmpty
from heaters_review_api.accounts.audit import Audit, Deed
from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.store import Store
from heaters_review_api.db import schema
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.rebuild import rebuild
from heaters_review_api.db.webhooks import Webhooks
from heaters_review_api.ops.backup import BadBackup, backup, refill, restore
from heaters_review_api.ops.fsck import Finding, Fsck
from heaters_review_api.settings import Settings
from moto.server import ThreadedMotoServer
from place import place
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine


async def told_film(desk: Any, story: Any) -> Any:
    """A film with decisions and results, whose source is really in the store."""
    film = story().ready([30, 120])
    key = f"videos/{film.video_id}/source-{'0' * 16}.mp4"
    data = str(film.video_id).encode()
    film.source = await desk.application.desk.objects.put_bytes(data, key)
    assert film.source == ref_of(data, key)
    film.told = [one if one.fact.TYPE != "video.downloaded" else replace_source(film, one) for one in film.told]
    film.embedded(film.keyframed(film.exported(film.verdict("approve", 0, 30))))
    film.verdict("skip", 30, 120, key="2")
    await desk.publish(film)
    return film


def replace_source(film: Any, told: Any) -> Any:
    return replace(told, fact=VideoDownloaded(source=film.source, title=told.fact.title))


def ref_of(data: bytes, key: str) -> ObjectRef:
    return ObjectRef(key=key, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


async def claimed(desk: Any, film: Any) -> str:
    """Write down, as the downloader does, that a film has its bytes; returns where."""
    key = content_key(film.source.sha256)
    claim = {"video_id": str(film.video_id), "source": film.source.key}
    assert desk.application.desk.objects.store.put_first(json.dumps(claim).encode(), key)
    return key


async def everything_with(dsn: str, needle: str) -> list[str]:
    """Every row of every table of a database in whose text something stands."""
    found = []
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        tables = await connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('projection', 'facts', 'app')"
        )
        for schema, table in await tables.fetchall():
            query = f"SELECT t::text FROM {schema}.{table} t WHERE t::text LIKE %s"  # noqa: S608 - names from the catalogue
            rows = await connection.execute(query, (f"%{needle}%",))  # type: ignore[arg-type]  # as above
            found += [f"{schema}.{table}: {row[0]}" for row in await rows.fetchall()]
    return found


async def test_of_an_erased_video_nothing_is_found_but_the_fact(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "erasing") as here, start(here.settings) as desk:
        film, other = await told_film(desk, story), await told_film(desk, story)
        objects, store = desk.application.desk.objects, desk.application.desk.objects.store
        await objects.write_json(f"videos/{film.video_id}/manifests/plan/{'a' * 64}.json", [])
        claim, others = [await claimed(desk, one) for one in (film, other)]
        await Webhooks(desk.application.engine).attempt(uuid4(), film.video_id, claim_s=60)
        before = await desk.application.desk.eraser.traces(film.video_id, claims=[claim, others])
        answer = await desk.client.post(
            f"/api/videos/{film.video_id}/erase", json={"reason": "asked for"}, headers={"Idempotency-Key": "e"}
        )
        again = await desk.client.post(
            f"/api/videos/{film.video_id}/erase", json={"reason": "asked for"}, headers={"Idempotency-Key": "e"}
        )
        stream = [m.subject for m in await desk.application.bus.history(film.video_id)]
        rows = await everything_with(here.dsn, str(film.video_id))
        keys = [one.key for one in store.listed()]
        cached = [str(path) for path in here.settings.cache_dir.rglob("*") if str(film.video_id) in str(path)]
        neighbour = (await desk.client.get(f"/api/videos/{other.video_id}")).json()

    assert (answer.status_code, again.status_code) == (200, 200)
    assert answer.json()["traces"] == again.json()["traces"] == []
    assert f"store: {claim}" in before
    assert f"store: {others}" not in before
    assert [one for one in before if one.startswith("app.webhook: ")] != []
    assert answer.json()["objects"] == 3
    assert stream == [f"heaters.video.erased.v1.bulk.{film.video_id}"]
    # The audit log says who asked for it; it names the video by its id, and no more of it.
    assert sorted(row.partition(":")[0] for row in rows if not row.startswith("app.audit:")) == [
        "facts.message",
        "projection.event",
        "projection.video",
    ]
    assert not any("Harbour" in row for row in rows)
    assert keys == [others, other.source.key]
    assert cached == []
    assert neighbour["state"] == "in_review"


async def test_erasing_leaves_to_another_video_of_the_same_bytes_its_claim(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "bothclaim") as here, start(here.settings) as desk:
        objects, films = desk.application.desk.objects, [story(), story()]
        for film in films:
            film.source = await objects.put_bytes(b"a film", f"videos/{film.video_id}/source-0.mp4")
            film.downloaded(film.requested())
            await desk.publish(film)
        claim = await claimed(desk, films[0])

        answer = await desk.client.post(
            f"/api/videos/{films[1].video_id}/erase", json={}, headers={"Idempotency-Key": "e"}
        )
        keys = [one.key for one in objects.store.listed()]

    assert answer.json()["traces"] == []
    assert keys == [claim, films[0].source.key]


async def test_a_video_that_was_erased_can_be_asked_for_again(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    ask = {"request_id": "one", "source": {"kind": "url", "url": "https://films.example/a.mp4"}}
    async with place(tmp_path, settings, "askedagain") as here, start(here.settings) as desk:
        first = (await desk.client.post("/api/ingest", json=ask)).json()
        await desk.client.post(f"/api/videos/{first['video_id']}/erase", json={}, headers={"Idempotency-Key": "e"})
        second = (await desk.client.post("/api/ingest", json=ask)).json()
        shown = (await desk.client.get(f"/api/videos/{first['video_id']}")).json()

    assert (first["status"], second["status"]) == ("requested", "requested")
    assert second["video_id"] == first["video_id"]
    assert shown["state"] == "downloading"


async def test_a_stream_that_was_lost_is_given_back_word_for_word_by_the_database(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "refilled") as here:
        async with start(here.settings) as desk:
            gone, film = await told_film(desk, story), await told_film(desk, story)
            await desk.client.post(f"/api/videos/{gone.video_id}/erase", json={}, headers={"Idempotency-Key": "e"})
            told = await desk.application.bus.history(film.video_id)
            rows, last = await desk.rows(), await desk.application.bus.last_sequence()
        here.nats.kill()
        shutil.rmtree(here.nats.data_dir / "jetstream")
        here.nats.start()
        engine = make_engine(here.settings)

        count = await refill(settings=here.settings, engine=engine)
        await migrate_streams(here.settings)
        with pytest.raises(StreamNotEmpty):
            await refill(settings=here.settings, engine=engine)
        async with start(here.settings) as desk:
            given_back = await desk.application.bus.history(film.video_id)
            same_last = await desk.application.bus.last_sequence()
            again = await desk.application.bus.publish(film.told[0])
            clip = film.clip_id(120, 300)
            verdict = await desk.client.post(
                f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": "3"}
            )
        await rebuild(engine)
        async with start(here.settings) as desk:
            events = {
                (e["sequence"], e["at"])
                for e in (await desk.client.get(f"/api/videos/{film.video_id}")).json()["events"]
            }
        await engine.dispose()

    assert count == len(told) + 1  # and what is left of the erased one
    assert [(m.sequence, m.subject, m.headers, m.data) for m in given_back] == [
        (m.sequence, m.subject, m.headers, m.data) for m in told
    ]
    assert all(  # the server's own clock has nanoseconds, which two ways of asking round differently
        abs(now.stored_at - then.stored_at) < timedelta(milliseconds=1)
        for now, then in zip(given_back, told, strict=True)
    )
    assert same_last == last
    assert again.duplicate
    assert verdict.status_code == 200, verdict.text
    assert len(rows["projection.event"]) == count
    assert {e[0] for e in events} >= {m.sequence for m in told}


KEPT = ("upload", "setting", "webhook", "account", "token", "audit")


async def app_rows(engine: AsyncEngine) -> dict[str, list[str]]:
    """What of the database is kept beside the facts, as text."""
    async with engine.connect() as connection:
        return {
            table: [row[0] for row in await connection.execute(text(f"SELECT t::text FROM app.{table} t ORDER BY 1"))]  # noqa: S608 - names of a constant
            for table in KEPT
        }


async def test_a_backup_restored_elsewhere_comes_to_the_same_rows(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    async with place(tmp_path, settings, "kept") as here, place(tmp_path, settings, "restored") as there:
        async with start(here.settings) as desk:
            film, app, store = await told_film(desk, story), desk.application, desk.application.desk.gate.store
            await app.desk.personal.keep_settings("ana", {"speed": 1.5})
            await Webhooks(app.engine).attempt(uuid4(), film.video_id, claim_s=60)
            ana = await store.add("ana", "Ana", [Role.LEAD], password="$argon2id$of-ana")
            _, word = await store.make_token(ana.id, "script", [Role.LEAD], days=3)
            for action in ("first", "second"):
                await app.desk.audit.note(Deed("ana", "token", "127.0.0.1", action, "", 200, {"why": ["so"]}))
            async with app.engine.begin() as connection:
                await connection.execute(
                    insert(schema.upload).values(
                        key="uploads/ana/file-0.mp4", bytes=3, sha256="0" * 64, name="a", by="ana"
                    )
                )
            last = await app.bus.last_sequence()
            await backup(folder, bus=app.bus, engine=app.engine, store=app.desk.objects.store)
            rows, beside = await desk.rows(), await app_rows(app.engine)
        bus, engine = Bus(there.settings, source="test"), make_engine(there.settings)
        await bus.connect()
        audit, accounts = Audit(engine), Store(engine, session_s=60, idle_s=60)
        await accounts.add("ana", "Somebody", [Role.OPS], password=None)
        await audit.note(Deed("setup", "token", "127.0.0.1", "meanwhile", "", 200))

        done = await restore(folder, settings=there.settings, bus=bus, engine=engine)

        await migrate_streams(there.settings)
        await audit.note(Deed("ana", "token", "127.0.0.1", "afterwards", "", 200))
        deeds = [one.deed.action for one in await audit.entries(before=None, actor=None, limit=100)]
        who = await accounts.by_token(word)
        restored_beside = await app_rows(engine)
        async with start(there.settings) as desk:
            await desk.application.passed.wait_for(last, timeout_s=60)
            restored = await desk.rows()
        modes = {path.stat().st_mode & 0o777 for path in (folder, *folder.glob("*.gz"))}
        (folder / "facts.jsonl.gz").write_bytes(b"changed")
        with pytest.raises(BadBackup, match="is not what was written"):
            await restore(folder, settings=there.settings, bus=bus, engine=engine)
        await bus.close()
        await engine.dispose()

    assert (done.facts, done.objects, done.last_sequence) == (last, 1, last)
    assert restored == rows
    assert all(beside[table] for table in KEPT)
    assert {**restored_beside, "audit": beside["audit"]} == beside
    assert set(restored_beside["audit"]) > set(beside["audit"])
    assert deeds == ["afterwards", "meanwhile", "second", "first"]
    assert who is not None
    assert who.id == str(ana.id)
    assert modes == {0o700, 0o600}


async def test_a_backup_of_the_first_format_is_restored(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    upload = {"key": "uploads/ana/file-0.mp4", "bytes": 3, "sha256": None, "name": "a", "by": "ana"}
    upload["uploaded_at"] = "2026-01-02T03:04:05+00:00"
    async with place(tmp_path, settings, "firstkept") as here, place(tmp_path, settings, "firstrestored") as there:
        async with start(here.settings) as desk:
            app = desk.application
            await told_film(desk, story)
            await backup(folder, bus=app.bus, engine=app.engine, store=app.desk.objects.store)
        line = json.dumps({"table": "app.upload", "row": upload}) + "\n"
        (folder / "rows.jsonl.gz").write_bytes(gzip.compress(line.encode()))
        written = json.loads((folder / "backup.json").read_text())
        written["format"], written["counts"]["rows"] = 1, 1
        written["sha256"]["rows"] = hashlib.sha256((folder / "rows.jsonl.gz").read_bytes()).hexdigest()
        (folder / "backup.json").write_text(json.dumps(written))
        bus, engine = Bus(there.settings, source="test"), make_engine(there.settings)
        await bus.connect()

        done = await restore(folder, settings=there.settings, bus=bus, engine=engine)

        beside = await app_rows(engine)
        await bus.close()
        await engine.dispose()

    assert done.rows == 1
    assert {table: len(found) for table, found in beside.items()} == {table: int(table == "upload") for table in KEPT}


async def findings(desk: Any, **how: Any) -> list[Finding]:
    objects = desk.application.desk.objects
    fsck = Fsck(
        desk.application.bus,
        desk.application.engine,
        objects.store,
        objects,
        **{"repair": False, "deep": False, "young_s": -60, **how},
    )
    return [one async for one in fsck.run()]


async def test_fsck_finds_what_does_not_agree_and_mends_what_it_can(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "checked") as here, start(here.settings) as desk:
        film = story()
        requested = film.requested()
        film.source = await desk.application.desk.objects.put_bytes(b"a film", f"videos/{film.video_id}/source-0.mp4")
        film.downloaded(requested)
        await desk.publish(film)
        store = desk.application.desk.objects.store
        before = await findings(desk, deep=True)

        await desk.application.desk.objects.put_bytes(b"nobody's", f"videos/{film.video_id}/left-0.mp4")
        store.begin_parts("uploads/films/half.mp4", content_type="video/mp4")
        other = tmp_path / "other"
        other.write_bytes(b"b film")
        store.put(other, film.source.key, content_type="video/mp4", sha256=hashlib.sha256(b"b film").hexdigest())
        async with await psycopg.AsyncConnection.connect(here.dsn, autocommit=True) as connection:
            await connection.execute("UPDATE projection.video SET title = 'something else'")
            await connection.execute("DELETE FROM facts.message WHERE sequence = 1")
        found = await findings(desk)
        mended = await findings(desk, repair=True)
        await desk.application.passed.wait_for(await desk.application.bus.last_sequence(), timeout_s=60)
        left = await findings(desk)
        asked = [m.subject.split(".")[2] for m in await desk.application.bus.history(film.video_id)]

    assert before == []
    said = {(one.check, one.what.split(" ")[0]) for one in found}
    assert said == {
        ("uploads", "an"),
        ("facts", "message"),
        ("tables", "the"),
        ("objects", film.source.key),
        ("objects", f"videos/{film.video_id}/left-0.mp4"),
    }
    assert all(one.mended is None for one in found)
    assert [one.mended for one in mended if one.check == "uploads"] == ["dropped"]
    assert [one.mended for one in mended if one.check == "facts"] == ["copied from the stream"]
    assert {one.mended for one in mended if one.check == "objects"} == {
        "deleted",
        "download was asked to make it again",
    }
    assert asked == ["requested", "downloaded", "requested"]
    assert [one.check for one in left] == ["objects"]  # nobody downloads here


async def test_the_claim_of_a_video_that_is_here_is_no_finding_and_that_of_an_erased_one_is(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "claimed") as here, start(here.settings) as desk:
        objects, (kept, erased) = desk.application.desk.objects, [story(), story()]
        for film in (kept, erased):
            film.requested()
            await desk.publish(film)
        await desk.client.post(f"/api/videos/{erased.video_id}/erase", json={}, headers={"Idempotency-Key": "e"})
        claims = [content_key(hashlib.sha256(film.video_id.bytes).hexdigest()) for film in (kept, erased)]
        for film, key in zip((kept, erased), claims, strict=True):
            await objects.write_json(key, {"video_id": str(film.video_id), "source": "videos/a/source-0.mp4"})

        found = await findings(desk)
        await findings(desk, repair=True)
        left = [one.key for one in objects.store.listed()]

    assert [one.what for one in found] == [f"{claims[1]} is in the store, and no fact names it"]
    assert left == [claims[0]]


class Losing(S3Store):
    """A store from which somebody else deletes an object as soon as it is listed."""

    lost = ""

    def listed(self, prefix: str = "") -> Iterator[Listed]:
        found = list(super().listed(prefix))
        self.delete(self.lost)
        return iter(found)


async def test_of_what_lies_in_cold_storage_a_deep_look_reads_what_it_was_stored_as(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)  # SeaweedFS freezes nothing
    server.start()
    host, port = server.get_host_and_port()
    elsewhere = settings.model_copy(update={"s3_endpoint": f"http://{host}:{port}"})
    try:
        async with place(tmp_path, elsewhere, "frozen") as here, start(here.settings) as desk:
            store = Losing(here.settings)
            films = [story() for _ in range(4)]
            stored = ((b"a film", "GLACIER"), (b"another", "GLACIER"), (b"a film", None), (b"a film", None))
            for film, (stored_as, storage_class) in zip(films, stored, strict=True):
                (tmp_path / "film").write_bytes(b"a film")
                film.source = ref_of(b"a film", f"videos/{film.video_id}/source-0.mp4")
                store.put(
                    tmp_path / "film",
                    film.source.key,
                    content_type="video/mp4",
                    sha256=hashlib.sha256(stored_as).hexdigest(),
                    storage_class=storage_class,
                )
                film.downloaded(film.requested())
                await desk.publish(film)
            store.lost = films[2].source.key
            fsck = Fsck(
                desk.application.bus,
                desk.application.engine,
                store,
                desk.application.desk.objects,
                repair=False,
                deep=True,
            )

            found = [one.what async for one in fsck.objects()]
    finally:
        server.stop()

    digests = [hashlib.sha256(data).hexdigest()[:12] for data in (b"another", b"a film")]
    assert sorted(found) == sorted(
        [
            f"{films[1].source.key} has the sha256 {digests[0]}, its fact says {digests[1]}",
            f"{films[2].source.key} is not in the store",
        ]
    )


async def test_tables_that_were_changed_are_made_again_while_nothing_projects(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "mended") as here:
        async with start(here.settings) as desk:
            await desk.publish(story().ready([30]))
            rows = await desk.rows()
        async with await psycopg.AsyncConnection.connect(here.dsn, autocommit=True) as connection:
            await connection.execute("UPDATE projection.clip SET note = 'something else'")
        bus, engine = Bus(here.settings, source="test"), make_engine(here.settings)
        await bus.connect()
        fsck = Fsck(bus, engine, None, None, repair=True, deep=False)  # type: ignore[arg-type]  # this look needs no store

        found = [one async for one in fsck.facts_and_tables()]

        await bus.close()
        await engine.dispose()
        async with start(here.settings) as desk:
            after = await desk.rows()

    assert [one.mended for one in found] == ["the projection was made again"]
    assert after == rows


async def test_what_the_projector_passed_is_no_finding(
    settings: Settings, start: Any, story: Any, tmp_path: Path
) -> None:
    async with place(tmp_path, settings, "passed") as here, start(here.settings) as desk:
        huge, film = story(frames=(2**40, 5)), story()
        downloaded = huge.downloaded(huge.requested())
        for segment in huge.segments():
            huge.detected(segment, [2**39], downloaded)
        film.requested()
        await desk.publish(huge)
        await desk.publish(film)
        bus = desk.application.bus
        ack = await bus.publish_raw(f"heaters.clip.skipped.v1.bulk.{film.video_id.hex}", {}, b"{}")
        await desk.application.passed.wait_for(ack.sequence, timeout_s=60)
        passed = await desk.application.desk.queries.unreadable()
        fsck = Fsck(bus, desk.application.engine, None, None, repair=False, deep=False)  # type: ignore[arg-type]  # as above

        found = [one async for one in fsck.facts_and_tables()]

    assert passed >= 2
    assert found == []
