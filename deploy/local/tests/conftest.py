"""Dummy services through the table, so that supervisor and command are tried without the real six."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from heaters_local.launch import Launched, stop_running
from heaters_local.process import Child
from heaters_local.state import Home, State

DUMMIES = Path(__file__).parent / "dummies"
HEAD = """
[env]
HEATERS_LISTEN = "127.0.0.1:{port}"
HEATERS_SERVICE_INSTANCE = "{instance}"
HEATERS_TOKEN = "{token}"
"""

MakeTable = Callable[..., Path]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A folder of its own; what is left running in it at the end is stopped."""
    for name in ("HEATERS_HOME", "HEATERS_URL", "HEATERS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="heaters-") as folder:
        place = Home(Path(folder) / "home")
        yield place
        state = place.running()
        if state:
            stop_running(place, state)


@pytest.fixture
def table(tmp_path: Path) -> MakeTable:
    """Write a table: `table("steady", "dies", servers=["nats"], replicas=2)`, each mode a service of its name."""

    def write(
        *modes: str,
        servers: tuple[str, ...] = (),
        replicas: int = 1,
        once: str = "",
        start_s: float = 30,
        silent_s: float = 120,
    ) -> Path:
        rows = [f"servers = {list(servers)}", "grace_s = 1", f"start_s = {start_s}", f"silent_s = {silent_s}", HEAD]
        if once:
            rows.append(f'[[once]]\nname = "migrate"\ncommand = ["{{python}}", "-c", {once!r}]')
        for mode in modes:
            script = "api.py" if mode == "review-api" else "service.py"
            command = f'["{{python}}", "{DUMMIES / script}", "{mode}"]'
            rows.append(f'[[services]]\nname = "{mode}"\ncommand = {command}\nreplicas = {replicas}')
        file = tmp_path / "table.toml"
        file.write_text("\n".join(rows))
        return file

    return write


@pytest.fixture
def launched(home: Home) -> Iterator[Callable[[Path], tuple[Launched, State]]]:
    """Start a table in `home` and wait until it is ready; stopped at the end."""
    started: list[Launched] = []

    def start(file: Path) -> tuple[Launched, State]:
        supervisor = Launched(home, table=file)
        started.append(supervisor)
        return supervisor, supervisor.until_ready()

    yield start
    for supervisor in started:
        supervisor.stop()


@pytest.fixture
def run(home: Home, tmp_path: Path) -> Run:
    """Run `heaters ARGUMENTS --home HOME`; gives exit code and output."""

    def heaters(*arguments: str, timeout_s: float = 120) -> tuple[int, str]:
        output = tmp_path / "output"
        output.unlink(missing_ok=True)
        environment = os.environ | {"COLUMNS": "160"}
        argv = [sys.executable, "-m", "heaters_local.cli", *arguments, "--home", str(home.path)]
        child = Child(argv, log=output, env=environment)
        code = child.wait(timeout_s)
        child.end()
        assert code is not None, f"still running after {timeout_s} s:\n{output.read_text()}"
        return code, output.read_text()

    return heaters


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process has ended (a zombie has), within half a minute."""

    def ended(pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            process.wait(30)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            return process.status() == psutil.STATUS_ZOMBIE
        return True

    return ended
