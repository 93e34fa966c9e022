"""From a film's frame to a proxy's, and to a tiny one: upright, square pixels, 8 bits, even sides, progressive."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.error import BlockingIOError as Later
from av.error import EOFError as Ended
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from heaters_media.hdr import cube, needs_mapping
from heaters_media.probe import Probe, check_size
from heaters_media.profiles import ProxyProfile
from heaters_media.tiny import HEIGHT_PX, WIDTH_PX

_TURNS = {90: ("transpose=clock",), 180: ("hflip", "vflip"), 270: ("transpose=cclock",)}
_TABLE = "lut3d"
_BT709, _UNSPECIFIED, _LIMITED, _FULL = 1, 2, 1, 2


class Shrinker:
    """Makes tiny frames. A tiny frame depends on its own frame only: not on its neighbours, not on where decoding began."""

    def __init__(self, rotation_deg: int, *, mirrored: bool = False) -> None:
        self._turns, self._mirrored = rotation_deg // 90, mirrored
        self._width, self._height = (HEIGHT_PX, WIDTH_PX) if self._turns % 2 else (WIDTH_PX, HEIGHT_PX)
        self._scaler = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8, (27, 48, 3), RGB, upright."""
        small = self._scaler.reformat(
            frame, width=self._width, height=self._height, format="rgb24", interpolation=Interpolation.AREA, threads=1
        )
        array = np.asarray(small.to_ndarray(), np.uint8)
        if self._mirrored:
            array = array[:, ::-1]
        return np.ascontiguousarray(np.rot90(array, -self._turns)) if self._turns or self._mirrored else array


class Picture:
    """Makes a proxy's frames.

    Attributes:
        width_px: of the proxy.
        height_px: of the proxy.
        color: range, matrix, primaries and transfer that the proxy is tagged with.
    """

    def __init__(self, described: Probe, profile: ProxyProfile) -> None:
        self._described = described
        shown = profile.size_px(described.display_width_px, described.display_height_px)
        self.width_px, self.height_px = shown[0] + shown[0] % 2, shown[1] + shown[1] % 2
        turned = described.rotation_deg in (90, 270)
        scaled = (shown[1], shown[0]) if turned else shown

        mapped = needs_mapping(described.color_primaries, described.color_transfer)
        wide_gamut = described.color_space in (9, 10) or mapped  # BT.2020
        full = described.color_range == _FULL or described.pix_fmt.startswith("yuvj")
        rgb = VideoFormat(described.pix_fmt).is_rgb or described.color_space == 0
        converts = full or rgb or wide_gamut
        matrix = _BT709 if converts else described.color_space
        self.color = (
            _LIMITED if converts else described.color_range,
            matrix,
            _BT709 if converts else described.color_primaries,
            _BT709 if converts else described.color_transfer,
        )

        steps: list[str] = []
        if described.interlaced:
            steps.append("bwdif=mode=send_frame:deint=interlaced")
        if scaled != (described.width_px, described.height_px) or described.pix_fmt != "yuv420p" or converts:
            if mapped:
                # To full-range RGB at the new size, through the table, and back; FFmpeg's wheel has no zscale.
                matrix_in = ":in_color_matrix=bt2020" if described.color_space in (_UNSPECIFIED, 9, 10) else ""
                steps.append(f"scale={scaled[0]}:{scaled[1]}:flags=bicubic:out_range=pc{matrix_in}")
                steps += ["format=gbrp16le", f"{_TABLE}:interp=tetrahedral"]
            options = "flags=bicubic" + (":out_range=tv:out_color_matrix=bt709" if converts else "")
            steps.append(f"scale={scaled[0]}:{scaled[1]}:{options}")
            steps.append("format=yuv420p")
        steps += ("hflip",) if described.mirrored else ()
        steps += _TURNS.get(described.rotation_deg, ())
        if shown != (self.width_px, self.height_px):
            steps.append(f"pad={self.width_px}:{self.height_px}")
        if described.pixel_aspect != (1, 1):
            steps.append("setsar=1")
        # The filter reads its table once, when the graph is made.
        with tempfile.TemporaryDirectory(prefix="heaters-colour-") as folder:
            if mapped:
                table = Path(folder, "table.cube")
                table.write_text(cube(described.color_transfer))
                steps = [step.replace(_TABLE, f"lut3d=file={table}") for step in steps]
            self._graph = self._build(steps) if steps else None
        self._even = VideoReformatter()
        self._times: list[tuple[int, int]] = []

    def __call__(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """The proxy's frames for the next frame of the film; None gives those still held back."""
        if frame is not None:
            check_size(frame.width, frame.height)
            seen = self._described
            if (frame.width, frame.height, frame.format.name) != (seen.width_px, seen.height_px, seen.pix_fmt):
                # A film may change its size in the middle; its proxy does not.
                pts, time_base = frame.pts, frame.time_base
                frame = self._even.reformat(
                    frame,
                    width=seen.width_px,
                    height=seen.height_px,
                    format=seen.pix_fmt,
                    interpolation="BICUBIC",
                    threads=1,
                )
                frame.pts, frame.time_base = pts, time_base
        if self._graph is None:
            if frame is not None:
                yield frame
            return
        if frame is not None:
            assert frame.pts is not None  # noqa: S101  # the plan refuses films without
            self._times.append((frame.pts, 0))
        self._graph.vpush(frame)
        while True:
            try:
                made = self._graph.vpull()
            except (Later, Ended):
                return
            # A deinterlacer doubles the time base; frames go in and out one by one, so the order tells the time.
            made.pts = self._times.pop(0)[0]
            made.time_base = self._described.tick
            yield made

    def _build(self, steps: list[str]) -> Graph:
        seen = self._described
        graph = Graph()
        graph.threads = 1
        last = graph.add_buffer(
            width=seen.width_px, height=seen.height_px, format=VideoFormat(seen.pix_fmt), time_base=seen.tick
        )
        for step in steps:
            name, _, options = step.partition("=")
            node = graph.add(name, options or None)
            last.link_to(node)
            last = node
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph
