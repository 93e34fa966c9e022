"""A worker service that downloads nothing, and dies where its test wants: FAULT names the point, MARK a file that says it has."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from heaters_contracts.fact import Told
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.objects import source_key
from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.objects import Objects
from heaters_edges.service import Service
from heaters_edges.settings import Settings, load

CONTENT = b"the same bytes, whoever makes them"
SHA256 = "5a3d"  # only a name here: the store keeps the whole one


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
    stored = await objects.put_bytes(CONTENT, source_key(told.video_id, SHA256 * 16, ".mp4"))
    die("after the object")
    yield VideoDownloaded(source=stored, title="faulty")
    die("after the fact")


if __name__ == "__main__":
    service = Service("faulty", load(Settings))
    service.run([Duty(work_named("download"), partial(download, objects=service.objects))])
