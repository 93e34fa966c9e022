"""The cascade: cheap scores everywhere, the network only where they are not sure.

Far above the adaptive detector's threshold the network agrees almost always, and far below it almost never, so it is asked about what lies
between, about flashes, and about stretches in which one picture melts into another. Each such spot has a window of its own, which lies
around it and nowhere else: what is said of a spot depends on nothing but the frames in it.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from heaters_scenes.adaptive import AdaptiveParameters, adaptive_ratio, is_flash, score
from heaters_scenes.core import (
    CONTEXT_FRAMES,
    Detection,
    Floats,
    FoundCut,
    Place,
    confidence,
    fades,
    hard,
    joined,
    strongest,
)
from heaters_scenes.errors import InvalidParameters
from heaters_scenes.measure import Frames, brightness, changes, check, lumas
from heaters_scenes.transnetv2 import Network, TransNetParameters, cuts_of, odds

_PIECE = 512


@dataclass(frozen=True, slots=True)
class CascadeParameters:
    """Where the network is asked.

    Attributes:
        cheap: the adaptive detector's settings.
        network: how the network's probabilities become cuts.
        unsure_from: adaptive scores below this are no cuts.
        unsure_to: adaptive scores of at least this are cuts, unless they look like flashes.
        apart_frames: of spots that lie this near to each other only the strongest is asked about.
        margin_frames: frames that the network sees on both sides of a spot.
        kept_frames: frames on both sides of a spot whose probabilities are believed.
        melt_frames: a picture is compared with those so many frames before and after it.
        melt_apart: how much these two must differ, in luma, 0..255.
        melt_share: how near the picture must be to their mean: 1 is equal to it, 0 is as far away as one of them.
    """

    cheap: AdaptiveParameters = field(default_factory=AdaptiveParameters)
    network: TransNetParameters = field(default_factory=TransNetParameters)
    unsure_from: float = 0.8
    unsure_to: float = 1.4
    apart_frames: int = 3
    margin_frames: int = 24
    kept_frames: int = 8
    melt_frames: int = 10
    melt_apart: float = 15.0
    melt_share: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what could not be local.

        Raises:
            InvalidParameters: names the setting and shows its value.
        """
        if not 0 < self.unsure_from <= self.unsure_to:
            raise InvalidParameters(f"0 < unsure_from <= unsure_to must hold: {self.unsure_from}, {self.unsure_to}")
        if not 1 <= self.kept_frames <= self.margin_frames or self.apart_frames < 1 or self.melt_frames < 1:
            raise InvalidParameters(
                "1 <= kept_frames <= margin_frames and 1 <= apart_frames, melt_frames must hold: "
                f"{self.kept_frames}, {self.margin_frames}, {self.apart_frames}, {self.melt_frames}"
            )
        if self.reach_frames > CONTEXT_FRAMES:
            raise InvalidParameters(f"the rules look {self.reach_frames} frames far, {CONTEXT_FRAMES} are there")

    @property
    def reach_frames(self) -> int:
        """How far a frame's cut depends on others: its transition, the spot that it lies near, that one's window and neighbours."""
        cheap = self.cheap.window_frames + self.cheap.flash_frames + 1
        spot = max(self.margin_frames, self.apart_frames + cheap, 2 * self.melt_frames + self.apart_frames + cheap)
        return self.network.reach_frames + self.kept_frames + 1 + spot

    def stricter(self, times: float) -> "CascadeParameters":
        """The same with all thresholds so many times as high."""
        return CascadeParameters(
            cheap=self.cheap.stricter(times),
            network=self.network.stricter(times),
            unsure_from=self.unsure_from,
            unsure_to=self.unsure_to,
            apart_frames=self.apart_frames,
            margin_frames=self.margin_frames,
            kept_frames=self.kept_frames,
            melt_frames=self.melt_frames,
            melt_apart=self.melt_apart,
            melt_share=self.melt_share,
        )

    @property
    def text(self) -> str:
        """The settings as a short, stable string."""
        return (
            f"unsure={self.unsure_from:g}-{self.unsure_to:g}/{self.apart_frames},window={self.margin_frames}:{self.kept_frames},"
            f"melt={self.melt_frames}:{self.melt_apart:g}:{self.melt_share:g},{self.cheap.text},{self.network.text}"
        )


@dataclass(frozen=True, slots=True)
class Spots:
    """What the cheap stage says.

    Attributes:
        scores: the adaptive score of each row.
        sure: rows that are cuts.
        unsure: rows about which the network is asked, in order.
    """

    scores: Floats
    sure: tuple[int, ...]
    unsure: tuple[int, ...]


