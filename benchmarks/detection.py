"""Cuts: how many are right, of each kind, and how fast they are found, beside PySceneDetect and TransNetV2."""

import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from heaters_contracts.detectors import DETECTORS, Wish
from heaters_media.sample import render_sample
from heaters_scenes.adaptive import Adaptive
from heaters_scenes.core import FoundCut, Place, shots
from heaters_scenes.detectors import Detector, make
from heaters_scenes.films import cuts_of_film
from scenedetect import AdaptiveDetector, FrameTimecode

from benchmarks._media import WHOLE, cpu, enlarged, peak_mib
from benchmarks._media import make as preprocessed
from benchmarks._shots import (
    CUTS,
    NO_CUTS,
    Frames,
    Labelled,
    Shots,
    by_kind,
    f1,
    highest_likely_difference,
    labelled_films,
    made_film,
    pooled,
)
from benchmarks.harness import Claim, note

TOLERANCES = (0, 1, 2)
_HOUR_FRAMES = 90_000
_SHOT_FRAMES = 60
_PUBLISHED = {"adaptive_threshold": 3.5, "window_width": 3, "min_scene_len": 5}
"""The best published parameters of PySceneDetect's detector for such films; 5 frames are 0.2 s."""


def _pyscenedetect(frames: Frames) -> Shots:
    detector = AdaptiveDetector(**_PUBLISHED)
    cuts: list[int] = []
    for n, frame in enumerate(frames):
        found = detector.process_frame(FrameTimecode(n, 25.0), np.ascontiguousarray(frame[..., ::-1]))
        cuts += [time.frame_num for time in found]
    return shots([FoundCut(cut, "hard", cut, cut + 1, 1.0) for cut in cuts], len(frames))


def _detected(detector: Detector, films: Sequence[Labelled]) -> tuple[dict[str, list[FoundCut]], list[float]]:
    """The cuts of each film, and the CPU seconds of each."""
    took: list[float] = []
    found = {}
    for film in films:
        with cpu(took):
            found[film.name] = list(detector.detect(film.frames, Place.whole(len(film.frames))).cuts)
    return found, took


