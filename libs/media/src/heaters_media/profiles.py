"""How proxies are encoded, in one place, as data. Each profile's purpose stands in its line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ProxyProfile:
    """H.264 that can be cut anywhere and joined to itself.

    Attributes:
        name: goes into object keys, with the hash of all the rest.
        purpose: what it is for, in a line.
        reviewed: whether people look at it in a browser; it must be small then.
        crf: x264's constant quality; lower is better.
        preset: x264's.
        longest_px: the longer side of the picture at most.
        shortest_px: the shorter side at most.
        gop_s: a key frame at least this often.
        b_frames: always 0 in a proxy: decode order is then the order of presentation, and any frame can end a clip.
        open_gop: always False in a proxy: a key frame is then where decoding can begin.
        stitchable: always True in a proxy: one parameter set for all segments and re-encoded heads.
        faststart: always True: a player needs the index before the pictures.
        audio_bits_per_s: AAC, for two channels.
        threads: of one encoder; many segments are made at once instead.
    """

    name: str
    purpose: str
    reviewed: bool = True
    crf: int = 20
    preset: str = "veryfast"
    longest_px: int = 1920
    shortest_px: int = 1080
    gop_s: Fraction = Fraction(1)
    b_frames: int = 0
    open_gop: bool = False
    stitchable: bool = True
    faststart: bool = True
    audio_bits_per_s: int = 128_000
    threads: int = 1

    @property
    def tag(self) -> str:
        """Name and short hash of everything that changes the bytes; part of object keys."""
        said = ";".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))
        return f"{self.name}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"

    def breaches(self) -> tuple[str, ...]:
        """The laws of a proxy that this profile breaks, each in a sentence; empty for a lawful one."""
        laws = (
            (self.b_frames == 0, f"a proxy has no B-frames, not {self.b_frames}"),
            (not self.open_gop, "a proxy's GOPs are closed"),
            (self.stitchable, "a proxy's parameter sets must not depend on the segment"),
            (self.faststart, "a proxy's index comes first"),
            (0 < self.gop_s <= 2, f"a proxy has a key frame at least every 2 s, not {self.gop_s}"),
            (not self.reviewed or (self.longest_px <= 1920 and self.shortest_px <= 1080), "a proxy is at most 1080p"),
            (self.longest_px % 2 == 0 and self.shortest_px % 2 == 0, "4:2:0 needs even sides"),
            (0 < self.crf <= 30, f"CRF {self.crf} is either lossless or not worth looking at"),
            (self.threads >= 1, "an encoder needs a thread"),
        )
        return tuple(said for kept, said in laws if not kept)

    def gop_frames(self, rate: Fraction) -> int:
        """The longest distance between key frames at a rate, in frames; an encoder setting, never a position."""
        return max(1, min(250, round(self.gop_s * rate)))

    def x264_options(self, rate: Fraction, *, crf: int | None = None, set_id: int | None = None) -> dict[str, str]:
        """Options for libx264.

        Args:
            rate: frames a second, about.
            crf: instead of the profile's; the parameter sets do not change with it.
            set_id: number of the parameter sets, to stand beside others in one file.
        """
        params = {
            "keyint": self.gop_frames(rate),
            "min-keyint": 1,
            "bframes": self.b_frames,
            "open-gop": int(self.open_gop),
            "stitchable": int(self.stitchable),
        }
        if set_id is not None:
            params["sps-id"] = set_id
        return {
            "preset": self.preset,
            "crf": str(self.crf if crf is None else crf),
            "threads": str(self.threads),
            "x264-params": ":".join(f"{name}={value}" for name, value in params.items()),
        }

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The picture's size in the proxy before it is padded to even sides: never larger, shape kept.

        Args:
            width_px: upright, square pixels.
            height_px: upright, square pixels.
        """
        long_side, short_side = max(width_px, height_px), min(width_px, height_px)
        scale = min(Fraction(1), Fraction(self.longest_px, long_side), Fraction(self.shortest_px, short_side))
        if scale == 1:
            return width_px, height_px
        return max(2, round(width_px * scale / 2) * 2), max(2, round(height_px * scale / 2) * 2)


REVIEW = ProxyProfile(name="review", purpose="what people look at, and what clips are cut from")
SOURCE_QUALITY = ProxyProfile(
    name="source",
    purpose="a clip from the original, as large as it was filmed, where its bytes cannot be copied",
    reviewed=False,
    crf=16,
    preset="medium",
    longest_px=8192,
    shortest_px=8192,
    audio_bits_per_s=192_000,
    threads=2,
)
PROFILES = (REVIEW, SOURCE_QUALITY)
