import signal
import stat
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest
from heaters_local.launch import Launched, StartedNothing
from heaters_local.state import AlreadyRunning, Home, PartState, Phase
from small_disk import small_disk


def part(home, name):
    return next(item for item in home.last().parts if item.name == name)


def wait_for(condition, timeout_s=60):
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.05)


def is_ready(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_everything_is_ready_when_it_says_so_and_only_its_owner_may_read_the_state(home, table, launched):
    _, state = launched(table("steady", servers=("nats", "postgres", "s3"), replicas=2))

    assert {item.name: item.state for item in state.parts} == {
        "nats": PartState.READY,
        "postgres": PartState.READY,
        "s3": PartState.READY,
        "steady-1": PartState.READY,
        "steady-2": PartState.READY,
    }
    assert set(state.urls) == {"nats", "postgres", "s3"}
    assert set(state.s3) == {"bucket", "access_key", "secret_key"}
    assert httpx.get(f"http://127.0.0.1:{state.ports['steady-2']}/readyz").status_code == 200
    assert stat.S_IMODE((home.path / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((home.path / "token").stat().st_mode) == 0o600


def test_addresses_and_token_are_the_same_after_a_restart(home, table, launched):
    first, before = launched(table("steady", servers=("nats",)))
    first.stop()

    _, after = launched(table("steady", servers=("nats",)))

    assert (after.urls, after.ports, after.token) == (before.urls, before.ports, before.token)


def test_what_runs_once_has_ended_before_a_service_begins(home, table, launched, tmp_path):
    mark = tmp_path / "mark"

    launched(table("steady", once=f'import time; time.sleep(0.3); open("{mark}", "w")'))

    assert part(home, "migrate").state == PartState.DONE
    assert mark.stat().st_mtime < home.log("steady-1").stat().st_mtime


def test_a_migration_that_fails_is_told_and_nothing_is_left(home, table, gone):
    launched = Launched(home, table=table("steady", servers=("nats",), once='import sys; sys.exit("no such column")'))

    with pytest.raises(StartedNothing, match=r"migrate ended with exit code 1(.|\n)*no such column"):
        launched.until_ready()

    assert not home.is_held()
    assert home.last().phase == Phase.FAILED
    assert part(home, "steady-1").state == PartState.WAITING


def test_a_service_that_is_never_ready_is_told_when_its_time_is_up(home, table, gone):
    launched = Launched(home, table=table("mute", start_s=4))

    with pytest.raises(StartedNothing, match=r"not ready after 4 s: mute-1; the end of .*mute-1.log:\nmode=mute"):
        launched.until_ready()

    assert not home.is_held()


def test_a_service_that_dies_is_started_again_with_growing_pauses(home, table, launched):
    launched(table("dies", "steady"))
    steady = part(home, "steady-1").pid

    wait_for(lambda: part(home, "dies-1").restarts >= 3)

    supervisor_log = home.log("supervisor").read_text()
    pauses = [word.split("=")[1] for word in supervisor_log.split() if word.startswith("restart_after_s=")]
    assert pauses[:3] == ["0.5", "1", "2"]
    assert part(home, "dies-1").last_exit_code == 7
    assert "last words" in supervisor_log
    assert part(home, "steady-1").pid == steady


def test_a_server_that_is_killed_comes_back_at_its_address(home, table, launched):
    _, state = launched(table("steady", servers=("nats",)))
    before = part(home, "nats")

    psutil.Process(before.pid).kill()
    wait_for(lambda: part(home, "nats").restarts == 1 and part(home, "nats").state == PartState.READY)

    assert part(home, "nats").port == before.port
    assert part(home, "nats").last_exit_code == -signal.SIGKILL
    assert home.last().urls == state.urls


def test_a_service_that_a_nameless_signal_ends_is_started_again(home, table, launched):
    launched(table("steady"))

    psutil.Process(part(home, "steady-1").pid).send_signal(40)
    wait_for(lambda: part(home, "steady-1").restarts == 1 and part(home, "steady-1").state == PartState.READY)

    assert part(home, "steady-1").last_exit_code == -40


def test_what_runs_goes_on_while_the_disk_is_full(table, tmp_path):
    with small_disk(tmp_path / "small", size_mib=4) as disk:
        home = Home(disk.folder / "home")
        supervisor = Launched(home, table=table("steady"))
        try:
            state = supervisor.until_ready()
            killed = part(home, "steady-1").pid
            disk.fill()
            psutil.Process(killed).kill()
            wait_for(lambda: is_ready(state.ports["steady-1"]), timeout_s=30)
            disk.empty()
            wait_for(lambda: part(home, "steady-1").restarts == 1 and part(home, "steady-1").state == PartState.READY)

            assert part(home, "steady-1").pid != killed
        finally:
            supervisor.stop()


def test_a_stop_leaves_no_process_not_even_a_stubborn_ones_child(home, table, launched, gone):
    supervisor, state = launched(table("steady", "stubborn", servers=("nats", "s3")))
    words = home.log("stubborn-1").read_text().split()
    grandchild = next(int(word.removeprefix("grandchild=")) for word in words if word.startswith("grandchild="))

    supervisor.stop()

    assert all(gone(pid) for pid in [grandchild, *(item.pid for item in state.parts)])
    assert home.last() is None
    assert "killed, because it did not stop name=stubborn-1" in home.log("supervisor").read_text()


def test_everything_dies_with_a_supervisor_that_is_killed(home, table, launched, gone):
    _, state = launched(table("steady", servers=("nats", "postgres", "s3")))

    psutil.Process(state.pid).kill()

    assert all(gone(item.pid) for item in state.parts)
    assert not home.is_held()


def test_everything_stops_when_the_process_that_launched_it_is_killed(home, table, gone):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from heaters_local.launch import Launched; from heaters_local.state import Home\n"
        f"Launched(Home(Path({str(home.path)!r})), table=Path({str(table('steady', servers=('nats',)))!r})).until_ready()\n"
        "print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "up\n"
        state = home.last()

        parent.kill()

    assert home.wait_until_free(60)
    assert all(gone(item.pid) for item in state.parts)


def test_a_second_supervisor_is_refused(home, table, launched):
    launched(table("steady"))

    with pytest.raises(AlreadyRunning):
        Launched(home, table=table("steady"))


def test_those_who_ask_what_runs_keep_nothing_from_starting(home):
    asked = threading.Event()

    def ask():
        while not asked.is_set():
            home.is_held()

    with home.held():
        pass
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for one in askers:
        one.start()
    try:
        for _ in range(200):
            with home.held():
                assert home.path.is_dir()
    finally:
        asked.set()
        for one in askers:
            one.join()


def test_a_stop_in_the_middle_of_the_start_is_clean(home, table, gone):
    launched = Launched(home, table=table("steady", servers=("nats", "postgres", "s3")))
    wait_for(lambda: home.is_held() and (home.path / "nats").exists())

    launched.stop()

    assert not home.is_held()
    assert home.last() is None


def test_a_service_that_lives_and_answers_nothing_is_started_again(home, table, launched):
    launched(table("steady", silent_s=8))  # one look at what does not answer takes longer
    stuck = part(home, "steady-1").pid

    psutil.Process(stuck).suspend()
    wait_for(lambda: part(home, "steady-1").pid not in (None, stuck))
    wait_for(lambda: part(home, "steady-1").state == PartState.READY)

    assert part(home, "steady-1").restarts == 1
    assert not psutil.pid_exists(stuck)
