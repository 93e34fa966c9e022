"""What is sent: pieces, whose lengths are known before any is read. So a part can be asked for from its middle on."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property

from heaters_contracts.objects import ObjectRef
from heaters_edges.store import Store

CHUNK_BYTES = 4 * 1024**2

Piece = bytes | ObjectRef
"""Bytes as they are, or an object's."""


@dataclass(frozen=True)
class Body:
    """One file, made of pieces.

    Attributes:
        media_type: what it is.
        suffix: what its name ends in, such as ".tar".
        pieces: in order.
        clips: how many clips it is about.
    """

    media_type: str
    suffix: str
    pieces: tuple[Piece, ...]
    clips: int

    @cached_property
    def length_bytes(self) -> int:
        """Its length."""
        return sum(_length(piece) for piece in self.pieces)

    @cached_property
    def etag(self) -> str:
        """The name of exactly these bytes: an object's key and sha256 stand for its content."""
        digest = hashlib.sha256()
        for piece in self.pieces:
            said = piece if isinstance(piece, bytes) else f"\0{piece.key}\0{piece.bytes}\0{piece.sha256}\0".encode()
            digest.update(said)
        return f'"{digest.hexdigest()[:40]}"'

    async def read(self, store: Store, start: int, end: int) -> AsyncGenerator[bytes]:
        """Bytes [start, end), a few megabytes at a time; what comes before is not read.

        Raises:
            OSError: an object is shorter than was told of it.
        """
        place = 0
        for piece in self.pieces:
            first, last = max(start - place, 0), min(end - place, _length(piece))
            place += _length(piece)
            if first >= last:
                continue
            if isinstance(piece, bytes):
                yield piece[first:last]
                continue
            for offset in range(first, last, CHUNK_BYTES):
                length = min(CHUNK_BYTES, last - offset)
                data = await asyncio.to_thread(store.get_range, piece.key, offset, length)
                if len(data) != length:
                    raise OSError(f"{piece.key} ends after {offset + len(data)} of {piece.bytes} bytes")
                yield data


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.bytes
