"""Child processes that leave nothing behind: own process group, log in a file, death with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

_TETHER = Path(__file__).with_name("_tether.py")
_KEPT_LOGS = 3
_POLL_S = 0.02


@cache
def _spawner(process_id: int) -> ThreadPoolExecutor:
    # PR_SET_PDEATHSIG fires when the THREAD that started the child ends: one thread, as old as its process, starts them all.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"spawner-{process_id}")


def rotate(log: Path) -> None:
    """Put the log of the last run aside (`x.log` becomes `x.log.1`, and so on; three are kept)."""
    if not log.exists() or log.stat().st_size == 0:
        return
    for age in range(_KEPT_LOGS, 0, -1):
        older = log if age == 1 else log.with_name(f"{log.name}.{age - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{age}"))


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log; an empty text when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


class Child:
    """A running command.

    Args:
        argv: the command.
        log: where its output goes, appended.
        env: its whole environment.
        outside: a command prefix that runs before the tether, such as `unshare ...`; what drops privileges clears the request for
            a signal, so the tether comes after it.
        stop_signal: what asks it to stop.
        orphan_signal: what the kernel sends it when this process ends.
        cwd: its working directory.
        tethered: False for a child that is meant to outlive this process.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        outside: Sequence[str] = (),
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
        cwd: Path | None = None,
        tethered: bool = True,
    ) -> None:
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(int(orphan_signal)), str(os.getpid())]
        self.argv = tuple(argv)
        self.log = log
        self._stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = (
                _spawner(os.getpid())
                .submit(
                    subprocess.Popen,
                    [*outside, *(tether if tethered else ()), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
                .result()
            )

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group's."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until it has ended; None when the time was up first."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    async def ended(self, timeout_s: float | None = None) -> int | None:
        """Wait, without holding up the loop, until it has ended; None when the time was up first."""
        if self.exit_code is not None:
            return self.exit_code
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop.add_reader(descriptor, over.set)
        try:
            async with asyncio.timeout(
                timeout_s
            ):  # `wait_for` of Python 3.11 may lose a cancellation (python/cpython#86296)
                await over.wait()
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self.wait()

    def ask_to_stop(self) -> None:
        """Send its stop signal; harmless when it has ended."""
        if self.exit_code is None:
            self._process.send_signal(self._stop_signal)

    def end(self) -> int:
        """Kill what is left of its process group, at once, and return its exit code."""
        with suppress(ProcessLookupError, PermissionError):  # EPERM is what macOS answers for a group of zombies
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def stop(self, grace_s: float) -> int:
        """Ask it to stop, wait for `grace_s`, then kill its whole process group.

        Returns:
            Its exit code.
        """
        self.ask_to_stop()
        self.wait(grace_s)
        return self.end()


def pause_until(deadline_s: float) -> bool:
    """Sleep one short step on the way to a `time.monotonic()` deadline; False when it has passed."""
    if time.monotonic() >= deadline_s:
        return False
    time.sleep(_POLL_S)
    return True
