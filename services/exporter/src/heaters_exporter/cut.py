"""The edge to film: what runs in a child process.

PyAV is imported inside the functions: the children come from a process that has it already (`PRELOAD`), and the service
itself, which only waits for them, stays small.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_media.cut import ExportPlan
from heaters_media.profiles import REVIEW

if TYPE_CHECKING:
    from heaters_media.export import Exported

PRELOAD = ("heaters_media.export", "heaters_media.source_export")


def cut_proxy(plan: ExportPlan, pieces: Sequence[Path], out: Path) -> "Exported":
    """Write a clip from what was read of its proxy, and prove it.

    Args:
        plan: what was read, and what to make of it.
        pieces: files with what each of its reads gave.
        out: the file.

    Raises:
        BadMedia: a proxy is damaged.
        ExportMismatch: the proof failed; nothing is exported then.
    """
    from heaters_media.export import export_from

    return export_from(plan, [_mapped(piece) for piece in pieces], out, REVIEW)


def _mapped(path: Path) -> memoryview:
    """What lies in a file. It may be as long as a film: the kernel decides what of it is in memory. It ends with its last user."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def cut_source(source: Path, content: str, plan: ExportPlan, out: Path) -> "Exported":
    """Write a clip from the original, and prove it.

    Args:
        source: the original.
        content: its hash, by which what was found out about it is kept for its next clips.
        plan: of the same clip from its proxy: it knows when the clip begins and ends.
        out: the file.

    Raises:
        BadMedia: the original is damaged.
        ExportMismatch: the proof failed; nothing is exported then.
    """
    from heaters_media.source_export import export_source

    clip = plan.clip
    ticks = (clip.start_ticks, clip.end_ticks)
    return export_source(source, start=clip.start, frames=clip.end - clip.start, ticks=ticks, out=out, content=content)
