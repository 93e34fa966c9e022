"""Decodes H.264 packets that lie in memory. A decoder only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from heaters_media import mp4
from heaters_media.errors import Undecodable


def decoded(
    sample_entry: bytes, time_base: Fraction, packets: Iterable[tuple[int, int, bytes | memoryview]]
) -> Iterator[VideoFrame]:
    """Frames in order of presentation.

    Args:
        sample_entry: the track's, with its parameter sets.
        time_base: seconds a tick.
        packets: (pts, dts, bytes) in decode order, from a key frame on; taken one by one as frames are asked for.

    Raises:
        Undecodable: damaged data.
    """
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101  # h264 is a video codec
    decoder.extradata = mp4.codec_config(sample_entry)
    decoder.thread_count = 1
    try:
        for pts, dts, data in packets:
            packet = Packet(bytes(data))
            packet.pts, packet.dts, packet.time_base = pts, dts, time_base
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
    except FFmpegError as wrong:
        if isinstance(wrong, MemoryError):
            raise
        raise Undecodable(f"the proxy's data is damaged: {wrong.strerror}") from None
