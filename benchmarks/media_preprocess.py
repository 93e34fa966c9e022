"""One pass over a film with all that comes of it, beside the ffmpeg command that makes the same proxy and nothing else."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

from heaters_media.film import FilmKind, render_film
from heaters_media.plan import PlannedSegment
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW, ProxyProfile
from heaters_media.sample import RATE, render_sample

from benchmarks._media import WHOLE, cpu, encode_words, enlarged, ffmpeg, make, peak_mib, repeated, segments_of
from benchmarks.harness import Claim, note

REPETITIONS = 3
_SHORT, _MINUTES, _LONG = 1, 6, 15
"""How often the sample film is repeated: 40 seconds, four minutes, and ten."""


def _one(
    source: Path, piece: PlannedSegment, frames: int, folder: Path, profile: ProxyProfile, reuse: bool = False
) -> None:
    out = Path(tempfile.mkdtemp(dir=folder))
    preprocess(source, piece, total_frames=frames, out_dir=out, profile=profile, source_is_proxy=reuse)


def _nothing() -> None:
    import heaters_media.preprocess  # noqa: F401  # so that a worker has it before the clock starts


def _wall_s(source: Path, folder: Path, workers: int, profile: ProxyProfile, **division: object) -> float:
    """Wall time of a plan and all its segments in so many processes that are up already."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(_call_nothing, range(workers * 4)))
        began_s = time.monotonic()
        pieces, whole = segments_of(source, **division)
        jobs = [pool.submit(_one, source, piece, whole.frames, folder, profile) for piece in pieces]
        for job in jobs:
            job.result()
        return time.monotonic() - began_s


def _call_nothing(_: int) -> None:
    _nothing()


def _last_segment(source: Path, folder: Path) -> None:
    """Plan a film, and make its last four seconds."""
    pieces, whole = segments_of(source, first_s=4, longest_s=4)
    _one(source, pieces[-1], whole.frames, folder, REVIEW)


def _first_segment(source: Path, folder: Path) -> None:
    pieces, whole = segments_of(source)
    _one(source, pieces[0], whole.frames, folder, REVIEW)


def claims() -> Iterator[Claim]:
    """`preprocess`, `reuse`, `segments_wall` and `memory`."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-") as name:
        folder = Path(name)
        render_sample(folder / "sample.mp4")
        film = enlarged(folder / "sample.mp4", 720)
        [piece], whole = segments_of(film, lengths_s=WHOLE)

        ours: list[float] = []
        peer: list[float] = []
        for _ in range(REPETITIONS):
            with cpu(ours):
                _one(film, piece, whole.frames, folder, REVIEW)
            ffmpeg(
                peer, "-threads", "1", "-i", film, "-map", "0:v:0", "-map", "0:a:0", "-fps_mode", "passthrough",
                *encode_words(REVIEW, Fraction(RATE)), "-c:a", "aac", "-b:a", str(REVIEW.audio_bits_per_s),
                "-filter_threads", "1", "-movflags", "+faststart", folder / "peer.mp4",
            )  # fmt: skip
        yield Claim("preprocess", statistics.median(ours), statistics.median(peer), "CPU s", "lower", 1.10)

        [(packets, proxy)] = make(folder / "sample.mp4", folder / "made", lengths_s=WHOLE).parts
        [piece], whole = segments_of(proxy, lengths_s=WHOLE)
        reused: list[float] = []
        encoded: list[float] = []
        for _ in range(REPETITIONS):
            with cpu(reused):
                _one(proxy, piece, whole.frames, folder, REVIEW, reuse=True)
            with cpu(encoded):
                _one(proxy, piece, whole.frames, folder, REVIEW)
        yield Claim("reuse", statistics.median(reused), statistics.median(encoded), "CPU s", "lower", 0.25)

        two = replace(REVIEW, threads=2)
        divided, undivided = [], []
        minutes = repeated(packets, proxy, _MINUTES, folder / "minutes.mp4")
        for _ in range(REPETITIONS):
            divided.append(_wall_s(minutes, folder, 2, REVIEW))
            undivided.append(_wall_s(minutes, folder, 1, two, lengths_s=WHOLE))
        note("four minutes: segments of 4 s to a minute in two processes, beside one go with two threads, wall time")
        yield Claim("segments_wall", statistics.median(divided), statistics.median(undivided), "s", "lower", 0.85)

        short = repeated(packets, proxy, _SHORT, folder / "short.mp4")
        long = repeated(packets, proxy, _LONG, folder / "long.mp4")
        kind = FilmKind(frames=60, width_px=3840, height_px=2160, b_frames=2, gop_frames=30)
        large = render_film(folder / "large.mp4", kind)
        note(f"peak of a 4K film's segment: {peak_mib(_first_segment, large, folder):.0f} MiB, imports included")
        long_mib, short_mib = (peak_mib(_last_segment, source, folder) for source in (long, short))
        yield Claim("memory", long_mib, short_mib, "MiB", "lower", 1.10)
