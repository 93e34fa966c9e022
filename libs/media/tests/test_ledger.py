import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heaters_media.errors import BadLedger
from heaters_media.ledger import FrameTable, Packets
from heaters_media.tiny import Tiny
from hypothesis import given
from hypothesis import strategies as st

Make = Callable[[str, int], Any]


def table(*pts: int, end: int) -> FrameTable:
    return FrameTable(pts=np.array(pts, np.int64), time_base=Fraction(1, 1000), end_ticks=end)


def test_a_frame_is_shown_from_its_tick_until_the_next() -> None:
    known = table(40, 73, 107, 900, end=933)

    assert [known.frame_at(t) for t in (40, 72, 73, 899, 900, 932)] == [0, 0, 1, 2, 3, 3]
    assert [known.frame_at(t) for t in (-5, 39, 933, 10**9)] == [0, 0, 3, 3]
    assert [known.ticks_of(n) for n in range(5)] == [40, 73, 107, 900, 933]
    with pytest.raises(IndexError, match="frame 5"):
        known.ticks_of(5)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(-(10**12), 10**12))
def test_a_table_comes_back_as_it_was_saved(steps: list[int], first: int) -> None:
    import tempfile

    pts = [first + sum(steps[:n]) for n in range(len(steps))]
    known = table(*pts, end=pts[-1] + 7)

    with tempfile.TemporaryDirectory() as folder:
        known.save(Path(folder) / "table.npz")
        again = FrameTable.load(Path(folder) / "table.npz")

    assert again == known
    assert all(again.frame_at(again.ticks_of(n)) == n for n in range(again.frames))


def test_packets_come_back_as_they_were_saved(any_film: str, made: Make, tmp_path: Path) -> None:
    for part in made(any_film, 5).packets:
        part.save(tmp_path / "packets.npz")

        assert Packets.load(tmp_path / "packets.npz") == part
        assert Packets.load((tmp_path / "packets.npz").read_bytes()) == part


def test_the_ledger_of_four_hours_is_small_and_loads_at_once(tmp_path: Path) -> None:
    frames = 4 * 3600 * 25
    known = FrameTable(np.arange(frames, dtype=np.int64) * 512, Fraction(1, 12800), frames * 512)
    known.save(tmp_path / "table.npz")

    began = time.process_time()
    again = FrameTable.load(tmp_path / "table.npz")
    took_ms = (time.process_time() - began) * 1000

    assert again == known
    assert (tmp_path / "table.npz").stat().st_size < 20_000
    assert took_ms < 500


@pytest.mark.parametrize(("pts", "end"), [((), 1), ((0, 0), 5), ((3, 2), 5), ((0, 5), 5), ((0, 5), -1)])
def test_a_table_that_breaks_its_laws_is_refused(pts: tuple[int, ...], end: int) -> None:
    with pytest.raises(BadLedger):
        table(*pts, end=end)


def test_what_is_no_ledger_is_refused(made: Make, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    made("plain.mp4", 1).packets[0].save(path)
    whole = path.read_bytes()
    np.savez(tmp_path / "pickled.npz", pts=np.array([{"a": 1}], dtype=object))
    cases = [b"", b"text", whole[: len(whole) // 2], whole[:-30], (tmp_path / "pickled.npz").read_bytes()]

    for data in cases:
        for kind in (Packets, FrameTable, Tiny):
            with pytest.raises(BadLedger):
                kind.load(data)  # type: ignore[attr-defined]  # each of the three loads bytes
    with pytest.raises(BadLedger, match="no 'first'"):
        FrameTable.load(whole)


def test_a_ledger_with_flipped_bytes_is_refused_or_lawful(made: Make, tmp_path: Path) -> None:
    made("sound.mp4", 1).packets[0].save(tmp_path / "x.npz")
    whole = (tmp_path / "x.npz").read_bytes()

    for at in range(0, len(whole), max(1, len(whole) // 300)):
        broken = bytearray(whole)
        broken[at] ^= 0x55
        try:
            Packets.load(bytes(broken))
        except BadLedger:
            continue


def test_the_ledger_loads_no_decoder() -> None:
    code = "import sys, heaters_media.ledger, heaters_media.tiny; sys.exit('av' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
