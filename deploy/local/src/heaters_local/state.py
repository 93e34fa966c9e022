"""What runs on this machine, for everybody to see: one folder, one state file, one lock."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from heaters_local.files import kept_secret, write_private

__all__ = ["AlreadyRunning", "Home", "Part", "PartState", "Phase", "State"]


_ASKED_S = 0.5
"""Whoever asks whether something runs here holds the lock for a moment, too; a supervisor holds it longer."""


class AlreadyRunning(RuntimeError):
    """Another supervisor holds this folder."""


class Phase(StrEnum):
    """Where the whole is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class PartState(StrEnum):
    """Where one process is."""

    WAITING = "waiting"  # its turn has not come
    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"  # it ran well, and now runs without being ready
    RESTARTING = "restarting"  # it ended, and will be started again after a pause
    DONE = "done"  # it had to run once, and did
    STOPPED = "stopped"


@dataclass
class Part:
    """One process: a server, what runs once, or a replica of a service."""

    name: str
    kind: str
    log: str
    state: PartState = PartState.WAITING
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    last_exit_code: int | None = None
    note: str = ""


@dataclass
class State:
    """All that is known of a running (or failed) whole. It holds secrets: the file has mode 0600.

    Attributes:
        urls: `review`, `nats`, `postgres` (for SQLAlchemy) and `s3`, as far as they exist.
        s3: `bucket`, `access_key`, `secret_key`.
        token: signs a client of the API in.
    """

    pid: int
    home: str
    phase: Phase
    token: str
    error: str = ""
    urls: dict[str, str] = field(default_factory=dict)
    s3: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def to_json(self) -> str:
        """As the state file holds it."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "State":
        """The inverse of `to_json`."""
        data = json.loads(text)
        parts = [Part(**{**part, "state": PartState(part["state"])}) for part in data.pop("parts")]
        return cls(**{**data, "phase": Phase(data["phase"])}, parts=parts)

    def facts(self) -> dict[str, str]:
        """The places that a table's rows may name."""
        return {
            "nats_url": self.urls.get("nats", ""),
            "database_url": self.urls.get("postgres", ""),
            "s3_endpoint": self.urls.get("s3", ""),
            "s3_bucket": self.s3.get("bucket", ""),
            "s3_access_key": self.s3.get("access_key", ""),
            "s3_secret_key": self.s3.get("secret_key", ""),
            "cache_dir": str(Path(self.home) / "cache"),
            "token": self.token,
        }


class Home:
    """The folder that holds data, logs, caches and state."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.cache = self.path / "cache"
        self.sample = self.path / "sample.mp4"
        self._state, self._lock, self._ports = self.path / "state.json", self.path / "lock", self.path / "ports.json"

    def token(self) -> str:
        """The token of this folder's API; made at the first time."""
        return kept_secret(self.path / "token")

    def log(self, name: str) -> Path:
        """Where a process of this name logs."""
        return self.logs / f"{name}.log"

    def remembered_ports(self) -> dict[str, int]:
        """Ports by name, as they were last time, so that addresses outlive a restart."""
        if not self._ports.exists():
            return {}
        ports: dict[str, int] = json.loads(self._ports.read_text())
        return ports

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Keep them for the next time; a name that is not among them keeps its port."""
        write_private(self._ports, json.dumps(self.remembered_ports() | ports, indent=2) + "\n")

    def write(self, state: State) -> None:
        """Show everybody the state."""
        write_private(self._state, state.to_json())

    def last(self) -> State | None:
        """The state as last written, by a supervisor that may have ended since."""
        return State.from_json(self._state.read_text()) if self._state.exists() else None

    def forget(self) -> None:
        """Nothing runs here any more, and nothing went wrong."""
        self._state.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Whether a supervisor runs here now."""
        if not self._lock.exists():
            return False
        with self._lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def running(self) -> State | None:
        """The state of what runs here now; None when nothing does."""
        return self.last() if self.is_held() else None

    def wait_until_free(self, timeout_s: float) -> bool:
        """Wait until no supervisor runs here; False when the time was up first."""
        deadline_s = time.monotonic() + timeout_s
        while self.is_held():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(0.05)
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only supervisor of this folder. The kernel ends it with the process, however that ends.

        Raises:
            AlreadyRunning: there is one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline_s = time.monotonic() + _ASKED_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= deadline_s:
                        raise AlreadyRunning(f"something runs already in {self.path}") from error
                    time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)
