"""The smallest worker service: it says of every requested video that it was downloaded, without looking."""

import asyncio

from heaters_contracts.fact import Told
from heaters_contracts.facts import VideoDownloaded, VideoRequested
from heaters_contracts.objects import ObjectRef
from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.service import Service
from heaters_edges.settings import Settings, load


async def download(told: Told[VideoRequested]) -> VideoDownloaded:
    if told.fact.request_id.startswith("slow"):
        await asyncio.sleep(600)
    key = f"videos/{told.video_id}/source-0000000000000000.mp4"
    return VideoDownloaded(source=ObjectRef(key=key, bytes=1, sha256="0" * 64), title="tiny")


if __name__ == "__main__":
    Service("tiny", load(Settings)).run([Duty(work_named("download"), download)])
