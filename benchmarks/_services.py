"""The stages up to review as processes of their own, as in production."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
from heaters_contracts.pipeline import SERVICES
from heaters_edges.settings import Settings
from heaters_local.process import Child, tail
from heaters_local.servers import free_port

_READY_WITHIN_S = 60.0
_POLL_S = 0.1


def environment_of(settings: Settings, service: str, port: int) -> dict[str, str]:
    """What a service is started with: it listens on the port of this host."""
    return os.environ | {
        "HEATERS_NATS_URL": settings.nats_url,
        "HEATERS_S3_ENDPOINT": settings.s3_endpoint,
        "HEATERS_S3_BUCKET": settings.s3_bucket,
        "HEATERS_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "HEATERS_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "HEATERS_CACHE_DIR": str(settings.cache_dir),
        "HEATERS_LISTEN": f"127.0.0.1:{port}",
        "HEATERS_SERVICE_INSTANCE": service,
        "HEATERS_LINK_DUPLICATES": "false",  # the same film is sent again and again
        "HEATERS_MASTER": "false",  # the master is its own job, never on the way to review
        "HEATERS_REUSE": "false",  # the sample could be its own proxy; ffmpeg makes one, and so does ours
    }


def _exit_code(child: Child) -> int | None:
    return child.exit_code


def _module(service: str) -> str:
    own = next(name for name in SERVICES if service.startswith(name))
    return f"heaters_{own.replace('-', '_')}"


@contextmanager
def running(
    folder: Path, settings: Settings, names: Sequence[str], more: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[Mapping[str, psutil.Process]]:
    """Services, a process each, ready for work; `scenes-2` is a second one of scenes.

    Args:
        folder: for their logs.
        settings: what reaches the servers.
        names: of the services.
        more: variables, by service.
    """
    with ExitStack() as stack:
        children: dict[str, tuple[Child, int]] = {}
        for service in names:
            port = free_port()
            command = [sys.executable, "-m", _module(service)]
            child = Child(
                command,
                log=folder / f"{service}.log",
                env={**environment_of(settings, service, port), **(more or {}).get(service, {})},
            )
            stack.callback(child.stop, 10)
            children[service] = child, port
        for service, (child, port) in children.items():
            until_ready(service, port, partial(_exit_code, child), child.log)
        yield {service: psutil.Process(child.pid) for service, (child, _) in children.items()}


def until_ready(service: str, port: int, ended: Callable[[], int | None], log: Path) -> None:
    """Wait until a service says that it is ready.

    Raises:
        RuntimeError: it ended, or its time was up; the end of its log is told.
    """
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while ended() is None and time.monotonic() < deadline_s:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=1).is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(_POLL_S)
    raise RuntimeError(f"{service} did not come up (exit code {ended()}):\n{tail(log)}")
