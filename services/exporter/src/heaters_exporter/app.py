"""Wiring: settings, edges, handler."""

from functools import partial

from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.resident import Resident
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_media.errors import BadMedia
from heaters_media.profiles import REVIEW

from heaters_exporter.cut import PRELOAD
from heaters_exporter.handler import export
from heaters_exporter.settings import ExporterSettings


def main() -> None:
    """Run the exporter until SIGTERM."""
    settings = load(ExporterSettings)
    service = Service("exporter", settings)
    work = work_named("export")
    resident = Resident(memory_bytes=work.memory_bytes)
    handler = partial(export, objects=service.objects, resident=resident, settings=settings)
    duty = Duty(work, handler, REVIEW.tag, (BadMedia,))
    service.run([duty], preload=("heaters_exporter.cut", *PRELOAD))
