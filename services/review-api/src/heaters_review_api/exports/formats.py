"""The formats by name, and how many clips of a page one file of each can hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heaters_review_api.exports import datasets, edl, fcpxml, otio
from heaters_review_api.exports.body import Body
from heaters_review_api.exports.parquet import parquet
from heaters_review_api.exports.rows import Row
from heaters_review_api.exports.timelines import Media, timeline


@dataclass(frozen=True, slots=True)
class Wish:
    """How a part is to be made.

    Attributes:
        media: what the events of a timeline name.
        bytes_most: a shard that holds the clips' files ends before it is longer; a single clip may be.
    """

    media: Media = "source"
    bytes_most: int = 1024**3


def _whole(make: Callable[[Sequence[Row]], Body]) -> Callable[[Sequence[Row], Wish], Body]:
    return lambda rows, _: make(rows)


def _shard(rows: Sequence[Row], wish: Wish) -> Body:
    held, count = 0, 0
    for row in rows:
        held += row.clip.export_object.bytes if row.clip.export_object else 0
        if count and held > wish.bytes_most:
            break
        count += 1
    return datasets.webdataset(rows[:count])


FORMATS: dict[str, Callable[[Sequence[Row], Wish], Body]] = {
    "tar": _shard,
    "parquet": _whole(parquet),
    "csv": _whole(datasets.as_csv),
    "jsonl": _whole(datasets.as_jsonl),
    "edl": lambda rows, wish: edl.edl(*timeline(rows, wish.media, most=edl.EVENTS_MOST)),
    "fcpxml": lambda rows, wish: fcpxml.fcpxml(*timeline(rows, wish.media, most=fcpxml.EVENTS_MOST)),
    "otio": lambda rows, wish: otio.otio(*timeline(rows, wish.media, most=otio.EVENTS_MOST), wish.media),
}
"""Each makes a file of as many of the rows, from the first, as it can hold: its `clips` says how many. Timelines need one row at least."""
