"""Clips between the detected cuts of a film as files of their own, proof included, beside encoding them again with the same settings."""

import statistics
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from heaters_contracts.detectors import Wish
from heaters_media.export import export
from heaters_media.profiles import REVIEW
from heaters_media.sample import RATE, render_sample
from heaters_scenes.detect import detect_file

from benchmarks._media import WHOLE, cpu, encode_words, enlarged, ffmpeg, make
from benchmarks.harness import Claim, note

REPETITIONS = 1


def claims() -> Iterator[Claim]:
    """`export`."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-") as name:
        folder = Path(name)
        sample = render_sample(folder / "sample.mp4")
        film = make(enlarged(folder / "sample.mp4", 720), folder, lengths_s=WHOLE)
        [(_, proxy)] = film.parts
        found = detect_file(proxy.with_name("tiny.npz"), folder / "scores.npy", Wish("adaptive"), threads=1).cuts
        edges = [0, *(cut.frame for cut in found), sample.frames]
        ours, peer, copied = [], [], 0
        for _ in range(REPETITIONS):
            mine: list[float] = []
            its: list[float] = []
            copied = 0
            for start, end in pairwise(edges):
                with cpu(mine):
                    done = export(film.parts, start, end, folder / "clip.mp4", REVIEW)
                copied += done.frames_copied
                ffmpeg(
                    its, "-threads", "1", "-ss", f"{start / RATE:.3f}", "-i", proxy, "-frames:v", str(end - start),
                    *encode_words(REVIEW, Fraction(RATE)), "-c:a", "copy", "-t", f"{(end - start) / RATE:.3f}",
                    "-movflags", "+faststart", folder / "peer.mp4",
                )  # fmt: skip
            ours.append(sum(mine))
            peer.append(sum(its))
    note(f"{len(edges) - 1} clips of {sample.frames} frames in all, {copied} of them copied")
    yield Claim("export", statistics.median(ours), statistics.median(peer), "CPU s", "lower", 0.10)
