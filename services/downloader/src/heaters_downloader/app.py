"""Wiring: settings, edges, handler."""

from heaters_contracts.pipeline import SITES_BUCKET, work_named
from heaters_edges.delivery import Duty
from heaters_edges.register import Register
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_edges.store import S3Store

from heaters_downloader.core import AddressPolicy, Limits, Refused
from heaters_downloader.core.sites import SitePolicy
from heaters_downloader.handler import Downloader
from heaters_downloader.settings import DownloaderSettings
from heaters_downloader.sitebook import Sites


def main() -> None:
    """Run the downloader until SIGTERM."""
    settings = load(DownloaderSettings)
    service = Service("downloader", settings)
    downloader = Downloader(
        objects=service.objects,
        policy=AddressPolicy.parse(settings.allow_hosts),
        limits=Limits(
            bytes_max=settings.download_limit_bytes,
            total_s=settings.download_limit_s,
            duration_max_s=settings.duration_limit_s,
            free_bytes=settings.free_space_bytes,
            entries_max=settings.playlist_limit,
        ),
        s3=S3Store(settings),
        s3_sources=settings.s3_sources,
        sites=Sites(
            Register(service.bus, SITES_BUCKET),
            SitePolicy(at_once=settings.site_at_once, rest_s=settings.site_rest_s, patience_s=settings.site_patience_s),
        ),
        wishes=settings.wishes(),
        link_duplicates=settings.link_duplicates,
    )
    service.run(
        [Duty(work_named("download"), downloader.download, permanent=(Refused,))], preload=["heaters_downloader.fetch"]
    )
