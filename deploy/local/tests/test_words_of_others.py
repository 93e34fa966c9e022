"""What others wrote is shown as it stands: nothing in it is taken for markup, and nothing drives the terminal that shows it. One refusal is one."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from heaters_local.cli import heaters

WORDS = "[youtube] abc: [/b] gone :warning: \x1b]0;mine\x07\u202e."
SHOWN = "[youtube] abc: [/b] gone :warning: ]0;mine."
ID = "0b5e4a0e-0000-4000-8000-000000000000"
FAILURE = {"id": ID, "video_id": ID, "stage": "download", "reason": WORDS, "failure_class": "bug", "attempts": 1}
REFUSED = {**FAILURE, "stage": "admission", "failure_class": "bad_input"}
CLIP = {"id": ID, "video_id": ID, "start": 0, "end": 9, "state": "embedded", "tags": [WORDS]}
EVENT = {"segment": None, "clip_id": None, "seconds": None, "at": "2026-01-01T00:00:00Z", "type": "stage.failed"}
VIDEO = {
    "id": ID,
    "title": WORDS,
    "events": [{**EVENT, "by": None, "note": WORDS}],
    "clips_next": None,
    "events_next": None,
}
STAGE = {"stage": "download", "service": "downloader", "paused": True, "reason": WORDS}
FOUND = {"model": "m", "strategy": "s", "threshold": 0.9, "looked": 1, "histogram": [], "groups": [{"clips": [CLIP]}]}
ACCOUNT = {"login": WORDS, "name": WORDS, "roles": [], "signs_in": "", "disabled": False, "locked": False}
ANSWERS: dict[str, Any] = {
    "/api/failures": {"items": [FAILURE], "next": None},
    f"/api/videos/{ID}": VIDEO,
    "/api/search": {"items": [{"clip": CLIP, "similarity": 0.5, "rank": None}], "how": "exact"},
    f"/api/failures/{ID}/retry": {},
    "/api/stages": {"items": [STAGE]},
    "/api/search/duplicates": FOUND,
    "/api/accounts": {"items": [ACCOUNT]},
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answers with such words."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = ANSWERS.get(self.path.partition("?")[0])
            body = json.dumps({"title": "No", "detail": WORDS} if said is None else said).encode()
            known = self.headers.get("authorization") == "Bearer word"
            self.send_response(401 if not known else 404 if said is None else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HEATERS_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HEATERS_TOKEN", "word")
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def test_without_a_token_the_api_says_that_it_does_not_know_us(api: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEATERS_TOKEN")

    ended = CliRunner().invoke(heaters, ["failed"])

    assert (ended.exit_code, "HEATERS_TOKEN is wrong" in ended.output) == (1, True)


@pytest.mark.parametrize(
    ("name", "value"), [("HEATERS_URL", "http://[::1"), ("HEATERS_URL", "http://a:b"), ("HEATERS_TOKEN", "w\u00f6rd")]
)
def test_an_address_or_token_that_is_none_is_told(
    api: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    ended = CliRunner().invoke(heaters, ["failed"])

    assert ended.output.startswith("Error: HEATERS_URL or HEATERS_TOKEN is not usable: ")
    assert ended.exit_code == 1


def test_a_name_that_no_file_can_have_keeps_no_other_from_being_asked_for(api: None) -> None:
    ended = CliRunner().invoke(heaters, ["ingest", "x" * 300, "https://a.test/v"])

    assert ended.exit_code == 1
    assert f"{'x' * 200} cannot be read: File name too long" in ended.output
    assert "Error: https://a.test/v: No: " in ended.output


def test_the_doctor_looks_at_a_folder_that_is_yet_to_be_made(api: None, tmp_path: Path) -> None:
    ended = CliRunner().invoke(heaters, ["doctor", "--home", str(tmp_path / "a" / "b" / "c")])

    assert f"MiB free at {tmp_path}" in ended.output


@pytest.mark.parametrize(
    ("failures", "said"),
    [
        ([REFUSED, REFUSED], "well   failures: 0 open, and 2 requests were refused"),
        ([REFUSED, FAILURE], "WRONG  failures: 1 open, and 1 requests were refused"),
        ([], "well   failures: 0 open\n"),
    ],
)
def test_the_doctor_finds_no_harm_in_requests_that_were_refused(
    api: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failures: list[Any], said: str
) -> None:
    monkeypatch.setitem(ANSWERS, "/api/failures", {"items": failures, "next": None})
    monkeypatch.setitem(ANSWERS, "/api/stages", {"items": []})
    monkeypatch.setitem(ANSWERS, "/api/doctor", {"items": []})

    ended = CliRunner().invoke(heaters, ["doctor", "--home", str(tmp_path)])

    assert said in ended.output


def test_a_failure_that_is_settled_already_keeps_no_other_from_being_settled(api: None) -> None:
    settled, open_ = ID.replace("0b", "1b"), ID

    ended = CliRunner().invoke(heaters, ["failed", "retry", settled, open_])

    assert ended.exit_code == 1
    assert f"asked for again: {open_}" in ended.output
    assert f"Error: {settled}: No: " in ended.output


@pytest.mark.parametrize(
    "words",
    [
        ["failed"],
        ["story", ID],
        ["search", "--words", "x"],
        ["stages"],
        ["duplicates"],
        ["user", "list"],
        ["replay", ID, "--from", "scenes"],
        ["approve", ID.replace("0b", "1b")],
    ],
)
def test_what_others_wrote_is_shown_as_it_stands(api: None, words: list[str]) -> None:
    ended = CliRunner().invoke(heaters, words)

    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    assert SHOWN in " ".join(ended.output.split())