def _films(folder: Path) -> list[Labelled]:
    """The labelled films beside the checkout, or else the sample film, whose cuts are known."""
    if films := labelled_films():
        return films
    note("no labelled films beside the checkout: the sample film stands in for them")
    sample = render_sample(folder / "labelled.mp4")
    made = preprocessed(folder / "labelled.mp4", folder / "labelled", lengths_s=WHOLE)
    tiny = np.load(made.parts[0][1].with_name("tiny.npz"))["frames"]
    gradual = [(sample.dissolve[0], sample.dissolve[1]), sample.fade]
    known = [FoundCut(cut, "hard", cut, cut + 1, 1.0) for cut in sample.cuts]
    known += [FoundCut((a + b) // 2, "dissolve", a, b, 1.0) for a, b in gradual]
    return [Labelled("sample", tiny, shots(sorted(known, key=lambda cut: cut.frame), sample.frames))]


def _kinds(detectors: dict[str, Detector], films: Sequence[Labelled]) -> None:
    """Say how many events of each kind a cut was found in, for films made of single shots."""
    pieces = [film.frames[first + 4 : last - 3] for film in films for first, last in film.shots if last - first >= 90][
        :40
    ]
    if len(pieces) < 10:
        note("too few single shots to make films of")
        return
    made = [made_film(pieces, seed) for seed in range(3)]
    for name, detector in detectors.items():
        known: Counter[str] = Counter()
        hits: Counter[str] = Counter()
        for film in made:
            cuts = detector.detect(film.frames, Place.whole(len(film.frames))).cuts
            for kind, (count, hit) in by_kind(film, [(c.start_frame, c.end_frame) for c in cuts]).items():
                known[kind] += count
                hits[kind] += hit
        found = ", ".join(f"{kind} {hits[kind]}/{known[kind]}" for kind in CUTS if known[kind])
        false = ", ".join(f"{kind} {hits[kind]}/{known[kind]}" for kind in NO_CUTS if known[kind])
        note(f"{name} by kind: found {found}; taken for cuts: {false}")


def _hour(path: Path) -> None:
    """Detect an hour in the shape of its tiny array, one segment after the other."""
    minute = np.load(path)
    frames = (frame for _ in range(-(-_HOUR_FRAMES // len(minute))) for frame in minute)
    cuts_of_film(Adaptive(), frames)


def _minute(path: Path) -> None:
    cuts_of_film(Adaptive(), iter(np.load(path)))


def _scenes_hour(folder: Path) -> Claim:
    """An hour of tiny frames by the adaptive detector, beside PySceneDetect's command on the 1080p proxy of as much film."""
    sample = render_sample(folder / "sample.mp4")
    film = preprocessed(enlarged(folder / "sample.mp4", 1080), folder / "made", lengths_s=WHOLE)
    [(_, proxy)] = film.parts
    tiny = np.load(proxy.with_name("tiny.npz"))["frames"]
    np.save(folder / "minute.npy", tiny)
    ours: list[float] = []
    with cpu(ours):
        _hour(folder / "minute.npy")
    command = [str(Path(sys.executable).with_name("scenedetect")), "-i", str(proxy), "-o", str(folder)]
    theirs: list[float] = []
    with cpu(theirs, resource.RUSAGE_CHILDREN):
        subprocess.run([*command, "detect-adaptive", "list-scenes", "-q"], check=True, capture_output=True)
    listed = [line for file in folder.glob("*Scenes.csv") for line in file.read_text().splitlines()[2:]]
    their_cuts = {int(line.split(",")[1]) - 1 for line in listed[1:]}
    our_cuts = {cut.frame for cut in Adaptive().detect(tiny, Place.whole(len(tiny))).cuts if cut.kind == "hard"}
    right = set(sample.cuts)
    note(
        f"hard cuts of the film, {len(right)}: ours right {len(our_cuts & right)}, false {len(our_cuts - right)};"
        f" PySceneDetect's right {len(their_cuts & right)}, false {len(their_cuts - right)}"
    )
    note(
        f"memory: an hour {peak_mib(_hour, folder / 'minute.npy'):.0f} MiB,"
        f" {len(tiny) / 25:.0f} s of it {peak_mib(_minute, folder / 'minute.npy'):.0f} MiB, imports included"
    )
    frames = -(-_HOUR_FRAMES // len(tiny)) * len(tiny)
    return Claim("scenes_hour", frames / ours[0], len(tiny) / theirs[0], "frames/CPU s", "higher", 50.0)


def claims() -> Iterator[Claim]:
    """`detect_f1_adaptive`, `detect_f1_cascade`, `detect_speed_cascade` and `scenes_hour`."""
    with tempfile.TemporaryDirectory(prefix="heaters-bench-") as name:
        folder = Path(name)
        films = _films(folder)
        frames = sum(len(film.frames) for film in films)
        detectors = {detector: make(Wish(detector), threads=1) for detector in DETECTORS}
        found: dict[str, dict[str, Shots]] = {}
        seconds: dict[str, list[float]] = {}
        for detector_name, detector in detectors.items():
            cuts, seconds[detector_name] = _detected(detector, films)
            found[detector_name] = {film.name: shots(cuts[film.name], len(film.frames)) for film in films}
        theirs: list[float] = []
        with cpu(theirs):
            found["pyscenedetect"] = {film.name: _pyscenedetect(film.frames) for film in films}
        seconds["pyscenedetect"] = theirs
        scores = {
            detector_name: {t: f1(pooled(films, of, t).sum(0)) for t in TOLERANCES}
            for detector_name, of in found.items()
        }
        for detector_name, by_tolerance in scores.items():
            said = ", ".join(f"{value:.4f} at {t}" for t, value in by_tolerance.items())
            note(f"{detector_name}: F1 {said}; {frames / sum(seconds[detector_name]):.0f} frames a second and core")
        yield Claim("detect_f1_adaptive", scores["adaptive"][2], scores["pyscenedetect"][2], "F1", "higher", 1.0)

        low, high = highest_likely_difference(pooled(films, found["cascade"], 2), pooled(films, found["transnetv2"], 2))
        note(
            f"cascade {scores['cascade'][2]:.4f} beside TransNetV2 {scores['transnetv2'][2]:.4f}:"
            f" 95% interval of the difference [{low:+.4f}, {high:+.4f}]"
        )
        whole = scores["transnetv2"][2]
        yield Claim("detect_f1_cascade", whole + high, whole, "F1, highest likely", "higher", 1.0)

        speeds = [sum(seconds[one]) for one in ("transnetv2", "cascade")]
        dense = sorted(range(len(films)), key=lambda n: len(films[n].frames) / len(films[n].shots))
        for words, part in (("shortest", dense[: len(dense) // 2]), ("longest", dense[len(dense) // 2 :])):
            if part:
                slow, fast = (sum(seconds[one][n] for n in part) for one in ("transnetv2", "cascade"))
                mean = np.mean([len(films[n].frames) / len(films[n].shots) for n in part])
                note(f"films with the {words} shots, {mean:.0f} frames each: the cascade is {slow / fast:.1f}x as fast")
        yield Claim("detect_speed_cascade", frames / speeds[1], frames / speeds[0], "frames/CPU s", "higher", 4.0)
        _kinds(detectors, films)
        yield _scenes_hour(folder)


if __name__ == "__main__":
    for claim in claims():
        print(json.dumps(claim.as_json()))
