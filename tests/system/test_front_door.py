"""The front door against strangers, on a real running review-api: what is sent here no client of ours would send."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from click.testing import CliRunner, Result
from desk import wait_for
from heaters_contracts.fact import decode, tell
from heaters_contracts.facts import VideoDownloaded
from heaters_local.cli import heaters
from heaters_review_api.__main__ import migrate_all
from pydantic import SecretStr
from review_process import TOKEN, ReviewProcess
from told_films import ref

PATIENCE_S = 1.5
WEBHOOK_SECRET = "a-secret-of-theirs"
PASSWORD = "correct horse battery"


@dataclass
class Ear:
    """A machine that hears who comes, and may send them on."""

    onward: str = ""
    port: int = 0
    heard: list[str] = field(default_factory=list)


@contextmanager
def listening(ear: Ear) -> Iterator[Ear]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            ear.heard.append(self.path)
            self.send_response(307 if ear.onward else 204)
            self.send_header("location", ear.onward)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the library's name

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ear.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield ear
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def inner() -> Iterator[Ear]:
    """A machine of the private network: nobody from outside may reach it through us."""
    with listening(Ear()) as ear:
        yield ear


@pytest.fixture(scope="module")
def outer(inner: Ear) -> Iterator[Ear]:
    """A machine that may be reached, and sends everybody on to the inner one."""
    with listening(Ear(onward=f"http://127.0.0.1:{inner.port}/moved")) as ear:
        yield ear


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, outer: Ear) -> Iterator[ReviewProcess]:
    terms = {"local": {"webhook_secret": WEBHOOK_SECRET}}
    with ReviewProcess(tmp_path_factory.mktemp("door")) as process:
        process.settings = process.settings.model_copy(
            update={
                "client_patience_s": PATIENCE_S,
                "upload_limit_bytes": 1024 * 1024,
                "requesters": SecretStr(json.dumps(terms)),
                "webhook_hosts": (f"127.0.0.1:{outer.port}",),
            }
        )
        asyncio.run(migrate_all(process.settings))
        process.start()
        yield process


def dial(review: ReviewProcess) -> socket.socket:
    return socket.create_connection((review.settings.host, review.settings.port), timeout=20)


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    found = bytearray()
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def answered(review: ReviewProcess, request: bytes) -> bytes:
    """All that the server says to these very bytes, until it ends the connection."""
    with closing(dial(review)) as connection:
        connection.sendall(request)
        return rest_of(connection)


def asked(review: ReviewProcess, target: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """One request of a signed-in client, word for word as given."""
    head = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: desk",
        b"Authorization: Bearer " + TOKEN.encode(),
        b"Connection: close",
        *lines,
    ]
    return answered(review, b"\r\n".join(head) + b"\r\n\r\n" + body)


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer[:200]
    return int(found[1])


def is_well(review: ReviewProcess) -> bool:
    return httpx.get(f"{review.address}/readyz", trust_env=False, timeout=5).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        b"/static/../settings.py",
        b"/static/../../../../../../../../etc/passwd",
        b"/static/..%2f..%2fsettings.py",
        b"/static/%2e%2e/%2e%2e/settings.py",
        b"/static/%252e%252e/settings.py",
        b"/static//etc/passwd",
        b"/static/%2fetc%2fpasswd",
        b"/static/..\\..\\settings.py",
        b"/static/tokens.css%00.py",
        b"/../../../../etc/passwd",
        b"/app/../../../../../../../etc/passwd",
        b"/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out_of_the_pages_own_files(review: ReviewProcess, target: bytes) -> None:
    answer = asked(review, target)

    assert status_of(answer) in {400, 404}
    assert b"root:" not in answer
    assert b"class Settings" not in answer


@pytest.mark.parametrize(
    "target",
    [
        b"/?token=x%0d%0aX-Evil:%201",
        b"/signin/callback?code=x%0d%0aX-Evil:%201&state=y%0aX-Evil:%201",
        b"/api/clips?cursor=%0d%0aX-Evil:%201",
        b"/api/nowhere%0d%0aX-Evil:%201",
        b"/static/%0d%0aX-Evil:%201",
    ],
)
def test_nothing_that_is_asked_for_becomes_a_line_of_the_answers_head(review: ReviewProcess, target: bytes) -> None:
    head, _, _ = asked(review, target).partition(b"\r\n\r\n")

    assert status_of(head) >= 200
    assert not [line for line in head.splitlines() if line.lower().startswith(b"x-evil")]


@pytest.mark.parametrize(
    ("why", "lines", "body"),
    [
        ("two lengths", (b"Content-Length: 5", b"Content-Length: 40"), b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
        (
            "a length and chunks",
            (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
            b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        ("a length below nothing", (b"Content-Length: -1",), b""),
        ("a length that is no number", (b"Content-Length: 0x10",), b"0123456789abcdef"),
        ("chunks of no size", (b"Transfer-Encoding: chunked",), b"zz\r\nx\r\n0\r\n\r\n"),
        ("a blank before the colon", (b"X-One : 1",), b""),
        ("a bare return in a value", (b"X-One: 1\rX-Two: 2",), b""),
        ("a zero byte in a value", (b"X-One: a\x00b",), b""),
        ("a line that goes on", (b"X-One: a", b" b"), b""),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_request_that_two_readers_could_read_in_two_ways_is_refused_whole(
    review: ReviewProcess, why: str, lines: tuple[bytes, ...], body: bytes
) -> None:
    answer = asked(review, b"/api/ingest", *lines, method=b"POST", body=body)

    assert status_of(answer) == 400, why
    assert answer.count(b"HTTP/1.1 ") == 1, "what follows in its body is no request of its own"


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        (b"/" + b"a" * 100_000, ()),
        (b"/healthz?" + b"a" * 100_000, ()),
        (b"/healthz", (b"X-Long: " + b"a" * 100_000,)),
        (b"/healthz", tuple(b"X-%d: %s" % (n, b"a" * 100) for n in range(1000))),
    ],
    ids=["path", "query", "one line", "many lines"],
)
def test_a_head_without_an_end_is_refused(review: ReviewProcess, target: bytes, lines: tuple[bytes, ...]) -> None:
    answer = asked(review, target, *lines)

    assert answer == b"" or status_of(answer) == 400
    assert is_well(review)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in chunks"])
@pytest.mark.parametrize(
    ("target", "kind", "limit_bytes"),
    [
        ("/api/ingest", "application/json", 10_000_000),
        ("/signin", "application/x-www-form-urlencoded", 4096),
        ("/api/uploads?name=a.mp4", "application/octet-stream", 1024 * 1024),
    ],
)
def test_a_body_beyond_its_limit_is_refused_and_not_kept(
    review: ReviewProcess, target: str, kind: str, limit_bytes: int, chunked: bool
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 30 * limit_bytes:
            sent += 32768
            yield b"a" * 32768

    content: Any = endless() if chunked else b"a" * (limit_bytes + 1)
    headers = {"content-type": kind, "authorization": f"Bearer {TOKEN}", "origin": review.address}
    with httpx.Client(base_url=review.address, headers=headers, trust_env=False, timeout=30) as client:
        try:
            status = client.post(target, content=content).status_code
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            status = 0  # it was cut off while it was still sending

    assert status in ({413, 0} if chunked else {413})
    assert is_well(review)
    assert not list(Path(review.settings.cache_dir).glob("work/*/upload"))


def test_clients_that_send_a_byte_now_and_then_are_let_go_and_hold_up_nobody(review: ReviewProcess) -> None:
    beginnings = [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: desk\r\nX-Slow: ",
        b"POST /signin HTTP/1.1\r\nHost: desk\r\nContent-Length: 100\r\n\r\nlogin=",
        b"POST /api/uploads?name=a.mp4 HTTP/1.1\r\nHost: desk\r\nContent-Length: 100000\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\nftyp",
    ]
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(dial(review))) for _ in range(120)]
        for number, connection in enumerate(slow):
            connection.sendall(beginnings[number % len(beginnings)])

        others = [is_well(review) for _ in range(5)]
        dribbling, deadline = set(slow), time.monotonic() + 30
        while dribbling and time.monotonic() < deadline:
            time.sleep(0.25)
            dribbling -= {one for one in dribbling if has_ended(one)}

    assert others == [True] * 5
    assert not dribbling, f"{len(dribbling)} of {len(slow)} are still held"


def has_ended(connection: socket.socket) -> bool:
    """Send one more byte, and see whether anybody is there."""
    try:
        connection.sendall(b"a")
        connection.settimeout(0.001)
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_a_client_that_takes_nothing_of_its_answers_is_let_go(review: ReviewProcess) -> None:
    request = b"GET /openapi.json HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    with closing(dial(review)) as once:
        once.sendall(request)
        whole = int(re.search(rb"(?i)content-length: (\d+)", once.recv(4096))[1])  # type: ignore[index]  # it says so
    times = 64 * 1024 * 1024 // whole

    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect((review.settings.host, review.settings.port))
        sender = threading.Thread(target=send_all, args=(connection, request * times), daemon=True)
        sender.start()
        wait_for(lambda: connection.getsockname() in review.clients(), "the connection")
        wait_for(lambda: connection.getsockname() not in review.clients(), "its end")
        taken = rest_of(connection)
        sender.join(10)

    assert len(taken) < whole * times
    assert is_well(review)


def send_all(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # it was let go
        connection.sendall(data)


@pytest.mark.parametrize(
    "name",
    ["../../../etc/cron.d/x", "/etc/passwd", "a.mp4\r\nX-Evil: 1", "a.html", "a.mp4/../../b", "..", "a\u202emp4.exe"],
)
def test_the_name_of_an_upload_is_no_path_and_no_type(review: ReviewProcess, name: str) -> None:
    with httpx.Client(headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=30) as client:
        answer = client.post(
            f"{review.address}/api/uploads", params={"name": name}, content=b"<script>alert(1)</script>" + name.encode()
        )

    assert answer.status_code in {201, 400}
    assert "x-evil" not in answer.headers
    if answer.status_code == 201:
        assert re.fullmatch(r"uploads/local/[\w-]+\.[a-z0-9]{1,8}", answer.json()["key"])


INNER_ADDRESSES = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://user:password@127.0.0.1:{port}/",
    "http://169.254.169.254/latest/meta-data/",
]


async def test_no_callback_reaches_a_private_machine_however_it_is_named(review: ReviewProcess, inner: Ear) -> None:
    videos = []
    for number, address in enumerate(INNER_ADDRESSES):
        videos.append(await _asked_with(review, address.format(port=inner.port), f"inner-{number}"))
    for strange in ("file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)"):
        async with review.client() as client:
            refused = await client.post("/api/ingest", json=_wish(strange, "strange"))
        assert refused.status_code in {400, 422}, strange

    ended = await _webhooks_ended(review, {one for one in videos if one is not None})

    assert len(videos) == len(INNER_ADDRESSES)
    assert ended
    assert inner.heard == []


async def test_a_callback_that_leads_on_is_not_followed(review: ReviewProcess, outer: Ear, inner: Ear) -> None:
    await _asked_with(review, f"http://127.0.0.1:{outer.port}/hook", "leads-on")

    async with asyncio.timeout(30):
        while not outer.heard:  # noqa: ASYNC110 - the ear is another thread's
            await asyncio.sleep(0.05)

    assert outer.heard[0] == "/hook"
    assert inner.heard == []


def _wish(callback: str, request_id: str) -> dict[str, Any]:
    source = {"kind": "url", "url": f"https://films.example/{request_id}.mp4"}
    return {"source": source, "request_id": request_id, "options": {"callback": callback}}


async def _asked_with(review: ReviewProcess, callback: str, request_id: str) -> UUID | None:
    """Ask for a video, and have its first milestone told; None where the address was refused at once."""
    async with review.client() as client:
        answer = await client.post("/api/ingest", json=_wish(callback, request_id))
    if answer.status_code in {400, 422}:
        return None
    video = UUID(answer.json()["video_id"])
    async with review.bus() as bus:
        (stored,) = await bus.history(video)
        requested = decode(stored.subject, stored.headers, stored.data)
        fact = VideoDownloaded(source=ref(f"videos/{video}/source.mp4"), title=request_id)
        await bus.publish(tell(fact, video_id=video, lane=requested.lane, cause=requested.id, time=datetime.now(UTC)))
    return video


async def _webhooks_ended(review: ReviewProcess, videos: set[UUID]) -> bool:
    async with await psycopg.AsyncConnection.connect(review.postgres.dsn.replace("+psycopg", "")) as database:
        for _ in range(600):
            rows = await database.execute("SELECT video_id FROM app.webhook WHERE ended_at IS NOT NULL")
            if {row[0] for row in await rows.fetchall()} >= videos:
                return True
            await database.commit()
            await asyncio.sleep(0.05)
    return False


@pytest.fixture
def run(review: ReviewProcess, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The `heaters` command against it, as somebody with this token."""

    def call(*words: str, token: str = TOKEN, typed: str = "") -> Result:
        monkeypatch.setenv("HEATERS_URL", review.address)
        monkeypatch.setenv("HEATERS_TOKEN", token)
        return CliRunner().invoke(heaters, words, input=typed)

    return call


