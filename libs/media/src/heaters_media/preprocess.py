"""One decode of a segment makes all that comes of it: proxy, packet index, tiny array, storyboard, waveform."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heaters_media.errors import BadMedia, FrameCountMismatch, Undecodable
from heaters_media.picture import Shrinker
from heaters_media.plan import PlannedSegment, scan_packets
from heaters_media.probe import Probe, open_media, probe, video_of, whole_frames, whole_packets
from heaters_media.profiles import ProxyProfile
from heaters_media.proxy import ProxyWriter
from heaters_media.readable import Readable
from heaters_media.reuse import SourceIndexer
from heaters_media.sheet import StoryboardMaker
from heaters_media.tiny import HEIGHT_PX, WIDTH_PX, Tiny

CONTEXT_FRAMES = 100
_PROGRESS_EVERY_FRAMES = 25
_PROXY = "proxy.mp4"


@dataclass(frozen=True, slots=True)
class PreprocessedSegment:
    """What a segment became. The files lie in the folder that was asked for.

    Attributes:
        proxy: an MP4 whose first frame is at time 0 (the ledger knows where in the video that is); None where the source itself is
            the proxy: the packet index then names places in the source.
        packets: the packet index of it, see ledger.Packets.
        tiny: see tiny.Tiny.
        storyboard: a JPEG, see storyboard.Storyboard.
        waveform: see waveform.Waveform; None where there is no sound.
        frames: of the segment; equal to the plan's.
        frames_damaged: how many of these are damaged, or could not be decoded and show the frame before instead.
        width_px: of the proxy.
        height_px: of the proxy.
    """

    proxy: Path | None
    packets: Path
    tiny: Path
    storyboard: Path
    waveform: Path | None
    frames: int
    frames_damaged: int
    width_px: int
    height_px: int


def preprocess(
    source: Readable,
    segment: PlannedSegment,
    *,
    total_frames: int | None,
    out_dir: Path,
    profile: ProxyProfile,
    source_is_proxy: bool = False,
    context_frames: int = CONTEXT_FRAMES,
    progress: Callable[[int, int], None] | None = None,
) -> PreprocessedSegment:
    """Make a segment's proxy, packet index, tiny array, storyboard and waveform in one decode.

    A frame that the plan counted and no decoder gives (damaged data) shows the frame before it, so that every frame keeps its
    index and its time; how many these are is told. The film is then decoded a second time: sound films pay nothing.

    Args:
        source: the film.
        segment: which part, as its plan told it.
        total_frames: of the whole film; None while the plan is still counting: context then goes as far as the film does, and
            the tiny array's own total is what was seen, exact if the film ended within the context.
        out_dir: where the files go; must exist.
        profile: how to encode.
        source_is_proxy: encode nothing, index the source's own packets; only for films that reuse.obstacles lets pass, in
            segments that begin at key frames.
        context_frames: decoded before and after the segment, for the tiny array only.
        progress: told (frames done, frames of the segment) about once a second of film.

    Raises:
        FrameCountMismatch: the decode gave other frames than the plan counted, and more than half of them are missing.
        BadMedia: one of its other subclasses says what is wrong.
    """
    described = probe(source)
    before = min(context_frames, segment.first_frame)
    segment_end = segment.first_frame + segment.frames
    after = context_frames if total_frames is None else max(0, min(context_frames, total_frames - segment_end))
    work = _Pass(source, described, segment, before, after, total_frames, out_dir, profile, source_is_proxy, progress)
    try:
        return work.run(None)
    except (FrameCountMismatch, Undecodable) as wrong:
        times = _promised(source, segment, before, after)
        if times is None:
            raise
        try:
            return work.run(times)
        except FrameCountMismatch:
            raise wrong from None


@dataclass(frozen=True, slots=True)
class _Pass:
    """One decode of a segment, with all that comes of it."""

    source: Readable
    described: Probe
    segment: PlannedSegment
    before: int
    after: int
    total_frames: int | None
    out_dir: Path
    profile: ProxyProfile
    source_is_proxy: bool
    progress: Callable[[int, int], None] | None

    def run(self, times: Sequence[int] | None) -> PreprocessedSegment:
        """Decode and write.

        Args:
            times: pts that must come, context included; what is missing shows the frame before. None takes what comes.
        """
        segment, out_dir = self.segment, self.out_dir
        shrink = Shrinker(self.described.rotation_deg, mirrored=self.described.mirrored)
        # One uint8 picture of 48x27 a frame: four kilobytes, and a segment is limited in frames.
        tiny = np.zeros((self.before + segment.frames + self.after, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        board = StoryboardMaker(segment.first_frame, segment.start_ticks, segment.end_ticks, self.described.tick)
        row = done = damaged = 0
        with open_media(self.source) as container, self._writer(board) as writer:
            stream = video_of(container, threads=self.profile.threads)
            frames = _frames_around(container, stream, segment, self.before, self.after, writer.saw)
            for frame, whole in _as_promised(frames, times, self.described.tick):
                assert frame.pts is not None  # noqa: S101  # _frames_around selects by it
                if row < len(tiny):
                    tiny[row] = shrink(frame)
                row += 1
                if segment.start_ticks <= frame.pts < segment.end_ticks:
                    damaged += not whole
                    writer.add(frame)
                    done += 1
                    if self.progress is not None and done % _PROGRESS_EVERY_FRAMES == 0:
                        self.progress(done, segment.frames)
            total_frames = self.total_frames
            if total_frames is None and done == segment.frames:
                tiny = tiny[:row]
                total_frames = segment.first_frame - self.before + row
            if done != segment.frames or row != len(tiny) or total_frames is None or 2 * damaged > done:
                raise FrameCountMismatch(
                    f"segment {segment.index} gave {done - damaged} frames where the plan counts {segment.frames}"
                    f" ({row} with context, where {len(tiny)} were expected)"
                )
            packets = writer.finish()

        packets.save(out_dir / "packets.npz")
        Tiny(
            frames=tiny,
            first_frame=segment.first_frame - self.before,
            segment_first=segment.first_frame,
            segment_frames=segment.frames,
            total_frames=total_frames,
        ).save(out_dir / "tiny.npz")
        (out_dir / "storyboard.jpg").write_bytes(board.jpeg())
        waveform = writer.waveform()
        if waveform is not None:
            waveform.save(out_dir / "waveform.npz")
        if self.progress is not None:
            self.progress(segment.frames, segment.frames)
        return PreprocessedSegment(
            proxy=None if self.source_is_proxy else out_dir / _PROXY,
            packets=out_dir / "packets.npz",
            tiny=out_dir / "tiny.npz",
            storyboard=out_dir / "storyboard.jpg",
            waveform=None if waveform is None else out_dir / "waveform.npz",
            frames=segment.frames,
            frames_damaged=damaged,
            width_px=packets.width_px,
            height_px=packets.height_px,
        )

    def _writer(self, board: StoryboardMaker) -> ProxyWriter | SourceIndexer:
        if self.source_is_proxy:
            return SourceIndexer(self.source, self.described, self.segment, board)
        return ProxyWriter(self.out_dir / _PROXY, self.source, self.described, self.segment, self.profile, board)


def _promised(source: Readable, segment: PlannedSegment, before: int, after: int) -> list[int] | None:
    """The times of a segment's frames and its context, as the plan's scan found them; None if it cannot have found them."""
    try:
        pts = sorted(row.pts for row in scan_packets(source))
    except BadMedia:
        return None
    end = segment.first_frame + segment.frames
    own = pts[segment.first_frame : end]
    if len(own) != segment.frames or own[0] != segment.start_ticks or own[-1] >= segment.end_ticks:
        return None
    return pts[segment.first_frame - before : end + after]


def _as_promised(
    frames: Iterator[VideoFrame], times: Sequence[int] | None, tick: Fraction
) -> Iterator[tuple[VideoFrame, bool]]:
    """Each frame, and whether it is whole: what is missing of `times` is made good by the frame before, at the start by the one after."""
    if times is None:
        for frame in frames:
            yield frame, not frame.is_corrupt
        return
    waiting = deque(times)
    last: VideoFrame | None = None
    for frame in frames:
        own = frame.pts
        while waiting and own is not None and waiting[0] < own:
            yield _at(last or frame, waiting.popleft(), tick), False
        if not waiting:
            return
        if waiting[0] == own:
            waiting.popleft()
            last = frame
            yield _at(frame, own, tick), not frame.is_corrupt
    while last is not None and waiting:
        yield _at(last, waiting.popleft(), tick), False


def _at(frame: VideoFrame, pts: int, tick: Fraction) -> VideoFrame:
    frame.pts, frame.time_base = pts, tick
    return frame


def frames_of(container: InputContainer, stream: VideoStream, segment: PlannedSegment) -> Iterator[VideoFrame]:
    """A segment's frames alone, in order of presentation."""
    return _frames_around(container, stream, segment, 0, 0, lambda _: None)