def spots(frames: Frames, parameters: CascadeParameters) -> Spots:
    """Where there are cuts, and where there may be."""
    cheap = parameters.cheap
    content = cheap.content_value(changes(frames))
    ratio = adaptive_ratio(content, window_frames=cheap.window_frames, content_least=cheap.content)
    found = score(ratio, content, cheap)
    sure: list[int] = []
    unsure: list[int] = []
    for row in strongest(found, at_least=parameters.unsure_from, distance=parameters.apart_frames):
        certain = found[row] >= parameters.unsure_to and not is_flash(frames, row, cheap)
        (sure if certain else unsure).append(row)
    asked = {*unsure, *melting(frames, found, parameters)}
    return Spots(found, tuple(sure), tuple(sorted(asked)))


def melting(frames: Frames, cheap: Floats, parameters: CascadeParameters) -> list[int]:
    """Rows in the middle of a dissolve, as it seems: each is near to the mean of two pictures that differ.

    Motion of the camera or of things gives pictures that differ as much, and whose middle is no mean of both.
    """
    reach = parameters.melt_frames
    strength = np.zeros(len(frames))
    for start in range(0, len(frames) - 2 * reach, _PIECE):
        grey = lumas(frames[start : start + _PIECE + 2 * reach])
        before, middle, after = grey[: -2 * reach], grey[reach:-reach], grey[2 * reach :]
        mean = cv2.addWeighted(before, 0.5, after, 0.5, 0.0)
        apart = cv2.absdiff(after, before).mean(axis=1)
        off = cv2.absdiff(middle, mean).mean(axis=1)
        melts = (apart >= parameters.melt_apart) & (off <= (1 - parameters.melt_share) * apart / 2)
        strength[start + reach : start + reach + len(apart)] = np.where(melts, apart, 0.0)
    for row in np.flatnonzero(cheap >= parameters.unsure_from):  # there the pictures differ because of a cut
        strength[max(0, row - reach - 1) : row + reach + 2] = 0.0
    return strongest(strength, at_least=parameters.melt_apart, distance=reach)


@dataclass(frozen=True, slots=True)
class Cascade:
    """The cascade detector."""

    network: Network
    version: str
    parameters: CascadeParameters = field(default_factory=CascadeParameters)

    @property
    def tag(self) -> str:
        """The detector's name, the weights' version and parameters: equal tags mean equal cuts."""
        return f"cascade({self.parameters.text})@{self.version}"

    def detect(self, frames: Frames, place: Place) -> Detection:
        """See `Detector`."""
        check(frames)
        parameters = self.parameters
        cheap = spots(frames, parameters)
        last, within, asked = self._ask(frames, cheap.unsure, place)
        found = [hard(place.first_frame + row, confidence(float(cheap.scores[row]))) for row in cheap.sure]
        light = brightness(frames)
        certain = {place.first_frame + row for row in cheap.sure}
        found += [cut for cut in cuts_of(last, within, light, place, parameters.network) if not _told(cut, certain)]
        fading = fades(light, place, parameters.cheap.fade)
        scores = cheap.scores.copy()
        scores[1:] = np.where(asked[:-1], odds(last[:-1], parameters.network.threshold), scores[1:])
        scores[list(cheap.sure)] = cheap.scores[list(cheap.sure)]
        return Detection(joined(found, fading, place), scores[place.segment_rows].astype(np.float32))

    def _ask(self, frames: Frames, rows: tuple[int, ...], place: Place) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """The network's probabilities near some rows, 0 elsewhere; and where that is."""
        margin, kept = self.parameters.margin_frames, self.parameters.kept_frames
        last, within, asked = np.zeros(place.rows), np.zeros(place.rows), np.zeros(place.rows, np.bool_)
        windows = [row for row in rows if self._whole(row, place)]
        for at in range(0, len(windows), _BATCH):
            batch = windows[at : at + _BATCH]
            # A shot's last row comes before the cut: the window lies around both.
            seen = [np.arange(row - 1 - margin, row + margin + 1).clip(0, place.rows - 1) for row in batch]
            for row, ends, lies in zip(batch, *self.network(np.stack([frames[rows_] for rows_ in seen])), strict=True):
                near = slice(max(0, row - 1 - kept), min(place.rows, row + kept))
                own = slice(near.start - (row - 1 - margin), near.stop - (row - 1 - margin))
                last[near] = np.maximum(last[near], ends[own])
                within[near] = np.maximum(within[near], lies[own])
                asked[near] = True
        return last, within, asked

    def _whole(self, row: int, place: Place) -> bool:
        """Whether the array has a spot's window whole, or ends with the film: other spots lie too far away to matter."""
        margin = self.parameters.margin_frames
        film_ends = place.first_frame + place.rows == place.total_frames
        return (row - 1 - margin >= 0 or place.first_frame == 0) and (row + margin < place.rows or film_ends)


_BATCH = 4
"""Windows in one pass: more gains nothing on a CPU, and costs 75 MB each."""


def _told(cut: FoundCut, certain: set[int]) -> bool:
    """Whether the cheap stage was sure of it already."""
    return any(cut.start_frame - 1 <= frame <= cut.end_frame for frame in certain)