@pytest.fixture
def may_sign_in(review: ReviewProcess) -> Any:
    def attempt(login: str) -> bool:
        form = {"login": login, "password": PASSWORD}
        headers = {"origin": review.address}
        answer = httpx.post(f"{review.address}/signin", data=form, headers=headers, trust_env=False, timeout=30)
        return answer.status_code == 303

    return attempt


def test_ops_keep_accounts_from_the_command_line(run: Any, may_sign_in: Any) -> None:
    short = run("user", "add", "Ana", "--role", "reviewer", typed="short\nshort\n")
    made = run("user", "add", "ana", "--name", "Ana Alvarez", "--role", "reviewer", typed=f"{PASSWORD}\n{PASSWORD}\n")
    again = run("user", "add", "ANA", "--role", "lead", typed=f"{PASSWORD}\n{PASSWORD}\n")
    before = may_sign_in("ana")
    roles = run("user", "roles", "ana", "--role", "reviewer", "--role", "lead")
    shown = run("user", "list")
    disabled = run("user", "disable", "ana")
    meanwhile = may_sign_in("ana")
    unlocked = run("user", "unlock", "ana")
    after = may_sign_in("ana")
    nobody = run("user", "disable", "nobody")

    assert short.exit_code != 0
    assert "12" in short.output
    assert made.exit_code == 0, made.output
    assert "ana may come in as reviewer" in made.output
    assert again.exit_code != 0
    assert "taken" in again.output or "ana" in again.output
    assert "lead, reviewer" in roles.output
    assert "Ana Alvarez" in shown.output
    assert [disabled.exit_code, unlocked.exit_code] == [0, 0]
    assert [before, meanwhile, after] == [True, False, True]
    assert nobody.exit_code != 0
    assert "nobody" in nobody.output
    assert not [one for one in (short, made, again, shown) if PASSWORD in one.output]


