"""One process that starts everything on one machine in the order of readiness, keeps it running, and stops it cleanly.

`python -m heaters_local.supervisor --home DIR [--table FILE]`. It shows what it does in DIR/state.json and ends on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from heaters_local.backoff import Backoff
from heaters_local.ports import HOST, free_port
from heaters_local.process import Child, rotate, tail
from heaters_local.servers import EmbeddedServer, NatsServer, PostgresServer, S3Server, ServerNotReady
from heaters_local.state import AlreadyRunning, Home, Part, PartState, Phase, State
from heaters_local.table import Instance, Table, read_table

__all__ = ["StartFailed", "Supervisor"]

_log = logging.getLogger("heaters.supervisor")

BUCKET = "heaters"
_PROBE_S = 0.2
_HEALTH_PROBE_S = 5.0
_HOPELESS = 4  # so many ends without ever having been ready, while everything starts, are told instead of repeated

_SERVERS: dict[str, type[EmbeddedServer]] = {kind.NAME: kind for kind in (NatsServer, PostgresServer, S3Server)}


class StartFailed(RuntimeError):
    """It cannot come up: what, why, and the end of its log."""


class Supervisor:
    """Everything that a table names, in one folder.

    Args:
        home: where data, logs and state lie.
        table: what to run.
        inherited: the environment that the services get, below what the table says.
        backoff: the pauses before a restart.
    """

    def __init__(
        self, home: Home, table: Table, *, inherited: Mapping[str, str], backoff: Backoff | None = None
    ) -> None:
        self._home = home
        self._inherited = inherited
        self._backoff = backoff or Backoff()
        self._ports = home.remembered_ports()
        self._written = ""
        self._servers: dict[str, EmbeddedServer] = {}
        self._children: dict[str, Child] = {}
        self._grace_s, self._start_s, self._silent_s = table.grace_s, table.start_s, table.silent_s
        self._steps, self._instances = table.steps(), table.instances()
        self._state = State(os.getpid(), str(home.path), Phase.STARTING, home.token())
        self._parts: dict[str, Part] = {}
        for name in table.servers:
            self._add_part(name, "server")
            self._servers[name] = self._server(name)
        for step in self._steps:
            self._add_part(step.name, "once")
        for instance in self._instances:
            self._add_part(instance.name, "service")
        self._came_up: dict[str, asyncio.Event] = {instance.name: asyncio.Event() for instance in self._instances}

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, keep it running until `stop` is set, then stop everything.

        Raises:
            StartFailed: it cannot come up; what had come up is stopped again.
        """
        for log in (part.log for part in self._parts.values() if part.kind != "server"):
            rotate(Path(log))
        self._home.cache.mkdir(parents=True, exist_ok=True)
        self._show()
        work = asyncio.create_task(self._bring_up_and_keep())
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not work.done():
            work.cancel()
        (outcome,) = await asyncio.gather(work, return_exceptions=True)
        failure = _first_leaf(outcome) if isinstance(outcome, Exception) else None
        if failure:
            self._state.error = str(failure)
        self._state.phase = Phase.FAILED if failure else Phase.STOPPING
        self._show()
        await self._stop_all()
        self._show()
        if failure:
            raise failure

    async def _bring_up_and_keep(self) -> None:
        async with asyncio.TaskGroup() as group:
            async with asyncio.TaskGroup() as starts:
                for name in self._servers:
                    starts.create_task(self._start_server(name))
            self._tell_addresses()
            for name in self._servers:
                group.create_task(self._keep_server(name))
            async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                try:
                    async with asyncio.timeout(self._start_s):
                        for step in self._steps:
                            await self._run_once(step)
                        for instance in self._instances:
                            group.create_task(self._keep_service(instance, http))
                        for event in self._came_up.values():
                            await event.wait()
                except TimeoutError as error:
                    raise StartFailed(self._who_is_late()) from error
                self._state.phase = Phase.READY
                self._show()
                _log.info("everything is ready url=%s", self._state.urls.get("review", "-"))
                await asyncio.Event().wait()

    def _who_is_late(self) -> str:
        late = [part for part in self._parts.values() if part.state not in (PartState.READY, PartState.DONE)]
        names = ", ".join(part.name for part in late)
        log = Path(late[0].log)
        return f"not ready after {self._start_s:g} s: {names}; the end of {log}:\n{tail(log)}"

    # Servers

    def _server(self, name: str) -> EmbeddedServer:
        return _SERVERS[name](self._home.path / name, self._port_for(name, None), log=self._home.log(name))

    async def _start_server(self, name: str) -> None:
        server, part = self._servers[name], self._parts[name]
        part.state = PartState.STARTING
        self._show()
        began_s = time.monotonic()
        start = asyncio.create_task(asyncio.to_thread(server.start))
        try:
            await asyncio.shield(start)
        except asyncio.CancelledError:
            await asyncio.wait({start})  # a thread cannot be cancelled, and what it starts must be seen to be stopped
            raise
        except (ServerNotReady, OSError) as error:
            raise StartFailed(str(error)) from error
        part.state, part.pid, part.port, part.note = PartState.READY, server.pid, server.port, ""
        self._show()
        _log.info(
            "ready name=%s pid=%s port=%s after_s=%.2f", name, server.pid, server.port, time.monotonic() - began_s
        )

    async def _keep_server(self, name: str) -> None:
        server, part, backoff = self._servers[name], self._parts[name], self._backoff
        while True:
            since_s = time.monotonic()
            await server.ended()
            healthy_s = time.monotonic() - since_s
            while True:
                backoff = backoff.failed(healthy_s=healthy_s)
                self._note_end(part, server.exit_code, backoff)
                server.stop()
                await asyncio.sleep(backoff.pause_s)
                try:
                    await self._start_server(name)
                    break
                except StartFailed as error:
                    _log.error("did not come up name=%s reason=%s", name, error)
                    healthy_s = 0

    def _tell_addresses(self) -> None:
        for name, server in self._servers.items():
            self._state.ports[name] = server.port
            if isinstance(server, NatsServer):
                self._state.urls["nats"] = server.url
            elif isinstance(server, PostgresServer):
                self._state.urls["postgres"] = server.dsn
            elif isinstance(server, S3Server):
                self._state.urls["s3"] = server.endpoint
                keys = {"access_key": server.access_key, "secret_key": server.secret_key}
                self._state.s3 = {"bucket": BUCKET, **keys}
        for instance in self._instances:
            self._settle_port(instance)
        self._show()

    def _settle_port(self, instance: Instance) -> int:
        """The port that an instance gets now: as last time if it is free."""
        port = self._port_for(instance.name, instance.row.port)
        self._state.ports[instance.name] = port
        if instance.row.name == "review-api":
            self._state.urls["review"] = f"http://{HOST}:{port}"
        try:
            self._home.remember_ports(self._state.ports)
        except OSError as error:
            _log.warning("cannot write down the ports reason=%s", error)
        return port

    # Services, and what runs once

    async def _run_once(self, step: Instance) -> None:
        part = self._parts[step.name]
        child = self._spawn(step, port=0)
        part.state, part.pid = PartState.STARTING, child.pid
        self._show()
        code = await child.ended()
        child.end()
        part.pid, part.last_exit_code = None, code
        if code:
            part.state = PartState.STOPPED
            raise StartFailed(f"{step.name} ended with exit code {code}; the end of {part.log}:\n{tail(child.log)}")
        part.state = PartState.DONE
        self._show()
        _log.info("done name=%s", step.name)

    async def _keep_service(self, instance: Instance, http: httpx.AsyncClient) -> None:
        part, backoff = self._parts[instance.name], self._backoff
        while True:
            port = self._settle_port(instance)
            child = self._spawn(instance, port=port)
            part.state, part.pid, part.port = PartState.STARTING, child.pid, port
            self._show()
            healthy_s = await self._watch(child, part, http)
            backoff = backoff.failed(healthy_s=healthy_s)
            self._note_end(part, child.end(), backoff)
            if backoff.failures >= _HOPELESS and not self._came_up[part.name].is_set():
                raise StartFailed(
                    f"{part.name} ended {backoff.failures} times without becoming ready (exit code {part.last_exit_code}); "
                    f"the end of {part.log}:\n{tail(child.log)}"
                )
            await asyncio.sleep(backoff.pause_s)

    async def _watch(self, child: Child, part: Part, http: httpx.AsyncClient) -> float:
        """Watch a service until it ends; how long it was healthy in one piece, at the end."""
        healthy_since_s: float | None = None
        heard_s = time.monotonic()
        pause_s = 0.0
        while await child.ended(pause_s) is None:
            answer = await _asked(http, f"http://{HOST}:{part.port}/readyz")
            ready = answer == httpx.codes.OK
            if answer is not None or await _asked(http, f"http://{HOST}:{part.port}/healthz") is not None:
                heard_s = time.monotonic()
            elif self._came_up[part.name].is_set() and time.monotonic() - heard_s > self._silent_s:
                _log.error(
                    "killed, because it answers nothing name=%s pid=%s silent_s=%g", part.name, part.pid, self._silent_s
                )
                child.end()
                break
            if ready and healthy_since_s is None:
                healthy_since_s = time.monotonic()
                part.state, part.note = PartState.READY, ""
                self._came_up[part.name].set()
                _log.info("ready name=%s pid=%s port=%s", part.name, part.pid, part.port)
            elif not ready and healthy_since_s is not None and child.exit_code is None:
                healthy_since_s = None
                part.state = PartState.NOT_READY
                _log.warning("no longer ready name=%s pid=%s", part.name, part.pid)
            self._show()
            pause_s = _HEALTH_PROBE_S if ready else _PROBE_S
        return time.monotonic() - healthy_since_s if healthy_since_s is not None else 0

    def _spawn(self, instance: Instance, *, port: int) -> Child:
        facts = self._state.facts()
        child = Child(
            instance.argv(facts),
            log=self._home.log(instance.name),
            env=instance.environment(facts, port=port, inherited=self._inherited),
        )
        self._children[instance.name] = child
        return child

    # The end

    async def _stop_all(self) -> None:
        """The services first, then the servers that they need; each within its grace, whatever it does."""
        running = list(self._children.items())
        for _, child in running:
            child.ask_to_stop()
        await asyncio.gather(*(self._stopped(name, child) for name, child in running))
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in self._servers.values()))
        for part in self._parts.values():
            part.pid = None
            if part.state not in (PartState.DONE, PartState.WAITING):
                part.state = PartState.STOPPED
        _log.info("everything is stopped")

    async def _stopped(self, name: str, child: Child) -> None:
        if await child.ended(self._grace_s) is None:
            _log.warning("killed, because it did not stop name=%s grace_s=%g", name, self._grace_s)
        child.end()
        self._parts[name].pid = None
        self._parts[name].state = PartState.STOPPED
        self._show()

    # Records

    def _add_part(self, name: str, kind: str) -> None:
        part = Part(name, kind, str(self._home.log(name)))
        self._parts[name] = part
        self._state.parts.append(part)

    def _port_for(self, name: str, wished: int | None) -> int:
        port = free_port(known for known in (self._ports.get(name), wished) if known is not None)
        self._ports[name] = port
        return port

    def _note_end(self, part: Part, code: int | None, backoff: Backoff) -> None:
        part.state, part.pid, part.last_exit_code = PartState.RESTARTING, None, code
        part.restarts += 1
        part.note = f"ended with {_told(code)}; starting again after {backoff.pause_s:g} s"
        last = tail(Path(part.log), lines=5)
        _log.warning(
            "ended name=%s exit_code=%s restart_after_s=%g last_lines=%r", part.name, code, backoff.pause_s, last
        )
        self._show()

    def _show(self) -> None:
        text = self._state.to_json()
        if text == self._written:
            return
        try:
            self._home.write(self._state)
        except OSError as error:
            if not self._written:
                raise
            # A full disk is no reason to stop what runs. Every look at a service tries again.
            _log.warning("cannot write down what runs reason=%s", error)
        else:
            self._written = text


def _told(code: int | None) -> str:
    if code is not None and code < 0:
        names = {known.value: known.name for known in signal.Signals}  # signals in real time have none
        return f"signal {names.get(-code, -code)}"
    return f"exit code {code}"


async def _asked(http: httpx.AsyncClient, url: str) -> int | None:
    """The status of an answer; None where none came."""
    try:
        return (await http.get(url)).status_code
    except httpx.TransportError:
        return None


def _first_leaf(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def _until_asked(supervisor: Supervisor) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await supervisor.run(stop)


def main() -> None:
    """Supervise a folder until asked to stop; exit code 1 when it did not come up, 3 when another one is at work there."""
    arguments = argparse.ArgumentParser(prog="heaters-supervisor", description=__doc__)
    arguments.add_argument("--home", type=Path, required=True)
    arguments.add_argument("--table", type=Path, default=None)
    options = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    home = Home(options.home)
    try:
        with home.held():
            asyncio.run(_until_asked(Supervisor(home, read_table(options.table), inherited=os.environ)))
            home.forget()
    except AlreadyRunning as error:
        _log.error("refused reason=%s", error)
        sys.exit(3)
    except StartFailed as error:
        _log.error("did not come up reason=%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
