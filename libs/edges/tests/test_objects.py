"""The node's artifact cache: nothing is fetched twice, nothing half-written is seen, and no reader loses its file."""

import asyncio
import hashlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from heaters_contracts.objects import ObjectRef
from heaters_edges import job as jobs
from heaters_edges.failure import Busy, MissingObject, NoSpace, TryLater, Unavailable, WrongObject
from heaters_edges.fakes import FolderStore
from heaters_edges.objects import Objects
from heaters_edges.settings import Settings
from heaters_edges.store import S3Store, Store
from heaters_edges.telemetry import REGISTRY
from pydantic import SecretStr

LONG_AGO_S = 2 * 3600


def ledger(what: str, **labels: str) -> int:
    """What the ledger of S3 counts, over all labels that are not named."""
    return int(
        sum(
            sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == f"heaters_s3_{what}_total" and labels.items() <= sample.labels.items()
        )
    )


class Counted:
    """How often a store was asked, by operation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before = {operation: self._total(operation) for operation in ("put", "get", "get_range", "head")}

    def _total(self, operation: str) -> int:
        if isinstance(self._store, FolderStore):
            return sum(1 for asked, _ in self._store.requests if asked == operation)
        return ledger("requests", operation=operation)

    def __getattr__(self, operation: str) -> int:
        return self._total(operation) - self._before[operation]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    real: S3Store = request.getfixturevalue("bucket")
    return real


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def node(store: Store, tmp_path: Path, name: str = "node", **limits: Any) -> Objects:
    return Objects(store, tmp_path / name, **{"limit_bytes": 1 << 30, **limits})


def key_of(data: bytes, name: str) -> str:
    return f"tests/{name}-{hashlib.sha256(data).hexdigest()[:16]}.bin"


async def stored(objects: Objects, data: bytes, name: str = "object") -> ObjectRef:
    return await objects.put_bytes(data, key_of(data, name))


def fresh() -> bytes:
    return os.urandom(32)


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def test_what_a_node_stored_it_reads_without_a_request(store: Store, tmp_path: Path) -> None:
    objects, data = node(store, tmp_path), fresh()
    ref = await stored(objects, data)
    asked = Counted(store)

    read = await objects.read(ref)
    part = await objects.read_range(ref, 4, 8)

    assert (read, part) == (data, data[4:12])
    assert (asked.get, asked.get_range, asked.head) == (0, 0, 0)


async def test_another_node_fetches_an_object_once(store: Store, tmp_path: Path) -> None:
    data = fresh()
    ref = await stored(node(store, tmp_path), data)
    other = node(store, tmp_path, "other")
    asked = Counted(store)

    async with other.local(ref, ref) as (one, two):
        assert one.read_bytes() == two.read_bytes() == data
    assert await other.read(ref) == data

    assert asked.get == 1


async def test_containers_of_one_node_share_what_they_hold(store: Store, tmp_path: Path) -> None:
    data = fresh()
    ref = await stored(node(store, tmp_path), data)
    asked = Counted(store)

    assert await node(store, tmp_path).read(ref) == data

    assert asked.get == 0


async def test_putting_twice_is_one_put(store: Store, tmp_path: Path) -> None:
    objects, data = node(store, tmp_path), fresh()
    asked = Counted(store)

    first = await stored(objects, data)
    second = await stored(objects, data)

    assert first == second == ObjectRef(key=key_of(data, "object"), bytes=32, sha256=hashlib.sha256(data).hexdigest())
    assert asked.put == 1


async def test_what_the_store_has_lost_is_stored_again(store: Store, tmp_path: Path) -> None:
    # As when a video is erased and asked for again before this node has heard of it.
    objects, data = node(store, tmp_path), fresh()
    ref = await stored(objects, data)
    store.delete(ref.key)

    await stored(objects, data)

    assert await node(store, tmp_path, "other").read(ref) == data


@pytest.mark.parametrize("size_bytes", [1, 33 * 1024**2], ids=["small", "in parts"])
def test_a_store_that_refuses_a_file_of_any_size_is_unavailable(
    bucket: S3Store, settings: Settings, tmp_path: Path, size_bytes: int
) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(size_bytes)
    unknown = S3Store(settings.model_copy(update={"s3_secret_key": SecretStr("not our key")}))

    with pytest.raises(Unavailable, match="the object store refused put of tests/a: SignatureDoesNotMatch"):
        unknown.put(tmp_path / "file", "tests/a", content_type="a/b", sha256="0" * 64)


async def test_work_that_another_process_of_the_node_has_in_hand_is_waited_for(
    folder: FolderStore, tmp_path: Path
) -> None:
    with node(folder, tmp_path).begun("a film"), pytest.raises(Busy), node(folder, tmp_path).begun("a film"):
        pass


async def test_what_is_not_kept_is_stored_and_fetched_when_it_is_read(store: Store, tmp_path: Path) -> None:
    objects, data = node(store, tmp_path), fresh()
    (tmp_path / "file").write_bytes(data)
    asked = Counted(store)

    ref = await objects.put(tmp_path / "file", key_of(data, "master"), keep=False)
    read = await objects.read(ref)

    assert read == data
    assert (asked.put, asked.get) == (1, 1)


async def test_a_range_that_the_node_does_not_hold_is_one_ranged_get(store: Store, tmp_path: Path) -> None:
    data = fresh()
    ref = await stored(node(store, tmp_path), data)
    asked = Counted(store)

    part = await node(store, tmp_path, "other").read_range(ref, 30, 2)

    assert part == data[30:]
    assert (asked.get, asked.get_range) == (0, 1)


@pytest.mark.parametrize("name", ["node", "other"], ids=["held", "not held"])
@pytest.mark.parametrize(("offset", "length"), [(30, 3), (32, 1), (100, 5)])
async def test_a_range_past_the_end_is_a_wrong_object(
    store: Store, tmp_path: Path, name: str, offset: int, length: int
) -> None:
    ref = await stored(node(store, tmp_path), fresh())

    with pytest.raises(WrongObject, match=rf"bytes at {offset} where {length} were asked"):
        await node(store, tmp_path, name).read_range(ref, offset, length)


async def test_a_missing_object_is_missing_and_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    objects = node(store, tmp_path)
    ref = ObjectRef(key=key_of(fresh(), "none"), bytes=1, sha256="0" * 64)

    with pytest.raises(MissingObject):
        await objects.read(ref)
    with pytest.raises(MissingObject):
        await objects.describe(ref.key)

    assert files_below(tmp_path / "node") == set()


async def test_an_object_is_described_by_its_key(store: Store, tmp_path: Path) -> None:
    data = fresh()
    ref = await stored(node(store, tmp_path), data)
    asked = Counted(store)

    assert await node(store, tmp_path, "other").describe(ref.key) == ref

    assert (asked.head, asked.get) == (1, 0)


async def test_a_manifest_is_read_as_it_was_written_last(store: Store, tmp_path: Path) -> None:
    objects, name = node(store, tmp_path), f"manifests/test/{hashlib.sha256(fresh()).hexdigest()}.json"

    before = await objects.read_json(name)
    await objects.write_json(name, [{"a": 1}])
    await objects.write_json(name, {"ü": [1, None]})

    assert before is None
    assert await objects.read_json(name) == {"ü": [1, None]}


# --- what comes is checked, and seen only whole ------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [b"x" * 32, b"x" * 33], ids=["another content", "too long"])
async def test_another_content_than_the_fact_promised_is_refused_and_not_kept(
    folder: FolderStore, tmp_path: Path, wrong: bytes
) -> None:
    ref = await stored(node(folder, tmp_path), fresh())
    (tmp_path / "store" / ref.key).write_bytes(wrong)
    other = node(folder, tmp_path, "other")

    with pytest.raises(WrongObject, match=rf"{ref.key} has {len(wrong)} bytes and sha256 .* its fact says 32 and"):
        await other.read(ref)

    assert files_below(tmp_path / "other") == set()


async def test_an_object_that_comes_cut_short_is_tried_later_and_then_read(folder: FolderStore, tmp_path: Path) -> None:
    data = fresh()
    ref = await stored(node(folder, tmp_path), data)
    other = node(folder, tmp_path, "other")
    (tmp_path / "store" / ref.key).write_bytes(data[:20])

    with pytest.raises(TryLater, match="came cut short: 20 of 32 bytes"):
        await other.read(ref)
    left = files_below(tmp_path / "other")
    (tmp_path / "store" / ref.key).write_bytes(data)

    assert left == set()
    assert await other.read(ref) == data


class Tears(FolderStore):
    """A store whose first answer breaks off in the middle."""

    torn = False

    def get(self, key: str, path: Path) -> None:
        super().get(key, path)
        if not self.torn:
            self.torn = True
            path.write_bytes(path.read_bytes()[:10])
            raise Unavailable("the connection broke")


async def test_a_fetch_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    store, data = Tears(tmp_path / "store"), fresh()
    ref = await stored(node(store, tmp_path), data)
    other = node(store, tmp_path, "other")

    with pytest.raises(Unavailable):
        await other.read(ref)
    left = files_below(tmp_path / "other")

    assert left == set()
    assert await other.read(ref) == data


async def test_many_readers_at_once_all_see_the_whole_object(store: Store, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    ref = await stored(node(store, tmp_path), data)
    other = node(store, tmp_path, "other")

    everyone = await asyncio.gather(*(other.read(ref) for _ in range(8)))

    assert all(read == data for read in everyone)
    assert files_below(tmp_path / "other" / "objects") == {Path(ref.key).name}


async def test_a_cached_file_that_lost_bytes_is_fetched_again(folder: FolderStore, tmp_path: Path) -> None:
    objects, data = node(folder, tmp_path), fresh()
    ref = await stored(objects, data)
    os.truncate(tmp_path / "node" / "objects" / ref.key, 5)

    assert await objects.read(ref) == data


async def test_a_job_knows_what_it_read_and_wrote(folder: FolderStore, tmp_path: Path) -> None:
    job = jobs.Job("test", deadline_s=30, memory_bytes=1 << 30)
    jobs.begin(job)
    objects = node(folder, tmp_path)

    ref = await stored(objects, fresh())
    await objects.read(ref)
    await objects.read_range(ref, 0, 10)

    assert (job.written_bytes, job.read_bytes) == (32, 42)


async def test_a_look_up_is_a_hit_or_a_miss_and_never_both(folder: FolderStore, tmp_path: Path) -> None:
    def lookups(outcome: str) -> float:
        return REGISTRY.get_sample_value("heaters_cache_lookups_total", {"outcome": outcome}) or 0

    ref = await stored(node(folder, tmp_path), fresh())
    other = node(folder, tmp_path, "other")
    hits, misses = lookups("hit"), lookups("miss")

    await other.read(ref)
    await other.read(ref)
    await other.read(ref)

    assert (lookups("hit") - hits, lookups("miss") - misses) == (2, 1)


# --- a limited cache ---------------------------------------------------------------------------------------------------


async def three_objects(objects: Objects, cache: Path) -> list[ObjectRef]:
    """Three of 1000 bytes, an hour between their last uses, the first the longest ago."""
    refs = []
    for number in range(3):
        refs.append(await stored(objects, os.urandom(1000), f"n{number}"))
        used = time.time() - (3 - number) * 3600
        os.utime(cache / "objects" / refs[-1].key, (used, used))
    return refs


async def test_the_least_recently_used_goes_first(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path, limit_bytes=3000)
    first, second, third = await three_objects(objects, tmp_path / "node")
    await objects.read(first)

    fourth = await stored(objects, os.urandom(1000), "n3")
    asked = Counted(folder)
    for ref in (first, third, fourth):
        await objects.read(ref)
    held = asked.get
    await objects.read(second)

    assert held == 0
    assert asked.get == 1


async def test_what_was_just_made_is_used_just_now_whatever_time_its_file_has(
    folder: FolderStore, tmp_path: Path
) -> None:
    objects = node(folder, tmp_path, limit_bytes=3000)
    old, *_ = await three_objects(objects, tmp_path / "node")
    made = tmp_path / "downloaded"
    made.write_bytes(os.urandom(1000))
    os.utime(made, (0, 0))  # as a site said that it was changed

    ref = await objects.put(made, "tests/downloaded.bin")
    asked = Counted(folder)
    await objects.read(ref)
    held = asked.get
    await objects.read(old)

    assert held == 0
    assert asked.get == 1


async def test_what_a_job_reads_is_never_put_out_of_the_cache(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path, limit_bytes=1500)
    data = os.urandom(1000)
    ref = await stored(objects, data)
    cached = tmp_path / "node" / "objects" / ref.key

    async with objects.local(ref) as (path,):
        os.utime(path, (0, 0))  # nothing was used longer ago
        other = await stored(objects, os.urandom(1000), "other")
        objects.sweep()
        kept, put_out = cached.exists(), not (tmp_path / "node" / "objects" / other.key).exists()
        read = path.read_bytes()
    objects.sweep()

    assert kept
    assert put_out
    assert read == data
    assert not path.exists()


async def test_a_cache_is_brought_under_its_limit_by_what_is_fetched_too(folder: FolderStore, tmp_path: Path) -> None:
    refs = [await stored(node(folder, tmp_path), os.urandom(1000), f"n{number}") for number in range(6)]
    small = node(folder, tmp_path, "small", limit_bytes=2500)

    for ref in refs:
        await small.read(ref)

    assert small.sweep() <= 2500
    assert len(files_below(tmp_path / "small" / "objects")) == 2


async def test_an_object_larger_than_the_cache_is_told_as_such(folder: FolderStore, tmp_path: Path) -> None:
    ref = await stored(node(folder, tmp_path), os.urandom(1000))
    tiny = node(folder, tmp_path, "tiny", limit_bytes=100)

    with pytest.raises(TryLater, match="is it far too small"):
        await tiny.read(ref)


# --- sweeping ----------------------------------------------------------------------------------------------------------


def age(path: Path, seconds: float = LONG_AGO_S) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_sweep_removes_what_dead_processes_left(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    desk = tmp_path / "node" / "work" / "left"
    desk.mkdir()
    (desk / "0.mp4").write_bytes(b"x" * 1000)
    half = tmp_path / "node" / "objects" / "videos" / ".source.mp4.4711.abcd"
    half.parent.mkdir()
    half.write_bytes(b"x" * 1000)
    age(desk)
    age(half)

    objects.sweep()

    assert not desk.exists()
    assert not half.exists()


def test_a_sweep_leaves_alone_who_still_works(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path, limit_bytes=1)
    half = tmp_path / "node" / "objects" / ".source.mp4.4711.abcd"
    half.write_bytes(b"x" * 1000)

    with objects.desk() as desk:
        (desk / "result").write_bytes(b"mine")
        age(desk)
        node(folder, tmp_path, limit_bytes=1).sweep()  # another container of the node
        kept = (desk / "result").read_bytes()

    assert kept == b"mine"
    assert not desk.exists()
    assert half.exists()


def test_a_desk_that_is_just_being_made_is_left_alone(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    young = tmp_path / "node" / "work" / "young"
    young.mkdir()

    objects.sweep()

    assert young.exists()


async def test_a_sweep_tells_the_size_of_the_cache(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    await stored(objects, os.urandom(1000), "a")
    await stored(objects, os.urandom(500), "b")

    assert objects.sweep() == 1500
    assert REGISTRY.get_sample_value("heaters_cache_bytes") == 1500


async def test_work_that_would_fill_the_disk_waits_with_the_figures(folder: FolderStore, tmp_path: Path) -> None:
    ref = await stored(node(folder, tmp_path), fresh())
    disk = shutil.disk_usage(tmp_path)
    reserve = (disk.free + disk.total) // 2
    full = node(folder, tmp_path, "full", free_space_bytes=reserve)

    with pytest.raises(NoSpace, match=rf"MiB are needed beside a reserve of {reserve >> 20} MiB"):
        await full.read(ref)
    with pytest.raises(NoSpace, match="MiB are free on the disk"):
        full.require_space(0)
    node(folder, tmp_path).require_space(0)

    assert files_below(tmp_path / "full") == set()


def test_work_for_which_the_empty_disk_were_too_small_does_not_wait(folder: FolderStore, tmp_path: Path) -> None:
    total = shutil.disk_usage(tmp_path).total

    with pytest.raises(TryLater, match=f"and it has {total >> 20} MiB in all"):
        node(folder, tmp_path).require_space(total + 1)


def test_too_little_room_for_a_job_is_shown_until_there_is_enough(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    free = shutil.disk_usage(tmp_path).free

    said = []
    for needed in (2 * free, 1, None):
        objects.ran_short(NoSpace(f"{needed} are needed", needed_bytes=needed))
        said.append((objects.no_space(), REGISTRY.get_sample_value("heaters_no_space")))

    assert said == [(f"{2 * free} are needed", 1), (None, 0), ("None are needed", 1)]


def test_several_workers_of_a_node_forget_a_video_at_once(folder: FolderStore, tmp_path: Path) -> None:
    workers = [node(folder, tmp_path) for _ in range(2)]
    files = tmp_path / "node" / "objects" / "videos" / "v"

    for _ in range(40):
        for number in range(30):
            (files / str(number)).mkdir(parents=True)
            (files / str(number) / "file").touch()
        with ThreadPoolExecutor(2) as pool:
            gone = list(pool.map(lambda one: one.forget("videos/v/"), workers))
        assert sum(gone) == 30
        assert not files.exists()


async def test_what_is_forgotten_is_fetched_again_and_its_neighbours_are_not(
    folder: FolderStore, tmp_path: Path
) -> None:
    objects = node(folder, tmp_path)
    gone, stays = (
        await stored(objects, os.urandom(10), "videos/a/x"),
        await stored(objects, os.urandom(10), "videos/ab/x"),
    )

    count = objects.forget("tests/videos/a/")

    assert count == 1
    assert not (tmp_path / "node" / "objects" / gone.key).exists()
    assert (tmp_path / "node" / "objects" / stays.key).exists()


async def test_what_is_left_of_an_erased_video_and_its_upload_is_forgotten(folder: FolderStore, tmp_path: Path) -> None:
    objects, video = node(folder, tmp_path), uuid4()
    made, sent, other = [
        await objects.put_bytes(fresh(), key)
        for key in (f"videos/{video}/a.bin", "uploads/me/a.mp4", "uploads/me/b.mp4")
    ]
    for name in (f"{video}-0123", f"{uuid4()}-0123"):
        (tmp_path / "node" / "masters" / name).mkdir(parents=True)
    folder.delete(sent.key)

    objects.forget_video(video)
    count = objects.forget_lost("uploads/")

    assert count == 1
    assert objects.cached("") == [other.key]
    assert made.key not in objects.cached("videos/")
    assert [path.name.startswith(str(video)) for path in (tmp_path / "node" / "masters").iterdir()] == [False]


async def test_folders_in_which_nothing_lies_any_more_are_swept(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    gone, stays = (tmp_path / "node" / "objects" / "videos" / name for name in ("gone", "stays"))
    ref = await objects.put_bytes(fresh(), "videos/stays/a.bin")
    gone.mkdir()
    for path in (gone, stays):
        age(path)

    objects.sweep()

    assert not gone.exists()
    assert await objects.read(ref) == (stays / "a.bin").read_bytes()


async def test_pieces_of_a_master_that_nobody_goes_on_with_are_swept(folder: FolderStore, tmp_path: Path) -> None:
    objects = node(folder, tmp_path)
    masters = tmp_path / "node" / "masters"
    for name in ("old", "new"):
        (masters / name).mkdir(parents=True)
        (masters / name / "0.mkv").write_bytes(b"1")
    three_days_ago = time.time() - 3 * 24 * 3600
    for path in (masters / "old" / "0.mkv", masters / "old"):
        os.utime(path, (three_days_ago, three_days_ago))

    objects.sweep()

    assert [path.name for path in masters.iterdir()] == ["new"]


async def test_the_ledger_says_which_stage_moved_what(bucket: S3Store, tmp_path: Path) -> None:
    objects = node(bucket, tmp_path)
    jobs.begin(jobs.Job("polish", 60, 1 << 30))

    ref = await stored(objects, b"12345", f"{uuid4()}")
    await objects.put_bytes(b"12345", ref.key)  # the same again is not sent again
    await objects.read(ref)  # what the node holds is not fetched
    objects.forget("tests/")
    await objects.read(ref)

    assert {op: ledger("requests", stage="polish", operation=op) for op in ("put", "get", "head")} == {
        "put": 1,
        "get": 1,
        "head": 1,  # whether the store has it still
    }
    assert ledger("bytes", stage="polish", operation="get") == ledger("bytes", stage="polish", operation="put") == 5