def _frames_around(
    container: InputContainer,
    stream: VideoStream,
    segment: PlannedSegment,
    before: int,
    after: int,
    saw: Callable[[Packet[VideoStream]], None],
) -> Iterator[VideoFrame]:
    """The segment's frames with so many before and after, in order of presentation.

    Decoding begins at a key frame early enough for all of them. Should it not give the frames that the packets promised (key
    frames that are none exist), it begins again at the start of the film.
    """
    begin = _seek_before(container, stream, segment, before)
    frames = _from(container, stream, begin, saw)
    first = next(frames, None)
    if begin is not None and (first is None or first.pts is None or first.pts > begin):
        _seek(container, stream, _start_of(stream))
        frames = _from(container, stream, begin, saw)
        first = next(frames, None)
    trailing = 0
    if first is not None:
        while first is not None:
            assert first.pts is not None  # noqa: S101  # selected by pts
            if first.pts >= segment.end_ticks:
                trailing += 1
                if trailing > after:
                    return
            yield first
            if trailing and trailing == after:
                return
            first = next(frames, None)


def _from(
    container: InputContainer, stream: VideoStream, begin: int | None, saw: Callable[[Packet[VideoStream]], None]
) -> Iterator[VideoFrame]:
    for frame in whole_frames(container, stream, saw):
        if frame.pts is not None and (begin is None or frame.pts >= begin):
            yield frame


