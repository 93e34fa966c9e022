"""A worker service that downloads nothing, and fails where its test wants.

The environment says where the process dies: FAULT names the point, MARK a file that says that it has. What becomes of one message says
its request id, by its first word: plain, crash (its child dies of a signal), hungry (its child takes too much memory), locked (its
child sits in C code for LOCKED_S, holding the interpreter lock), wrong (it cannot be done), or large (its object has some megabytes).
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import children
from heaters_contracts.fact import Told
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.objects import source_key
from heaters_contracts.pipeline import work_named
from heaters_edges.child import in_child
from heaters_edges.delivery import Duty
from heaters_edges.objects import Objects
from heaters_edges.service import Service
from heaters_edges.settings import Settings, load

CONTENT = b"the same bytes, whoever makes them"
LARGE_BYTES = 4 << 20
SHA256 = "5a3d"  # only a name here: the store keeps the whole one


def content_of(request_id: str) -> bytes:
    """What is stored for a request."""
    return CONTENT.ljust(LARGE_BYTES, b".") if request_id.startswith("large") else CONTENT


def die(point: str, *, always: bool = False) -> None:
    mark = Path(os.environ["MARK"])
    if os.environ.get("FAULT") == point and (always or not mark.exists()):
        with mark.open("a") as file:
            file.write("died\n")
        os.kill(os.getpid(), signal.SIGKILL)


def is_to_sleep() -> bool:
    mark = Path(os.environ["MARK"])
    if os.environ.get("FAULT") != "asleep" or mark.exists():
        return False
    mark.write_text(str(os.getpid()))
    return True


async def download(told: Told[VideoRequested], *, objects: Objects) -> AsyncIterator[VideoDownloaded]:
    die("at work, always", always=True)
    die("at work")
    if is_to_sleep():
        await asyncio.sleep(float(os.environ["ASLEEP_S"]))
    match told.fact.request_id.partition("-")[0]:
        case "crash":
            await in_child(children.crash)
        case "hungry":
            await in_child(children.eat_memory)
        case "locked":
            await in_child(children.hold_the_lock_for, float(os.environ["LOCKED_S"]))
        case "wrong":
            raise children.Poison("there is no film at this address")
    stored = await objects.put_bytes(content_of(told.fact.request_id), source_key(told.video_id, SHA256 * 16, ".mp4"))
    die("after the object")
    yield VideoDownloaded(source=stored, title="faulty")
    die("after the fact")


def main() -> None:
    """Work until SIGTERM."""
    service = Service("faulty", load(Settings))
    write_json = service.objects.write_json

    async def write_json_and_die(key: str, value: Any) -> None:
        await write_json(key, value)
        die("after the manifest")

    service.objects.write_json = write_json_and_die  # type: ignore[method-assign]  # the point lies inside of delivery
    work = replace(work_named("download"), memory_bytes=192 << 20)
    service.run([Duty(work, partial(download, objects=service.objects))], preload=["children"])


if __name__ == "__main__":
    main()
