"""A small MP4 writer for packets that exist already (ISO/IEC 14496-12 and -14). numpy only: no decoder, no encoder.

It writes what a clip needs, exactly: index first, 64-bit times, edit lists in the track's own ticks. The index needs the packets' sizes
alone, so that a long file can be given out piece by piece. And it reads the one thing that a copy must take over from a file: the sample
entry, which is the codec's configuration.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from heaters_media.errors import BadMedia
from heaters_media.readable import Readable

_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LARGEST_U32 = 2**32 - 1
_LONGEST_INDEX_BYTES = 1 << 28  # a day of film has less than a tenth of it
_CHUNK_S = 1  # sound and picture alternate about once a second


@dataclass(frozen=True, slots=True)
class Track:
    """One track: all of its packets, in decode order, but their bytes.

    Attributes:
        handler: `vide` or `soun`.
        timescale: ticks a second.
        sample_entry: the codec's configuration, a whole box.
        sizes: bytes of each packet.
        durations: ticks between one decode time and the next; the last one its own.
        offsets: pts minus dts in ticks, or None where they are equal; the first dts is 0.
        key: which packets decoding can begin at, or None where all.
        shown: (first tick, ticks) of the media that a player shows; None shows all and writes no edit list.
        delay: ticks of nothing before that; only together with `shown`.
        width_px: of the picture; 0 for sound.
        height_px: of the picture; 0 for sound.
    """

    handler: str
    timescale: int
    sample_entry: bytes
    sizes: NDArray[np.int64]
    durations: NDArray[np.int64]
    offsets: NDArray[np.int64] | None = None
    key: NDArray[np.bool_] | None = None
    shown: tuple[int, int] | None = None
    delay: int = 0
    width_px: int = 0
    height_px: int = 0


def timescale_of(time_base: Fraction) -> tuple[int, int]:
    """Ticks a second for MP4, and how many of those one tick of the source is.

    MP4 counts in whole parts of a second, so 1001/30000 becomes 1/30000, 1001 a tick: exact.
    """
    return time_base.denominator, time_base.numerator


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A whole file, but for its packets' bytes.

    Attributes:
        head: all that comes before the packets: the index, and the header of the box that they lie in.
        track: of each packet in the order of the file: whose it is.
        packet: and which of that track's.
        at_bytes: where in the file each begins.
        size_bytes: of the file.
    """

    head: bytes
    track: NDArray[np.int64]
    packet: NDArray[np.int64]
    at_bytes: NDArray[np.int64]
    size_bytes: int


def lay_out(tracks: Sequence[Track]) -> Layout:
    """A file with its index first, and its tracks alternating.

    Raises:
        ValueError: no tracks, or a track whose columns differ in length.
    """
    if not tracks or any(len(t.sizes) != len(t.durations) or not len(t.sizes) for t in tracks):
        raise ValueError("every track needs packets, each with a duration")
    movie_timescale = math.lcm(*(t.timescale for t in tracks))
    if movie_timescale > _LARGEST_U32:
        movie_timescale = tracks[0].timescale
    chunks = [_chunks(t) for t in tracks]
    order = sorted(
        ((start, n, c) for n, of in enumerate(chunks) for c, (start, _, _) in enumerate(of)), key=lambda item: item[:2]
    )
    runs = [(n, *chunks[n][c][1:]) for _, n, c in order]
    track = np.concatenate([np.full(high - low, n, np.int64) for n, low, high in runs])
    packet = np.concatenate([np.arange(low, high, dtype=np.int64) for _, low, high in runs])
    sizes = np.concatenate([tracks[n].sizes[low:high] for n, low, high in runs])
    total = int(sizes.sum())

    ftyp = _box("ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")
    places = [np.zeros(len(of), np.int64) for of in chunks]
    mdat = (
        struct.pack(">I4sQ", 1, b"mdat", total + 16)
        if total + 8 > _LARGEST_U32
        else struct.pack(">I4s", total + 8, b"mdat")
    )
    head = len(ftyp) + len(_moov(tracks, chunks, places, movie_timescale, total)) + len(mdat)
    at = head + np.cumsum(sizes) - sizes
    first = np.cumsum([0, *(high - low for _, low, high in runs)])
    for (_, n, c), row in zip(order, first.tolist(), strict=False):  # one more: past the last
        places[n][c] = at[row]
    moov = _moov(tracks, chunks, places, movie_timescale, total)
    return Layout(b"".join([ftyp, moov, mdat]), track, packet, at, head + total)


def write(tracks: Sequence[Track], packets: Sequence[Sequence[bytes | memoryview]]) -> bytes:
    """A whole MP4 file; see `written`."""
    return b"".join(written(tracks, packets))


def written(tracks: Sequence[Track], packets: Sequence[Sequence[bytes | memoryview]]) -> Iterator[bytes | memoryview]:
    """A whole MP4 file, piece by piece.

    Args:
        tracks: see there.
        packets: each track's.

    Raises:
        ValueError: no tracks, a track whose columns differ in length, or a packet of another size than its track says.
    """
    laid = lay_out(tracks)
    yield laid.head
    for n, k in zip(laid.track.tolist(), laid.packet.tolist(), strict=True):
        if len(packets[n][k]) != tracks[n].sizes[k]:
            raise ValueError(f"packet {k} has {len(packets[n][k])} bytes, and not {tracks[n].sizes[k]}")
        yield packets[n][k]


def sample_entries(path: Readable) -> dict[str, bytes]:
    """The sample entry of each kind's first track by its handler (`vide`, `soun`), from a file's index.

    Raises:
        BadMedia: the file has no index, or one that contradicts itself.
    """
    return {kind: entry for kind, _, entry in reversed(described_tracks(path))}


def described_tracks(path: Readable) -> list[tuple[str, int, bytes]]:
    """Each track's handler, how many sample entries it has, and the first of them, in the order of the file's index.

    Raises:
        BadMedia: the file has no index, or one that contradicts itself.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        at = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            header = 8
            if length == 1 and at + 16 <= size:
                length, header = struct.unpack(">Q", file.read(8))[0], 16
            if length == 0:
                length = size - at
            if length < header or at + length > size or (kind == b"moov" and length > _LONGEST_INDEX_BYTES):
                break
            if kind == b"moov":
                return list(_entries_in(file.read(length - header)))
            at += length
    raise BadMedia(f"not an MP4 file with an index: {path.name}")


def codec_config(sample_entry: bytes) -> bytes:
    """The `avcC` inside an `avc1` sample entry: profile and parameter sets.

    Raises:
        BadMedia: it is not one.
    """
    # 8 of box header and 78 of VisualSampleEntry come before the boxes inside (14496-12, 12.1.3).
    for kind, payload in _boxes(sample_entry[86:]):
        if kind == b"avcC":
            return payload
    raise BadMedia("the track has no H.264 configuration")


def without_bit_rate(sample_entry: bytes) -> bytes:
    """A video sample entry without its `btrt`, the one box that differs between segments of a film."""
    kept = [_box(kind.decode("latin-1"), payload) for kind, payload in _boxes(sample_entry[86:]) if kind != b"btrt"]
    return struct.pack(">I", 86 + sum(len(k) for k in kept)) + sample_entry[4:86] + b"".join(kept)


def parameter_sets(avcc: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The sequence and picture parameter sets of an `avcC` (14496-15, 5.3.3.1).

    Raises:
        BadMedia: it is cut off.
    """
    try:
        sps, at = _sets(avcc, 6, avcc[5] & 31)
        pps, _ = _sets(avcc, at + 1, avcc[at])
    except (IndexError, struct.error):
        raise BadMedia(f"an avcC of {len(avcc)} bytes is cut off") from None
    return sps, pps


