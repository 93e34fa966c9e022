"""Wiring: settings, edges, handler."""

from functools import partial

from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_edges.store import S3Store

from heaters_downloader.core import AddressPolicy, Limits, Refused
from heaters_downloader.handler import download
from heaters_downloader.settings import DownloaderSettings


def main() -> None:
    """Run the downloader until SIGTERM."""
    settings = load(DownloaderSettings)
    service = Service("downloader", settings)
    handler = partial(
        download,
        objects=service.objects,
        policy=AddressPolicy.parse(settings.allow_hosts),
        limits=Limits(bytes_max=settings.download_limit_bytes),
        s3=S3Store(settings),
        s3_sources=settings.s3_sources,
    )
    service.run([Duty(work_named("download"), handler, permanent=(Refused,))], preload=["heaters_downloader.fetch"])
