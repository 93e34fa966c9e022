"""Wiring: settings, edges, handlers."""

from functools import partial

from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_media.errors import BadMedia

from heaters_embedder.errors import UnknownModel, UnreadableImage, UnusableVector, UnusableWeights
from heaters_embedder.handler import embed, keyframe
from heaters_embedder.pictures import PRELOAD
from heaters_embedder.settings import EmbedderSettings


def main() -> None:
    """Run the embedder until SIGTERM."""
    settings = load(EmbedderSettings)
    service = Service("embedder", settings)
    objects = service.objects
    service.run(
        [
            Duty(
                work_named("keyframe"),
                partial(keyframe, objects=objects, settings=settings),
                f"spread-{settings.keyframes}",
                (BadMedia,),
            ),
            Duty(
                work_named("embed"),
                partial(embed, objects=objects, settings=settings),
                settings.model,
                (UnreadableImage, UnusableVector, UnknownModel, UnusableWeights),
            ),
        ],
        preload=("heaters_embedder.pictures", *PRELOAD),
    )
