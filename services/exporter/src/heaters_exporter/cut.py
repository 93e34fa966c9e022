"""The edge to film: what runs in a child process.

PyAV is imported inside the function: the children come from a process that has it already (`PRELOAD`), and the service
itself, which only waits for them, stays small.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_media.profiles import REVIEW

if TYPE_CHECKING:
    from heaters_media.export import Exported

PRELOAD = ("heaters_media.export",)


def cut_clip(parts: Sequence[tuple[Path, Path]], start: int, end: int, out: Path) -> "Exported":
    """Write frames [start, end) of a proxy to a file and prove it.

    Args:
        parts: packet index and proxy of each segment that the clip touches.
        start: first frame of the whole video.
        end: one past the last.
        out: the file.

    Raises:
        BadMedia: a proxy is damaged.
        ExportMismatch: the proof failed; nothing is exported then.
    """
    from heaters_media.export import export
    from heaters_media.ledger import Packets

    return export([(Packets.load(packets), proxy) for packets, proxy in parts], start, end, out, REVIEW)
