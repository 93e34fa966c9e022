"""Clips by way of a caching proxy: a real one, which knows nothing of signatures, in front of a real desk."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from deploy_tools import tool
from heaters_local.servers import free_port
from heaters_media.film import read_numbers
from heaters_review_api.settings import Settings
from heaters_review_api.signing import NotSigned, Signer
from pydantic import SecretStr, ValidationError

KEY = "a-key-that-only-replicas-have"
CLIP = "c1b0a8e6-0000-4000-8000-000000000001"
EXPIRES_S = 8
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=clips:1m;
  server {{
    listen 127.0.0.1:{port};
    location /cdn/ {{
      proxy_pass http://127.0.0.1:{desk};
      proxy_cache clips; proxy_cache_key $request_uri; proxy_force_ranges on;
      add_header X-Cache $upstream_cache_status always;
    }}
  }}
}}
"""


def signer(at_s: float, key: str = KEY) -> Signer:
    return Signer("https://clips.example/", key, expires_s=100, clock=lambda: at_s)


def parts(address: str) -> dict[str, Any]:
    split = urlsplit(address)
    return {"path": split.path, **{name: said[0] for name, said in parse_qs(split.query).items()}}


def test_everybody_is_given_the_same_address_for_half_of_its_time_and_it_is_good_for_as_long_again() -> None:
    first, same_s = signer(1000).address(CLIP, "abc", audio=False)  # type: ignore[arg-type] # as text
    later, _ = signer(1049).address(CLIP, "abc", audio=False)  # type: ignore[arg-type] # as text
    next_, _ = signer(1050).address(CLIP, "abc", audio=False)  # type: ignore[arg-type] # as text

    assert first == later
    assert next_ != first
    assert same_s == 50
    assert first.startswith(f"https://clips.example/cdn/clips/{CLIP}/abc.mp4?until=1100&sound=0&signature=")
    assert signer(1000).left_s(**parts(first)) == 100
    assert signer(1099.5).left_s(**parts(first)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"until": "9999999999"},
        {"until": ""},
        {"until": "1100 "},
        {"sound": "1"},
        {"sound": ""},
        {"path": f"/cdn/clips/{CLIP}/abd.mp4"},
        {"path": "/cdn/clips/c1b0a8e6-0000-4000-8000-000000000002/abc.mp4"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "\u00e9"},
    ],
)
def test_an_address_that_was_changed_is_none_of_ours(change: dict[str, str]) -> None:
    address, _ = signer(1000).address(CLIP, "abc", audio=False)  # type: ignore[arg-type] # as text

    with pytest.raises(NotSigned, match="not given out here"):
        signer(1000).left_s(**{**parts(address), **change})


def test_an_address_ends_with_its_time_and_one_of_another_key_never_began() -> None:
    address, _ = signer(1000).address(CLIP, "abc", audio=True)  # type: ignore[arg-type] # as text

    with pytest.raises(NotSigned, match="for a while only"):
        signer(1100).left_s(**parts(address))
    with pytest.raises(NotSigned, match="not given out here"):
        signer(1000, key="another-key-altogether").left_s(**parts(address))


def test_a_proxy_without_a_key_is_refused_when_the_service_starts(migrated: Settings) -> None:
    with pytest.raises(ValidationError, match="HEATERS_CDN_URL and HEATERS_CDN_KEY go together"):
        Settings(**{**migrated.model_dump(), "cdn_url": "https://clips.example"})


