"""A disk of some megabytes, which a test fills: a memory file system, so only for root; skipped, loudly, for anybody else."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MIB = 1 << 20


class Disk:
    """The disk, and the ballast that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, *, but_bytes: int = 0) -> None:
        """Leave so much and no more."""
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), max(1, free - but_bytes))

    def empty(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, *, size_mib: int) -> Iterator[Disk]:
    """A disk at a folder, which is made."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is really full needs a file system of its own, and only root may mount one")
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib * _MIB},mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine mounts no file system, so no disk can be filled: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
