"""What the media topics share: films, proxies, and what CPU time a piece of work took."""

import multiprocessing
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from heaters_media import mp4
from heaters_media.ledger import Packets
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.playback import Copied, video_track
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW, ProxyProfile

WHOLE = (Fraction(10**9),)


@dataclass(frozen=True, slots=True)
class Film:
    """A film with all its segments made.

    Attributes:
        source: the film.
        whole: its plan.
        parts: each segment's packet index, and the file that it names places in.
    """

    source: Path
    whole: Plan
    parts: tuple[tuple[Packets, Path], ...]


def segments_of(source: Path, **division: Any) -> tuple[list[PlannedSegment], Plan]:
    *pieces, whole = plan(source, **division)
    assert isinstance(whole, Plan)
    return [piece for piece in pieces if isinstance(piece, PlannedSegment)], whole


def make(source: Path, folder: Path, *, reuse: bool = False, **division: Any) -> Film:
    """All segments of a film, made one after the other in this process."""
    pieces, whole = segments_of(source, only_at_keys=reuse, **division)
    parts = []
    for piece in pieces:
        (out := folder / f"{source.stem}-{reuse}-{piece.index}").mkdir(parents=True)
        made = preprocess(source, piece, total_frames=whole.frames, out_dir=out, profile=REVIEW, source_is_proxy=reuse)
        parts.append((Packets.load(made.packets), made.proxy or source))
    return Film(source, whole, tuple(parts))


def enlarged(film: Path, height_px: int) -> Path:
    """The same film in a size that cameras have."""
    out = film.with_name(f"{film.stem}-{height_px}{film.suffix}")
    ffmpeg(
        [], "-i", film, "-vf", f"scale=-2:{height_px}", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "16",
        "-c:a", "copy", out,
    )  # fmt: skip
    return out


def repeated(packets: Packets, proxy: Path, times: int, out: Path) -> Path:
    """A long film: a proxy's own packets over and over, so that its length costs no encoding.

    It has the sound too where the proxy is a whole number of sound packets long.
    """
    data = proxy.read_bytes()
    span = packets.end_ticks - packets.start_ticks
    pts = np.concatenate([packets.pts - packets.start_ticks + n * span for n in range(times)])
    coded = [
        data[at : at + size]
        for at, size in zip(packets.offset_bytes.tolist(), packets.size_bytes.tolist(), strict=True)
    ] * times
    nothing = np.zeros(len(pts), np.int64)
    rows = Copied(nothing, nothing, np.tile(packets.size_bytes, times), pts, pts, np.tile(packets.key, times))
    tracks, written = [video_track(packets, rows, span * times)], [coded]
    sound = packets.audio
    if sound is not None and (sound.end_sample - sound.start_sample) % sound.packet_samples == 0:
        own = [
            data[at : at + size]
            for pts, at, size in zip(
                sound.pts.tolist(), sound.offset_bytes.tolist(), sound.size_bytes.tolist(), strict=True
            )
            if sound.start_sample <= pts < sound.end_sample
        ] * times
        sizes = np.fromiter(map(len, own), np.int64, len(own))
        durations = np.full(len(own), sound.packet_samples, np.int64)
        tracks.append(mp4.Track("soun", sound.rate, sound.sample_entry, sizes, durations))
        written.append(own)
    with out.open("wb") as file:
        file.writelines(mp4.written(tracks, written))
    return out


@contextmanager
def cpu(into: list[float], who: int = resource.RUSAGE_SELF) -> Iterator[None]:
    """Adds the block's CPU seconds, user and system, to a list."""
    before = resource.getrusage(who)
    yield
    after = resource.getrusage(who)
    into.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def ffmpeg(into: list[float], *words: str | Path) -> None:
    """Run the ffmpeg command and note its CPU seconds."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, words)]
    with cpu(into, resource.RUSAGE_CHILDREN):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def encode_words(profile: ProxyProfile, rate: Fraction) -> Sequence[str]:
    """What tells the ffmpeg command to encode the picture as a profile does."""
    options = profile.x264_options(rate)
    return ("-pix_fmt", "yuv420p", "-c:v", "libx264", *(w for k, v in options.items() for w in (f"-{k}", v)))


def _peak(work: Callable[..., object], args: Sequence[Any], say: Any) -> None:
    work(*args)
    # Not getrusage's: that one remembers the process which this one was forked from.
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    say.send(int(peak.split()[1]) / 1024)


def peak_mib(work: Callable[..., object], *args: Any) -> float:
    """The most memory that a process of its own holds while it does a piece of work, imports included."""
    context = multiprocessing.get_context("spawn")
    hear, say = context.Pipe(duplex=False)
    child = context.Process(target=_peak, args=(work, args, say))
    child.start()
    say.close()
    told: float = hear.recv()
    child.join()
    return told
