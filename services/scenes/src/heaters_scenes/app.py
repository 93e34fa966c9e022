"""Wiring: settings, edges, handler."""

from functools import partial

from heaters_contracts.detectors import UnknownDetector, read_wish
from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.resident import Resident
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_media.errors import BadMedia

from heaters_scenes.detect import REVISION, has_network, preload
from heaters_scenes.errors import InvalidParameters, UnusableTiny
from heaters_scenes.handler import detect_scenes
from heaters_scenes.settings import ScenesSettings


def main() -> None:
    """Run scene detection until SIGTERM."""
    settings = load(ScenesSettings)
    service = Service("scenes", settings)
    default = read_wish(settings.detector)
    work = work_named("scenes")
    resident = Resident(memory_bytes=work.memory_bytes)
    handler = partial(
        detect_scenes, objects=service.objects, resident=resident, default=default, threads=settings.detector_threads
    )
    permanent = (BadMedia, UnusableTiny, InvalidParameters, UnknownDetector)
    profile = f"{default}@{REVISION}, {'with' if has_network() else 'without'} a network"
    service.run([Duty(work, handler, profile, permanent)], preload=preload(default))