@contextmanager
def proxy(folder: Path, desk: str, port: int) -> Iterator[None]:
    """nginx in front of a desk: it keeps what it may, and looks into nothing."""
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, desk=urlsplit(desk).port, user=user))
    process = subprocess.Popen([tool("nginx"), "-e", str(folder / "error.log"), "-c", str(config)])
    try:
        for _ in range(1200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
async def behind(
    migrated: Settings, start: Any, film: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    """A desk that gives clips out by a proxy, the proxy, and a clip."""
    tool("nginx")
    port = free_port()
    cdn = f"http://127.0.0.1:{port}"
    settings = migrated.model_copy(update={"cdn_url": cdn, "cdn_key": SecretStr(KEY), "cdn_expires_s": EXPIRES_S})
    async with start(settings) as desk:
        told = film.story().ready([7, 33, 41])
        await desk.publish(told)
        with proxy(tmp_path_factory.mktemp("cdn") / "nginx", str(desk.client.base_url), port):
            yield desk, told.clip_id(7, 33)


async def fetched(address: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as browser:
        return await browser.get(address, headers=headers)


async def address_of(behind: Any) -> str:
    desk, clip = behind
    answer = await desk.client.get(f"/api/clips/{clip}/play.mp4")
    assert answer.status_code == 307, answer.text
    return str(answer.headers["location"])


async def test_who_is_signed_in_is_sent_to_the_proxy_which_gives_the_clip_to_all_and_fetches_it_once(
    behind: Any, tmp_path: Path
) -> None:
    desk, clip = behind
    sent_on = await desk.client.get(f"/api/clips/{clip}/play.mp4")
    assert sent_on.status_code == 307, sent_on.text
    address = sent_on.headers["location"]

    first, second = await fetched(address), await fetched(address)
    part = await fetched(address, range="bytes=10-29")
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as stranger:
        refused = await stranger.get(f"/api/clips/{clip}/play.mp4")

    (tmp_path / "clip.mp4").write_bytes(second.content)
    assert read_numbers(tmp_path / "clip.mp4") == list(range(7, 33))
    assert [one.headers["x-cache"] for one in (first, second, part)] == ["MISS", "HIT", "HIT"]
    assert (part.status_code, part.content) == (206, first.content[10:30])
    assert refused.status_code == 401
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "set-cookie" not in first.headers
    assert 0 < int(first.headers["cache-control"].removeprefix("public, max-age=")) <= EXPIRES_S
    assert sent_on.headers["cache-control"].startswith("private, max-age=")


async def test_the_page_may_play_from_the_proxy_and_from_nowhere_else(behind: Any) -> None:
    desk, _ = behind
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in (await desk.client.get("/api/me")).headers["content-security-policy"].split(";")
    )

    assert policy["media-src"].split()[:2] == ["'self'", desk.application.settings.cdn_url]
    assert "https:" not in policy["media-src"].split()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("until=", "until=9"),
        ("sound=0", "sound=1"),
        ("signature=", "signature=0"),
        (".mp4", "0.mp4"),
        ("?", "?x=1&until=99999999999&"),
    ],
)
async def test_a_changed_address_opens_nothing_though_the_proxy_holds_the_clip(behind: Any, old: str, new: str) -> None:
    address = await address_of(behind)
    honest = await fetched(address)

    changed = await fetched(address.replace(old, new, 1))

    assert honest.status_code == 200
    assert changed.status_code in {401, 404}
    assert "mp4" not in changed.headers["content-type"]
    assert changed.headers["cache-control"] == "no-store"


async def test_an_address_whose_time_is_over_opens_nothing_though_the_proxy_held_the_clip(behind: Any) -> None:
    while int(parts(address := await address_of(behind))["until"]) - time.time() < EXPIRES_S - 1:  # noqa: ASYNC110 - a clock tells nobody
        await asyncio.sleep(0.1)  # until one is given that is good for nearly all of that time
    held = [(await fetched(address)).headers["x-cache"] for _ in range(2)]
    until_s = int(parts(address)["until"])

    await asyncio.sleep(max(0.0, until_s - time.time()) + 1.1)
    late = await fetched(address)
    anew = await fetched(await address_of(behind))

    assert held[1] == "HIT"
    assert late.status_code == 401
    assert "for a while only" in json.loads(late.text)["detail"]
    assert anew.status_code == 200