def test_a_program_gets_a_token_that_does_what_it_is_for_until_it_is_revoked(review: ReviewProcess, run: Any) -> None:
    program = run("user", "add", "films", "--role", "ingest", "--program")
    made = run("token", "create", "nightly", "--login", "films", "--scope", "ingest", "--days", "7")
    word = made.output.strip().split()[-1]
    too_much = run("token", "create", "more", "--login", "films", "--scope", "ops")
    listed = run("token", "list")
    its_own = run("token", "list", token=word)
    no_keeper = run("user", "list", token=word)
    number = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed.output)
    revoked = run("token", "revoke", number[0] if number else "")
    afterwards = run("token", "list", token=word)

    assert program.exit_code == 0, program.output
    assert word.startswith("heaters_")
    assert too_much.exit_code != 0
    assert "films has not the role ops" in too_much.output
    assert "nightly" in listed.output
    assert word not in listed.output
    assert "nightly" in its_own.output
    assert no_keeper.exit_code != 0
    assert "ops" in no_keeper.output
    assert revoked.exit_code == 0, revoked.output
    assert afterwards.exit_code != 0
    assert word not in review.log()


def test_of_all_that_nothing_secret_is_in_the_log_and_no_answer_was_a_mistake_of_ours(review: ReviewProcess) -> None:
    log = review.log()
    settings = review.settings
    secrets = [
        TOKEN,
        PASSWORD,
        WEBHOOK_SECRET,
        settings.s3_secret_key.get_secret_value(),
        httpx.URL(settings.database_url.get_secret_value().replace("+psycopg", "")).password,
        httpx.URL(settings.nats_url).password,
    ]
    words = re.findall(r"heaters_[\w-]{40,}", log)

    assert [secret for secret in secrets if secret and secret in log] == []
    assert words == []
    for line in log.splitlines():
        assert "Traceback" not in line, json.loads(line)["exception"]
    assert '"outcome": 401' in log, "who tried is there"
