import pytest
from heaters_local.tuning import Labels, Quality, fit, labels_of, quality, scores_of


def scores(frames: int, **high: float) -> list[float]:
    """A curve that is low but for some frames: `f30=1.2` is 1.2 at frame 30."""
    found = [0.1] * frames
    for name, value in high.items():
        found[int(name[1:])] = value
    return found


def test_labels_are_what_people_set_and_removed_and_the_clips_they_decided_about() -> None:
    labels = labels_of(
        standing=[(30, None), (50, "ana"), (80, None)],
        decided=[(0, 30), (80, 100)],
        edits=["add 50", "remove 60", "move 70 to 72", "remove 80", "confirm 30"],
        frames=100,
    )

    # 80 was removed, and stands again: somebody has undone it.
    assert labels.cuts == {30, 50, 80}
    assert labels.none == ((0, 30), (80, 100), (58, 63), (68, 73))


def test_bytes_of_the_api_become_scores_with_the_threshold_at_one() -> None:
    assert scores_of(bytes([0, 51, 128, 204, 255])) == pytest.approx([0, 0.25, 128 / 127, 4, 1000])


def test_only_what_somebody_said_something_of_counts() -> None:
    labels = Labels(cuts=frozenset({30, 60}), none=((0, 30), (40, 50)))

    found = quality(scores(100, f31=1.5, f45=1.2, f75=2.0), labels, 1.0)

    assert found == Quality(right=1, false=1, missed=1)


def test_fades_and_dissolves_say_nothing_of_a_threshold_that_does_not_find_them() -> None:
    labels = labels_of([], decided=[(0, 30), (30, 60), (60, 100)], edits=[], frames=100, gradual=[(50, 71)])

    assert labels.cuts == {30}
    assert quality(scores(100, f30=2.0, f55=1.5), labels, 1.0) == Quality(right=1, false=0, missed=0)


def test_of_neighbouring_frames_above_the_threshold_the_highest_is_the_cut() -> None:
    labels = Labels(cuts=frozenset({30}), none=((0, 100),))

    assert quality(scores(100, f28=1.1, f30=1.9, f33=1.2), labels, 1.0) == Quality(1, 0, 0)


def test_the_threshold_that_fits_lies_between_what_is_a_cut_and_what_is_none() -> None:
    high = {f"f{n}": 1.6 for n in range(20, 200, 20)} | {f"f{n}": 1.2 for n in range(30, 200, 20)}
    labels = Labels(cuts=frozenset(range(20, 200, 20)), none=((0, 200),))

    found = fit([(scores(200, **high), labels)])

    assert (found.before.precision, found.before.recall) == (0.5, 1.0)
    assert (found.after.precision, found.after.recall) == (1.0, 1.0)
    assert 1.2 < found.times <= 1.6
    assert found.enough


def test_where_all_thresholds_do_as_well_the_present_one_stays_and_few_labels_say_nothing() -> None:
    found = fit([(scores(100, f30=9.0), Labels(cuts=frozenset({30}), none=((0, 100),)))])

    assert found.times == 1.0
    assert not found.enough
