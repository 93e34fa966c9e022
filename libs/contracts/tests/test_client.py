"""The one-file client against a server that breaks off, word by word."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from heaters_contracts import client
from heaters_contracts.client import Failed, Heaters, Unanswered

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
Serve = Callable[..., tuple[Heaters, list[bytes]]]


def chunk(sequence: int) -> bytes:
    event = b"data: " + json.dumps({"sequence": sequence}).encode() + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def whole(said: object) -> bytes:
    body = json.dumps(said).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answers with so many bytes, connection by connection, and hangs up after each; what was asked is kept."""
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(*answers: bytes) -> tuple[Heaters, list[bytes]]:
        asked: list[bytes] = []

        def work() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return Heaters(f"http://127.0.0.1:{listener.getsockname()[1]}", "token", timeout_s=10), asked

    yield serve
    listener.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(
    "broken",
    [HEAD + chunk(7), HEAD + chunk(7) + b"40\r\ndata: ", HEAD + chunk(7) + b"0\r\n\r\n"],
    ids=["between events", "in an event", "with an end"],
)
def test_a_stream_that_breaks_off_is_taken_up_after_the_last_event(serve: Serve, broken: bytes) -> None:
    heaters, asked = serve(broken, b"", HEAD + chunk(8))

    events = list(islice(heaters.follow("a"), 2))

    assert [event["sequence"] for event in events] == [7, 8]
    assert b"Last-Event-Id: 7" in asked[-1]


@pytest.mark.parametrize("broken", [b"", whole({"state": "new"})[:-3]], ids=["at once", "in its answer"])
def test_a_video_is_waited_for_through_answers_that_break_off(serve: Serve, broken: bytes) -> None:
    heaters, _ = serve(broken, whole({"state": "in_review"}))

    assert heaters.wait("a")["state"] == "in_review"


def test_a_server_that_never_answers_is_given_up(serve: Serve) -> None:
    heaters, asked = serve(*[b""] * 6)

    with pytest.raises(Unanswered, match="broke off"):
        next(heaters.follow("a"))

    assert len(asked) == 6


def test_whoever_waits_for_a_rejected_video_is_told_why(serve: Serve) -> None:
    heaters, _ = serve(whole({"state": "rejected", "rejected_reason": "nothing was uploaded as a.mp4"}))

    with pytest.raises(Failed, match=r"^a: nothing was uploaded as a\.mp4$"):
        heaters.wait("a")
