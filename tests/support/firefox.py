"""The machine's Firefox, driven by Marionette: the protocol that every Firefox speaks by itself.

Playwright drives only Firefoxes of its own making, and Selenium wants a geckodriver, which no package registry has as Mozilla builds
it. Marionette is what a geckodriver talks to: a length, a colon, and `[0, id, command, parameters]` as JSON, over a socket.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from heaters_local.ports import free_port
from visitor import FILMS

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_START_S = 60
_ANSWER_S = 60


class Refused(RuntimeError):
    """Firefox answered with an error."""


class Firefox:
    """One window of it.

    Args:
        connection: to the Marionette of a running Firefox.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._asked = 0
        self._read()
        # A film that is slow to come delays a page's load event: a page is open once it is read.
        self.ask("WebDriver:NewSession", {"pageLoadStrategy": "eager"})

    def ask(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        """Send a command and wait for its answer.

        Raises:
            Refused: it is an error.
        """
        self._asked += 1
        said = json.dumps([0, self._asked, command, parameters or {}]).encode()
        self._connection.sendall(b"%d:%s" % (len(said), said))
        _, answered, problem, result = self._read()
        if problem or answered != self._asked:
            raise Refused(f"{command}: {problem}")
        return result

    def go(self, address: str) -> None:
        """Open an address, and wait until its page is read."""
        self.ask("WebDriver:Navigate", {"url": address})

    def look(self, script: str) -> Any:
        """What a JavaScript expression is on the page."""
        return self.ask("WebDriver:ExecuteScript", {"script": f"return {script};", "args": []})["value"]

    def press(self, key: str) -> None:
        """Press a key as a person does, whatever has the focus."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.ask("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str) -> None:
        """Click on the first thing that a selector names."""
        found = self.ask("WebDriver:FindElement", {"using": "css selector", "value": selector})["value"]
        self.ask("WebDriver:ElementClick", {"id": found[_ELEMENT]})

    def shown(self) -> str:
        """Where the page is, what it says, and how its films fare: for the report of a test that failed."""
        try:
            return "\n".join(self.look(what) for what in ("location.href", "document.body.innerText", FILMS))
        except (OSError, Refused) as error:
            return f"nothing: {error}"

    def _read(self) -> Any:
        while b":" not in self._received:
            self._more()
        length, _, self._received = self._received.partition(b":")
        while len(self._received) < int(length):
            self._more()
        said, self._received = self._received[: int(length)], self._received[int(length) :]
        return json.loads(said)

    def _more(self) -> None:
        found = self._connection.recv(1 << 16)
        if not found:
            raise Refused("Firefox has gone")
        self._received += found


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox of its own, with a new profile; skips the test where the machine has none."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if not path:
        pytest.skip("NO FIREFOX: install firefox-esr (and libavcodec, for H.264) to test the pages in it")
    port = free_port()
    profile.mkdir()
    (profile / "user.js").write_text(
        f'user_pref("marionette.port", {port});\n'
        'user_pref("media.autoplay.default", 0);\n'
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
        'user_pref("app.update.enabled", false);\n'
        'user_pref("network.captive-portal-service.enabled", false);\n'
        'user_pref("network.connectivity-service.enabled", false);\n'
    )
    command = [path, "--headless", "--no-remote", "--marionette", "--profile", str(profile), "about:blank"]
    with (profile / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=_environment(profile))
    try:
        with _connected(process, port, profile / "output") as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(30)


def _environment(profile: Path) -> dict[str, str]:
    # Nothing of whoever runs the tests: neither their home, nor their proxies, nor their display.
    return {"HOME": str(profile), "PATH": "/usr/bin:/bin", "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}


def _connected(process: subprocess.Popen[bytes], port: int, output: Path) -> socket.socket:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S)
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Firefox did not start: {output.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.2)