def _start_of(stream: VideoStream) -> int:
    """A tick before everything, hidden frames and negative times included."""
    assert stream.time_base is not None  # noqa: S101  # the probe refuses films without
    return (stream.start_time or 0) - int(3600 / stream.time_base)


def _seek(container: InputContainer, stream: VideoStream, ticks: int) -> None:
    """Stand at a key frame at or before a tick; at the first one where the container cannot go so far back."""
    try:
        container.seek(ticks, stream=stream, backward=True)
    except FFmpegError:
        container.seek(stream.start_time or 0, stream=stream, backward=True)


def _seek_before(container: InputContainer, stream: VideoStream, segment: PlannedSegment, before: int) -> int | None:
    """Stand at a key frame with at least so many frames between it and the segment.

    Returns:
        pts of the first frame wanted, or None where that is the film's first.
    """
    if before == segment.first_frame:
        return None  # a film that was just opened stands at its start
    assert stream.time_base is not None  # noqa: S101  # the probe refuses films without
    rate = stream.average_rate or Fraction(25)
    step = max(1, int(before / rate / stream.time_base))
    target = segment.start_ticks - (step if before else 0)
    floor = _start_of(stream)
    while True:
        _seek(container, stream, max(target, floor))
        first_key: int | None = None
        times: list[int] = []
        for packet in whole_packets(container, stream):
            if packet.pts is None or packet.is_discard or packet.size == 0:
                continue
            if first_key is None:
                first_key = packet.pts if packet.is_keyframe else None
            if first_key is not None and first_key <= packet.pts <= segment.start_ticks:
                times.append(packet.pts)
            if packet.dts is not None and packet.dts > segment.start_ticks:
                break
        times.sort()
        if segment.start_ticks in times and len(times) > before:
            _seek(container, stream, max(target, floor))
            return times[len(times) - 1 - before]
        if target <= floor:
            raise Undecodable(f"the frames before segment {segment.index} cannot be found")
        step *= 2
        target -= step
