"""How an upload is divided into parts, and whether its first bytes are those of a video."""

from dataclasses import dataclass

PARTS_MOST = 10_000
"""As many parts has an S3 upload at most."""
PART_LEAST_BYTES = 5 * 1024**2
"""As small may a part be that is not the last."""
HEAD_BYTES = 4096
"""So much of a file's beginning is looked at."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How a file is divided: every part but the last has `part_bytes`.

    Attributes:
        total_bytes: the file's size, at least 1.
        part_bytes: a part's size, at least 1.
    """

    total_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-self.total_bytes // self.part_bytes)

    def bytes_of(self, number: int) -> int:
        """The size of a part.

        Args:
            number: the part, from 1.

        Raises:
            ValueError: there is no such part.
        """
        if not 1 <= number <= self.count:
            raise ValueError(f"there is no part {number}: the file has parts 1 to {self.count}")
        return min(self.part_bytes, self.total_bytes - (number - 1) * self.part_bytes)


def divided(total_bytes: int, *, wished_bytes: int) -> Parts:
    """Parts of the wished size, or larger ones where that would make more of them than an upload may have.

    Args:
        total_bytes: the file's size, at least 1.
        wished_bytes: a part's size, at least PART_LEAST_BYTES.
    """
    least = -(-total_bytes // PARTS_MOST)
    whole_mib = -(-least // 1024**2) * 1024**2
    return Parts(total_bytes, max(wished_bytes, whole_mib))


_MPEG_TS_BYTES = 188
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"FLV\x01", "Flash Video"),
    (0, b"OggS", "Ogg"),
    (0, b"\x00\x00\x01\xba", "MPEG program stream"),
    (0, b"\x00\x00\x01\xb3", "MPEG video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
    (8, b"AVI ", "AVI"),
    (8, b"AVIX", "AVI"),
    (4, b"ftyp", "MP4 or QuickTime"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (4, b"wide", "QuickTime"),
    (4, b"free", "QuickTime"),
    (4, b"skip", "QuickTime"),
    (4, b"pnot", "QuickTime"),
)
_STILL_BRANDS = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"jp2 ", b"jxl ", b"M4A ", b"M4B "}


def container_of(head: bytes) -> str | None:
    """The container that a file's first bytes speak of, or None where they are no video's.

    A name says nothing, and some formats (a list of other files to join, a playlist) would lead a demuxer astray: only what
    begins as a video file does is taken in. The plan looks at the rest.

    Args:
        head: the first bytes, HEAD_BYTES of them if there are so many.
    """
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            if offset == 8 and head[:4] != b"RIFF":
                continue
            if magic == b"ftyp" and head[8:12] in _STILL_BRANDS:
                return None
            return name
    for lead in (0, 4):  # M2TS puts four bytes of time before each packet
        step = _MPEG_TS_BYTES + lead
        marks = head[lead : lead + 5 * step : step]
        if len(marks) >= 2 and set(marks) == {0x47}:
            return "MPEG transport stream"
    return None
