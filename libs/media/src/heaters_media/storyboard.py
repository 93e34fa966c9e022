"""A segment at a glance: one JPEG with a small picture about every second, for scrubbing, that carries its own index.

The index lies in the JPEG's comment (ITU-T T.81, B.2.4.5) as JSON, so that picture and index are one object: a page shows the
JPEG as it is, and whoever serves it reads from its first bytes which frame lies where. Reading needs no decoder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from heaters_media.errors import BadLedger


@dataclass(frozen=True, slots=True)
class Storyboard:
    """What a sheet shows, and where: tiles in rows from the left, as many columns in each.

    Attributes:
        frames: of the whole video, one a tile, strictly increasing; the first is the segment's first.
        columns: tiles a row.
        tile_width_px: of one tile.
        tile_height_px: of one tile.
    """

    frames: tuple[int, ...]
    columns: int
    tile_width_px: int
    tile_height_px: int

    @classmethod
    def load(cls, jpeg: bytes) -> Self:
        """The index of a sheet.

        Args:
            jpeg: the sheet, or at least its first 64 KiB.

        Raises:
            BadLedger: not a sheet of ours.
        """
        try:
            said = json.loads(_comment(jpeg))
            index = cls(tuple(said["frames"]), said["columns"], said["tile_width_px"], said["tile_height_px"])
            sizes = (index.columns, index.tile_width_px, index.tile_height_px, len(index.frames))
            if all(isinstance(n, int) for n in (*index.frames, *sizes)) and min(sizes) > 0:
                return index
        except (IndexError, KeyError, TypeError, ValueError) as wrong:
            raise BadLedger(f"not a storyboard: {wrong}") from wrong
        raise BadLedger("not a storyboard: its numbers cannot be")

    def comment(self) -> str:
        """The index as it lies in the picture."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def tile_px(self, number: int) -> tuple[int, int]:
        """Left and top of a tile on the sheet."""
        return number % self.columns * self.tile_width_px, number // self.columns * self.tile_height_px


def _comment(jpeg: bytes) -> bytes:
    """The comment of a JPEG file, from its markers."""
    at = 2
    while jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == 0xFE:
            return jpeg[at + 4 : at + 2 + length]
        at += 2 + length
    raise ValueError("the picture has no comment")
