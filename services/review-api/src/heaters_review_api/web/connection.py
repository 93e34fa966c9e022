"""How long a client is waited for. A stranger who sends a byte now and then, or takes an answer as slowly, would hold connections for ever.

uvicorn knows one such time, of a kept connection that rests; the others are kept here, on the protocol itself, before anybody is asked who
they are. An ingress keeps times of its own; this holds without one, too.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 64 * 1024
"""The parser has no limit of its own."""
_BODY_BYTES_PER_S = 1024
_STALLED_TIMES = 3
_LINGER_S = 5.0


class TooLong(ValueError):
    """The head of a request is longer than anybody needs."""


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 with times.

    - The head of a request comes within `patience_s`, and has at most HEAD_BYTES.
    - Its body brings a KiB for each second that it takes beyond that.
    - Of an answer something is taken at least every three times `patience_s`.
    - A body that nobody has asked for is read for a few seconds after the answer, so that the answer arrives, and then no more.
    """

    patience_s = 20.0
    _due: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    _in_head = True
    _head_bytes = 0
    _line_bytes = 0
    _body_bytes = 0
    _body_since_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait(self.patience_s, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._wait(0, None)
        self._going_on()
        self._give_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        self._head_bytes += len(data) if self._in_head else 0
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._line_bytes = True, 0
        if self._due is None:
            self._wait(self.patience_s, self._end)

    def on_url(self, url: bytes) -> None:
        """Its address."""
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of it."""
        self._take(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It is here; now the body."""
        self._in_head, self._body_bytes = False, 0
        self._body_since_s = self.loop.time()
        self._wait(self.patience_s, self._look_at_body)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here; what follows is another head."""
        self._in_head, self._head_bytes = True, 0
        self._wait(0, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What still comes of a body is for nobody."""
        super().on_response_complete()
        if not self._in_head:
            self._wait(_LINGER_S, self._end)

    def pause_writing(self) -> None:
        """The client takes nothing."""
        super().pause_writing()
        self._stalled = self.loop.call_later(_STALLED_TIMES * self.patience_s, self._end)

    def resume_writing(self) -> None:
        """It takes something."""
        self._going_on()
        super().resume_writing()

    def _going_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _take(self, length: int) -> None:
        # A head that comes whole in one piece is never seen unfinished: its lines are counted, too.
        self._line_bytes += length
        if self._line_bytes > HEAD_BYTES:
            raise TooLong(f"more than {HEAD_BYTES} bytes")

    def _look_at_body(self) -> None:
        late_s = self.loop.time() - self._body_since_s - self.patience_s
        if self._body_bytes < late_s * _BODY_BYTES_PER_S:
            self._end()
        else:
            self._wait(self.patience_s / 4, self._look_at_body)

    def _wait(self, delay_s: float, then: Callable[[], None] | None) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(delay_s, then) if then else None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _end(self) -> None:
        if not self.transport.is_closing():
            self._give_up()
            self.transport.abort()

    def _give_up(self) -> None:
        # uvicorn tells the last request of a connection that nobody listens, and of requests sent ahead the first is being answered.
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()


def patient(patience_s: float) -> type[PatientProtocol]:
    """The protocol with a patience of its own, in seconds; uvicorn takes a class."""
    return type("PatientProtocol", (PatientProtocol,), {"patience_s": patience_s})
