"""`heaters ingest` and the one-file client on a real API: every wish arrives, and a dry run changes nothing."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from heaters_contracts import client
from heaters_local.cli import heaters

TOKEN = "a-token-for-tests"


@pytest.fixture
def ingest(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("HEATERS_URL", str(desk.client.base_url).rstrip("/"))
    monkeypatch.setenv("HEATERS_TOKEN", TOKEN)

    async def run(*words: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, heaters, ["ingest", *words])

    return run


async def options_of(desk: Any, video_id: str) -> dict[str, Any]:
    """What is wished of a video, as the tables hold it."""
    video = await desk.application.desk.queries.video(UUID(video_id))
    return dict(video.options.model_dump(mode="json", exclude_defaults=True))


async def test_every_wish_arrives(desk: Any, ingest: Any) -> None:
    wishes = [
        *("--tag", "sea", "--tags", "dawn, blue hour,", "--reference", "cam-3", "--detector", "cascade@1.2"),
        *("--auto-approve", "seconds >= 2 and certainty > 0.8", "--allow-quality-loss", "--export-quality", "source"),
        *("--videos-most", "7", "--process-again", "--request-id", f"r-{uuid4()}"),
    ]

    ended = await ingest(f"https://films.example/{uuid4()}", *wishes)

    assert ended.exit_code == 0, ended.output
    assert await options_of(desk, ended.output.split()[0]) == {
        "tags": ["sea", "dawn", "blue hour"],
        "reference": "cam-3",
        "detector": "cascade@1.2",
        "auto_rule": "seconds >= 2 and certainty > 0.8",
        "allow_quality_loss": True,
        "export_quality": "source",
        "videos_most": 7,
        "process_again": True,
    }


async def test_a_dry_run_says_what_would_happen_and_nothing_does(desk: Any, ingest: Any, tmp_path: Path) -> None:
    film, address = tmp_path / "film.mp4", f"https://films.example/{uuid4()}"
    film.write_bytes(b"x" * 1000)
    uploads = await desk.rows()

    dry = await ingest(address, str(film), "--dry-run", "--wait")
    same = await desk.rows()
    asked = await ingest(address)
    again = await ingest(address, "--dry-run")

    assert (dry.exit_code, dry.output.splitlines()) == (
        0,
        [f"{address}: would be asked for", f"{film}: would be asked for"],
    )
    assert same == uploads
    assert again.output == f"{address}: was asked for before, as {asked.output.split()[0]}: nothing would happen\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--auto-approve", "shorter than 4 s"], "is no condition"),
        (["--detector", "magic"], "there is no detector 'magic'"),
        (["--callback", "https://films.example/hook"], "a callback needs a secret"),
        (["--callback", "file:///etc/passwd"], "callback"),
        (["--tags", "x" * 65], "tags"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
async def test_a_wrong_wish_is_told_in_a_line(ingest: Any, words: list[str], says: str, dry: list[str]) -> None:
    ended = await ingest(f"https://films.example/{uuid4()}", *words, *dry)

    assert (ended.exit_code, says in ended.output) == (1, True), ended.output
    assert "Traceback" not in ended.output


async def test_a_request_id_is_of_one_video(ingest: Any) -> None:
    ended = await ingest("https://films.example/a", "https://films.example/b", "--request-id", "r")

    assert (ended.exit_code, "these are several" in ended.output) == (2, True)


async def test_the_one_file_client_wishes_the_same(
    desk: Any, ingest: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ask", f"https://films.example/{uuid4()}", "--tag", "sea", "--reference", "cam-3"]
    monkeypatch.setattr(sys, "argv", ["client.py", *words, "--auto-approve", "frames >= 50", "--allow-quality-loss"])

    await asyncio.to_thread(client.main)

    answer = json.loads(capsys.readouterr().out)
    assert await options_of(desk, answer["video_id"]) == {
        "tags": ["sea"],
        "reference": "cam-3",
        "auto_rule": "frames >= 50",
        "allow_quality_loss": True,
    }
