"""Objects read by parts as if they were files, from within a child process that knows no secret.

A signed address and the object's size are all that a child is given. Each byte is fetched at most once a job: what came lies in a
sparse file beside the job, and what is read in order is fetched ahead, in ever longer parts. Nothing of it goes into the node's
cache, for a part's hash cannot be checked against the whole's.
"""

import io
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import urllib3
from urllib3.exceptions import HTTPError

from heaters_edges.failure import Archived, MissingObject, Unavailable, WrongObject

BLOCK_BYTES = 512 * 1024
_MOST_BLOCKS = 16
"""At most so many blocks are fetched in one GET: what is read ahead in vain is at most this much."""
_TIMEOUT = urllib3.Timeout(connect=5, read=60)
_TRIES = urllib3.Retry(total=3, redirect=False, status_forcelist=(500, 502, 503, 504), backoff_factor=0.5)
_PARTIAL, _FORBIDDEN, _GONE = 206, 403, 404
_CODE = re.compile(rb"<Code>(\w{1,100})</Code>")
# It warns of each try that it repeats, with the signed address: whoever reads that in a log could read the object.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object can be read for a while, by whoever knows it.

    Attributes:
        url: signed.
        ca_bundle: a file of certificates to trust instead of the usual ones.
    """

    url: str
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class _Size:
    st_size: int


@dataclass(slots=True)
class RemoteFile:
    """An object of the store, to be opened like a Path. Made for one job; goes to a child process by pickling.

    Attributes:
        name: shown in messages.
        size_bytes: its size, as its fact tells it.
        address: at which it can be read for as long as the job lasts.
        scratch: a file beside the job for what came; made by the first read.
        problem: what went wrong in reading. Decoders take a failed read for the end of a film: whoever used one asks here.
    """

    name: str
    size_bytes: int
    address: Address
    scratch: Path
    problem: Exception | None = None
    _have: set[int] = field(default_factory=set)
    _next: int = -1
    _ahead: int = 1
    _pool: urllib3.PoolManager | None = None

    def is_file(self) -> bool:
        """It is one, for all who ask."""
        return True

    def stat(self) -> _Size:
        """Its size."""
        return _Size(self.size_bytes)

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """Read it from its start.

        Raises, as does every read:
            Unavailable: the store does not answer.
            MissingObject: there is no such object.
            Archived: it lies in cold storage.
            WrongObject: it has another size than its fact says.
        """
        return io.BufferedReader(_Reader(self), BLOCK_BYTES)

    def parts_read(self) -> list[int]:
        """Bytes of each GET so far, also of those that another process made."""
        try:
            return [int(line) for line in self._log().read_text().split()]
        except FileNotFoundError:
            return []

    def read_at(self, offset: int, length: int) -> bytes:
        """Some bytes; fewer only at the end. Raises what `open` names."""
        end = min(offset + length, self.size_bytes)
        if end <= offset:
            return b""
        try:
            self._hold(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        except (Unavailable, MissingObject, Archived, WrongObject) as problem:
            self.problem = problem
            raise
        with self.scratch.open("rb") as file:
            return os.pread(file.fileno(), end - offset, offset)

    def _hold(self, first: int, past: int) -> None:
        """Fetch the blocks [first, past) that are not there, each run of them by one GET."""
        at = first
        while at < past:
            if at in self._have:
                at += 1
                continue
            self._ahead = min(2 * self._ahead, _MOST_BLOCKS) if at == self._next else 1
            stop, last = at, -(-self.size_bytes // BLOCK_BYTES)
            wanted = max(past, at + self._ahead)
            while stop < min(wanted, last) and stop not in self._have and stop - at < _MOST_BLOCKS:
                stop += 1
            self._fetch(at * BLOCK_BYTES, min(stop * BLOCK_BYTES, self.size_bytes))
            self._have.update(range(at, stop))
            self._next = at = stop

    def _fetch(self, begin: int, end: int) -> None:
        if self._pool is None:
            self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=_TRIES, ca_certs=self.address.ca_bundle)
        try:
            answer = self._pool.request(
                "GET",
                self.address.url,
                headers={"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"},
                redirect=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as problem:
            # Its words repeat the address as well.
            why = getattr(problem, "reason", None) or type(problem).__name__
            raise Unavailable(f"the object store did not answer get_range of {self.name}: {why}") from None
        if answer.status == _GONE:
            raise MissingObject(f"there is no object {self.name}")
        if answer.status == _FORBIDDEN and b"InvalidObjectState" in answer.data:
            raise Archived(f"{self.name} lies in cold storage")
        if answer.status != _PARTIAL:
            said = _CODE.search(answer.data)
            code = said[1].decode("ascii", "replace") if said else "without a reason"
            raise Unavailable(f"the object store refused get_range of {self.name}: status {answer.status}, {code}")
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if whole != str(self.size_bytes) or len(answer.data) != end - begin:
            raise WrongObject(
                f"{self.name} has {whole or 'unknown'} bytes and gave {len(answer.data)} of {end - begin} at {begin};"
                f" its fact says {self.size_bytes}"
            )
        with self.scratch.open("r+b" if self.scratch.exists() else "wb") as file:
            os.pwrite(file.fileno(), answer.data, begin)
        with self._log().open("a") as log:
            log.write(f"{len(answer.data)}\n")

    def _log(self) -> Path:
        return self.scratch.with_suffix(".read")


class _Reader(io.RawIOBase):
    def __init__(self, file: RemoteFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes}[whence]
        if origin + offset < 0:
            raise ValueError(f"there is nothing before the start of {self._file.name}")
        self._at = origin + offset
        return self._at

    def readinto(self, into: "bytearray | memoryview") -> int:  # type: ignore[override]  # the buffers that io gives
        data = self._file.read_at(self._at, len(into))
        into[: len(data)] = data
        self._at += len(data)
        return len(data)
