"""The real process: what it says when it cannot start, and how it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from heaters_local.servers import free_port
from place import place
from pydantic import SecretStr
from weather import Weather, link


def environment(settings: Any) -> dict[str, str]:
    said = {}
    for name, value in settings.model_dump().items():
        if value not in (None, ()) and name != "lanes":
            said[f"HEATERS_{name.upper()}"] = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **said}


async def test_it_ends_cleanly_although_somebody_watches(migrated: Any) -> None:
    settings = migrated.model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heaters_review_api", env=environment(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        address = f"http://{settings.listen}"
        headers = {"authorization": f"Bearer {settings.token.get_secret_value()}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
            for _ in range(900):
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
            async with client.stream("GET", "/api/events") as watching:
                assert watching.status_code == 200
                process.send_signal(signal.SIGTERM)
                code = await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()

    assert code == 0


async def test_a_missing_setting_is_named_before_anything_is_connected(migrated: Any) -> None:
    said = environment(migrated)
    del said["HEATERS_DATABASE_URL"]

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heaters_review_api", env=said, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert b"HEATERS_DATABASE_URL is not set" in complaint


async def test_a_database_that_is_not_there_at_the_start_is_waited_for(
    migrated: Any, start: Any, story: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(tmp_path, migrated, "later") as here:
        dsn = here.settings.database_url.get_secret_value()
        port = urlsplit(dsn).port or 0
        async with link("127.0.0.1", port) as database:
            behind = SecretStr(dsn.replace(f":{port}/", f":{database.port}/"))

            async def let_it_be_missed() -> None:
                while not [one for one in caplog.records if getattr(one, "task", "") == "bus"]:  # noqa: ASYNC110 - a log tells nobody
                    await asyncio.sleep(0.05)
                database.turn(Weather.FINE)

            database.turn(Weather.REFUSING)
            missed = asyncio.create_task(let_it_be_missed())
            async with start(here.settings.model_copy(update={"database_url": behind})) as desk:
                await missed
                film = story().ready([30])
                await desk.publish(film)
                shown = (await desk.client.get(f"/api/videos/{film.video_id}")).json()

    assert shown["state"] == "in_review"


async def test_a_migration_waits_for_servers_that_are_only_starting(migrated: Any) -> None:
    said = environment(migrated)
    port = urlsplit(said["HEATERS_DATABASE_URL"]).port or 0
    async with link("127.0.0.1", port) as database:
        database.turn(Weather.REFUSING)
        said["HEATERS_DATABASE_URL"] = said["HEATERS_DATABASE_URL"].replace(f":{port}/", f":{database.port}/")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "heaters_review_api", "migrate", env=said, stdout=PIPE, stderr=STDOUT
        )
        assert process.stdout is not None
        async for line in process.stdout:
            if b"a server does not answer yet" in line:
                break
        database.turn(Weather.FINE)
        rest = await process.stdout.read()
        code = await process.wait()

    assert database.met >= 1
    assert code == 0, rest
