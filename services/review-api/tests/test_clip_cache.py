"""The cache of finished clips: its size, its age, and what it leaves of the disk."""

import logging
import os
import time
from pathlib import Path

import pytest
from heaters_edges.telemetry import REGISTRY
from heaters_review_api.clip_cache import ClipCache

WEEK_S = 7 * 24 * 3600


def cache_in(folder: Path, *, limit_bytes: int = 1000, age_s: float = WEEK_S, free_space_bytes: int = 0) -> ClipCache:
    return ClipCache(folder, limit_bytes=limit_bytes, age_s=age_s, free_space_bytes=free_space_bytes)


def played_before(folder: Path, name: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder / f"{name}.mp4", (then, then))


def total(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"heaters_playback_cache_{name}", labels) or 0.0


def test_what_is_kept_is_given_again_by_another_process_too(tmp_path: Path) -> None:
    kept = cache_in(tmp_path).put("a", b"clip")

    assert kept
    assert cache_in(tmp_path).get("a") == b"clip"
    assert cache_in(tmp_path).get("b") is None


def test_the_least_recently_played_goes_first(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    for n, name in enumerate("abc"):
        cache.put(name, bytes(300))
        played_before(tmp_path, name, 30 - n)
    assert cache.get("a") == bytes(300)  # played now

    cache.put("d", bytes(300))

    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000


def test_a_clip_larger_than_the_cache_is_not_kept_and_pushes_nothing_out(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.put("a", bytes(900))
    refused = total("refused_total")

    kept = cache.put("b", bytes(1001))

    assert not kept
    assert cache.get("a") == bytes(900)
    assert total("refused_total") == refused + 1


def test_a_sweep_removes_what_nobody_plays_any_more(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    for name in ("old", "young"):
        cache.put(name, b"clip")
    played_before(tmp_path, "old", WEEK_S + 60)
    played_before(tmp_path, "young", WEEK_S - 60)

    swept = cache.sweep()

    assert (swept.removed_old, swept.clips, swept.bytes) == (1, 1, 4)
    assert (cache.get("old"), cache.get("young")) == (None, b"clip")


def test_a_sweep_removes_what_a_killed_writer_left_and_nothing_that_is_being_written(tmp_path: Path) -> None:
    for name, age_s in ((".a.mp4.1.x", 3600), (".b.mp4.1.x", 1)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)

    swept = cache_in(tmp_path).sweep()

    assert swept.removed_orphans == 1
    assert [path.name for path in tmp_path.iterdir()] == [".b.mp4.1.x"]


def test_a_nearly_full_disk_is_not_filled_and_gets_its_space_back(tmp_path: Path) -> None:
    roomy = cache_in(tmp_path)
    roomy.put("a", bytes(500))
    nearly_full = cache_in(tmp_path, free_space_bytes=1 << 62)

    kept = nearly_full.put("b", b"clip")
    swept = nearly_full.sweep()

    assert not kept
    assert (swept.removed_for_space, swept.clips, swept.bytes) == (1, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_tells_what_it_found_as_metrics_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_in(tmp_path)
    cache.put("a", bytes(70))
    hits, misses = (total("lookups_total", outcome=outcome) for outcome in ("hit", "miss"))
    cache.get("a")
    cache.get("b")

    with caplog.at_level(logging.INFO):
        cache.sweep()

    [told] = [r for r in caplog.records if r.message == "the playback cache was swept"]
    assert (vars(told)["clips"], vars(told)["bytes"]) == (1, 70)
    assert (total("bytes"), total("clips")) == (70, 1)
    assert total("lookups_total", outcome="hit") == hits + 1
    assert total("lookups_total", outcome="miss") == misses + 1
    assert total("free_bytes") > 0
