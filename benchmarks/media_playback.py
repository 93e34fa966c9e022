"""A clip for a player out of a ten-minute proxy in a real object store, beside an ffmpeg command that copies the same clip."""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from heaters_edges.store import S3Store
from heaters_media.ledger import Packets
from heaters_media.playback import mux_playback, plan_playback
from heaters_media.sample import RATE, render_sample

from benchmarks._media import WHOLE, cpu, enlarged, ffmpeg, make, repeated
from benchmarks._servers import servers
from benchmarks.harness import Claim, note, percentile

CLIPS, PEER_CLIPS = 200, 20
_KEY = "videos/bench/proxy.mp4"
_SECONDS, _REPEATED = 16, 40
"""A proxy of more than ten minutes in one object, and 16 seconds are a whole number of sound packets."""


def _long_proxy(folder: Path) -> tuple[Packets, Path]:
    film = folder / "sample.mp4"
    render_sample(film, seconds=_SECONDS)
    [(packets, proxy)] = make(enlarged(film, 1080), folder, lengths_s=WHOLE).parts
    long = repeated(packets, proxy, _REPEATED, folder / "long.mp4")
    [(index, _)] = make(long, folder, reuse=True, lengths_s=WHOLE).parts
    return index, long


def claims() -> Iterator[Claim]:
    """`playback`, `playback_gets`, `playback_bytes` and `playback_p95`."""
    dice = random.Random(4)
    with servers() as (folder, settings):
        packets, long = _long_proxy(folder)
        store = S3Store(settings)
        store.put(long, _KEY, content_type="video/mp4", sha256="0" * 64)
        packets.save(folder / "packets.npz")
        began_s = time.monotonic()
        packets = Packets.load(folder / "packets.npz")
        note(f"the ledger of {packets.frames} frames loads in {(time.monotonic() - began_s) * 1e3:.1f} ms, once")
        starts = [dice.randrange(packets.frames - 4 * RATE) for _ in range(CLIPS + 5)]

        gets, read, needed, walls = 0, 0, 0, list[float]()
        ours: list[float] = []
        for number, start in enumerate(starts):
            end = start + 4 * RATE - 1
            before, began_s = len(ours), time.monotonic()
            with cpu(ours):
                plan = plan_playback([packets], start, end)
                blobs = [store.get_range(_KEY, r.offset_bytes, r.length_bytes) for r in plan.reads]
                mux_playback(plan, blobs)
            if number < 5:
                del ours[before:]  # connections are being made
                continue
            walls.append((time.monotonic() - began_s) * 1e3)
            key = int(np.flatnonzero(packets.key[: start + 1])[-1])
            gets, read = gets + len(plan.reads), read + sum(r.length_bytes for r in plan.reads)
            needed += int(packets.size_bytes[key:end].sum())
        peer: list[float] = []
        address = store.url(_KEY, expires_s=600)
        for start in starts[:PEER_CLIPS]:
            ffmpeg(
                peer, "-ss", f"{start / RATE:.3f}", "-i", address, "-t", f"{4 - 1 / RATE:.3f}", "-c", "copy", "-an",
                "-movflags", "+faststart", folder / "peer.mp4",
            )  # fmt: skip
    note(
        f"clips of 4 s at random from {packets.frames / RATE / 60:.0f} minutes of 1080p, both out of the object store, both copied"
    )
    yield Claim("playback", statistics.mean(ours) * 1e3, statistics.mean(peer) * 1e3, "CPU ms", "lower", 1 / 12)
    yield Claim.absolute("playback_gets", gets / CLIPS, limit=1, unit="GETs", better="lower")
    yield Claim("playback_bytes", read / CLIPS, needed / CLIPS, "bytes", "lower", 1.2)
    yield Claim.absolute("playback_p95", percentile(walls, 95), limit=25, unit="ms", better="lower")
