"""What a film's bytes are read from."""

from typing import IO, Literal, Protocol


class Sized(Protocol):
    """What a file's `stat` says."""

    @property
    def st_size(self) -> int:
        """In bytes."""


class Readable(Protocol):
    """A Path, or anything that is opened like one, such as an object of a store that is read by parts."""

    @property
    def name(self) -> str:
        """For messages."""

    def is_file(self) -> bool:
        """Whether there is such a file."""

    def stat(self) -> Sized:
        """How long it is."""

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Its bytes from the start; they can be sought in."""
