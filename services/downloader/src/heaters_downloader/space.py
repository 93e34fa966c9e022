"""Room on the disk, reserved before it is needed."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heaters_edges.failure import NoSpace
from heaters_edges.objects import too_little

_STEP_BYTES = 16 * 1024**2


class Reservation:
    """A file that holds the room which a download still needs; it shrinks as the download grows.

    Two downloads that begin at once cannot both count on the same free space: the file system has given it to one of them. The
    file has no name, so the system takes the room back with the process, however that ends.
    """

    def __init__(self, file: int, needed_bytes: int) -> None:
        self._file = file
        self._left = needed_bytes

    def shrink(self, left_bytes: int) -> None:
        """So much is still to come."""
        if self._left - left_bytes >= _STEP_BYTES or left_bytes <= 0 < self._left:
            self._left = max(0, left_bytes)
            os.ftruncate(self._file, self._left)


@contextmanager
def reserved(folder: Path, needed_bytes: int, *, free_bytes: int) -> Iterator[Reservation]:
    """Take room on the disk for as long as the block lasts.

    Args:
        folder: where the file will lie.
        needed_bytes: what is still to come.
        free_bytes: what must stay free besides.

    Raises:
        NoSpace: there is not so much.
        TryLater: nor would there be on the empty disk.
    """
    if shutil.disk_usage(folder).free - needed_bytes < free_bytes:
        raise too_little(folder, needed_bytes, reserve_bytes=free_bytes)
    with tempfile.TemporaryFile(dir=folder) as file:
        if needed_bytes > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, needed_bytes)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise NoSpace(
                    f"{needed_bytes >> 20} MiB could not be reserved: {error.strerror}", needed_bytes=needed_bytes
                ) from error
        yield Reservation(file.fileno(), needed_bytes)