def with_parameter_sets(sample_entry: bytes, sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """A video sample entry with other parameter sets in its `avcC`; all else is kept."""
    old = codec_config(sample_entry)
    _, at = _sets(old, 6, old[5] & 31)
    _, at = _sets(old, at + 1, old[at])
    avcc = b"".join(
        [
            old[:1], sps[0][1:4], old[4:5], bytes([0xE0 | len(sps)]), *(struct.pack(">H", len(s)) + s for s in sps),
            bytes([len(pps)]), *(struct.pack(">H", len(p)) + p for p in pps), old[at:],
        ]
    )  # fmt: skip
    inside = [
        _box(kind.decode("latin-1"), avcc if kind == b"avcC" else payload)
        for kind, payload in _boxes(sample_entry[86:])
    ]
    return struct.pack(">I", 86 + sum(len(k) for k in inside)) + sample_entry[4:86] + b"".join(inside)


def _sets(avcc: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    found = []
    for _ in range(count):
        (length,) = struct.unpack(">H", avcc[at : at + 2])
        found.append(avcc[at + 2 : at + 2 + length])
        at += 2 + length
    return tuple(found), at


def _entries_in(moov: bytes) -> Iterator[tuple[str, int, bytes]]:
    for kind, trak in _boxes(moov):
        if kind != b"trak":
            continue
        mdia = _inside(trak, b"mdia")
        stsd = _inside(_inside(_inside(mdia, b"minf"), b"stbl"), b"stsd")
        if len(stsd) < 16:
            raise BadMedia("an MP4 track that says nothing of its codec")
        handler = _inside(mdia, b"hdlr")[8:12].decode("latin-1")
        count, length = struct.unpack(">II", stsd[4:12])
        yield handler, count, stsd[8 : 8 + length]


def _inside(payload: bytes, wanted: bytes) -> bytes:
    for kind, inner in _boxes(payload):
        if kind == wanted:
            return inner
    raise BadMedia(f"an MP4 index without {wanted.decode()!r}")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if length < 8 or at + length > len(data):
            raise BadMedia(f"an MP4 box of {length} bytes in {len(data) - at}")
        yield kind, data[at + 8 : at + length]
        at += length


def _chunks(track: Track) -> list[tuple[Fraction, int, int]]:
    """(start in seconds, first packet, past the last) of runs of about a second."""
    starts = np.cumsum(track.durations) - track.durations
    number = starts // (_CHUNK_S * track.timescale)
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(track.sizes)]
    return [(Fraction(int(starts[low]), track.timescale), low, high) for low, high in itertools.pairwise(edges)]


def _moov(
    tracks: Sequence[Track],
    chunks: Sequence[list[tuple[Fraction, int, int]]],
    places: Sequence[NDArray[np.int64]],
    movie_timescale: int,
    total: int,
) -> bytes:
    shown = [
        int((t.delay + (t.shown[1] if t.shown else int(t.durations.sum()))) * Fraction(movie_timescale, t.timescale))
        for t in tracks
    ]
    mvhd = _full(
        "mvhd", 1, 0, struct.pack(">QQIQ", 0, 0, movie_timescale, max(shown)), struct.pack(">IHHQ", 0x10000, 0x100, 0, 0),
        _MATRIX, bytes(24), struct.pack(">I", len(tracks) + 1),
    )  # fmt: skip
    wide = total + 2**24 > _LARGEST_U32
    delays = [int(t.delay * Fraction(movie_timescale, t.timescale)) for t in tracks]
    traks = [_trak(n + 1, track, chunks[n], places[n], (delays[n], shown[n]), wide) for n, track in enumerate(tracks)]
    return _box("moov", mvhd, *traks)


def _trak(
    number: int,
    track: Track,
    chunks: list[tuple[Fraction, int, int]],
    places: NDArray[np.int64],
    lasts: tuple[int, int],
    wide: bool,
) -> bytes:
    delay, shown = lasts
    video = track.handler == "vide"
    tkhd = _full(
        "tkhd", 1, 3, struct.pack(">QQIIQ", 0, 0, number, 0, shown), bytes(8),
        struct.pack(">HHHH", 0, 0 if video else 1, 0 if video else 0x100, 0), _MATRIX,
        struct.pack(">II", track.width_px << 16, track.height_px << 16),
    )  # fmt: skip
    edts = b""
    if track.shown is not None:
        empty = struct.pack(">QqHH", delay, -1, 1, 0) if delay else b""
        edit = struct.pack(">QqHH", shown - delay, track.shown[0], 1, 0)
        edts = _box("edts", _full("elst", 1, 0, struct.pack(">I", 2 if delay else 1), empty, edit))
    mdhd = _full(
        "mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, track.timescale, int(track.durations.sum()), 0x55C4, 0)
    )  # 0x55C4 is "und" (14496-12, 8.4.2)
    hdlr = _full("hdlr", 0, 0, bytes(4), track.handler.encode(), bytes(12), b"heaters\0")
    about = _full("vmhd", 0, 1, bytes(8)) if video else _full("smhd", 0, 0, bytes(4))
    dinf = _box("dinf", _full("dref", 0, 0, struct.pack(">I", 1), _full("url ", 0, 1)))
    minf = _box("minf", about, dinf, _stbl(track, chunks, places, wide))
    return _box("trak", tkhd, edts, _box("mdia", mdhd, hdlr, minf))


def _stbl(
    track: Track,
    chunks: list[tuple[Fraction, int, int]],
    places: NDArray[np.int64],
    wide: bool,
) -> bytes:
    parts = [
        _full("stsd", 0, 0, struct.pack(">I", 1), track.sample_entry),
        _full("stts", 0, 0, *_runs(track.durations, ">u4")),
    ]
    if track.offsets is not None and bool(track.offsets.any()):
        parts.append(_full("ctts", 1, 0, *_runs(track.offsets, ">i4")))
    if track.key is not None and not bool(track.key.all()):
        keys = np.flatnonzero(track.key) + 1
        parts.append(_full("stss", 0, 0, struct.pack(">I", len(keys)), keys.astype(">u4").tobytes()))
    counts = np.array([high - low for _, low, high in chunks], np.int64)
    changes = np.concatenate([[0], np.flatnonzero(np.diff(counts)) + 1]).astype(np.int64)
    stsc = np.column_stack([changes + 1, counts[changes], np.ones(len(changes), np.int64)]).astype(">u4")
    parts.append(_full("stsc", 0, 0, struct.pack(">I", len(stsc)), stsc.tobytes()))
    parts.append(_full("stsz", 0, 0, struct.pack(">II", 0, len(track.sizes)), track.sizes.astype(">u4").tobytes()))
    offsets = places.astype(">u8" if wide else ">u4").tobytes()
    parts.append(_full("co64" if wide else "stco", 0, 0, struct.pack(">I", len(places)), offsets))
    return _box("stbl", *parts)


def _runs(values: NDArray[np.int64], value_type: str) -> tuple[bytes, bytes]:
    """Run lengths: a count of entries, then (how often, value) of each."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]]).astype(np.int64)
    rows = np.empty(len(edges) - 1, np.dtype([("often", ">u4"), ("value", value_type)]))
    rows["often"] = np.diff(edges)
    rows["value"] = values[edges[:-1]]
    return struct.pack(">I", len(rows)), rows.tobytes()


def _box(kind: str, *payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(len(p) for p in payload), kind.encode()) + b"".join(payload)


def _full(kind: str, version: int, flags: int, *payload: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *payload)
