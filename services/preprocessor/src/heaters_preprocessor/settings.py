"""The preprocessor's own settings."""

from heaters_edges.settings import Settings
from pydantic import Field


class PreprocessorSettings(Settings):
    """How videos are divided, and whether a master is kept."""

    first_segment_s: int = Field(
        5, gt=0, description="length of a video's first segment, seconds; review begins after it"
    )
    segment_growth: int = Field(3, gt=0, description="how many times as long as the one before it a segment is")
    longest_segment_s: int = Field(60, gt=0, description="segments grow to this length, seconds")
    parts_from_mib: int = Field(
        512,
        ge=0,
        description="a source at least so large, MiB, that the node does not hold is read by parts, only where a segment needs it",
    )
    reuse: bool = Field(
        True, description="whether a source that is like a proxy is used as it is; nothing is encoded then"
    )
    master: bool = Field(True, description="whether a lossless master is stored")
    master_storage_class: str = Field("GLACIER", description="S3 storage class of masters; empty for the bucket's own")
    master_room: int = Field(20, gt=0, description="free disk that a master must find, in sizes of its source")
