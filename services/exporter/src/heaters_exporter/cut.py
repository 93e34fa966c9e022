"""The edge to film: what runs in a child process. The service itself never imports PyAV."""

from collections.abc import Sequence
from pathlib import Path

from heaters_media.export import Exported, export
from heaters_media.ledger import Packets
from heaters_media.profiles import REVIEW


def cut_clip(parts: Sequence[tuple[Path, Path]], start: int, end: int, out: Path) -> Exported:
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
    return export([(Packets.load(packets), proxy) for packets, proxy in parts], start, end, out, REVIEW)
