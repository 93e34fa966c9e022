"""Start and stop the supervisor, from the command line or from a test."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from heaters_local.process import Child, rotate, tail
from heaters_local.state import AlreadyRunning, Home, Phase, State

__all__ = ["Launched", "StartedNothing", "stop_running"]

_POLL_S = 0.1
_STOP_S = 60


class StartedNothing(RuntimeError):
    """It did not come up, or did not stay up; the message says why."""


class Launched:
    """A supervisor that this process started.

    Args:
        home: its folder.
        table: a table of services; None for the one that the package ships.
        detached: True: it outlives this process. False: it stops, cleanly, when this process ends.

    Raises:
        AlreadyRunning: there is one in this folder.
    """

    def __init__(self, home: Home, *, table: Path | None = None, detached: bool = False) -> None:
        if home.is_held():
            raise AlreadyRunning(f"something runs already in {home.path}")
        self.home = home
        self._log = home.log("supervisor")
        rotate(self._log)
        self._child = Child(
            [
                *(sys.executable, "-m", "heaters_local.supervisor", "--home", str(home.path)),
                *(("--table", str(table.absolute())) if table else ()),
            ],
            log=self._log,
            env=os.environ,
            orphan_signal=signal.SIGTERM,
            tethered=not detached,
        )

    def states(self) -> Iterator[State]:
        """The state, again and again, some times a second, for as long as it runs; at least once.

        Raises:
            StartedNothing: it ended by itself.
        """
        while True:
            ended = self._child.exit_code
            state = self.home.last()
            if state is not None and state.pid == self._child.pid:
                yield state
            if ended is not None:
                reason = state.error if state and state.pid == self._child.pid and state.error else tail(self._log)
                raise StartedNothing(reason or f"the supervisor ended with exit code {ended}")
            time.sleep(_POLL_S)

    def until_ready(self) -> State:
        """Wait until everything is ready.

        Raises:
            StartedNothing: it did not come up.
        """
        return next(state for state in self.states() if state.phase == Phase.READY)

    def stop(self) -> None:
        """Stop everything, cleanly, and wait for it; harmless when it has ended."""
        self._child.stop(_STOP_S)


def stop_running(home: Home, state: State) -> None:
    """Stop what another process started.

    Raises:
        TimeoutError: it was still there after a minute.
    """
    os.kill(state.pid, signal.SIGTERM)
    if not home.wait_until_free(_STOP_S):
        raise TimeoutError(f"the supervisor (process {state.pid}) did not stop within {_STOP_S} s")
