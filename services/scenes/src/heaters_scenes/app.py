"""Wiring: settings, edges, handler."""

from functools import partial

from heaters_contracts.ids import sha256_of
from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.service import Service
from heaters_edges.settings import Settings, load
from heaters_media.errors import BadMedia

from heaters_scenes.core import AdaptiveParameters, InvalidParameters, UnusableTiny
from heaters_scenes.detect import PRELOAD, tag
from heaters_scenes.handler import detect_scenes


def main() -> None:
    """Run scene detection until SIGTERM."""
    service = Service("scenes", load(Settings))
    parameters = AdaptiveParameters()
    detector = tag(parameters)
    handler = partial(
        detect_scenes,
        objects=service.objects,
        parameters=parameters,
        detector=detector,
        key_tag=f"adaptive-{sha256_of(detector)[:8]}",
    )
    permanent = (BadMedia, UnusableTiny, InvalidParameters)
    service.run([Duty(work_named("scenes"), handler, detector, permanent)], preload=PRELOAD)
