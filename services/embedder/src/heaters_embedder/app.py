"""Wiring: settings, edges, handlers."""

from functools import partial

from heaters_contracts.asking import EMBED_QUEUE, EMBED_SUBJECT
from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.resident import Resident
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_media.errors import BadMedia

from heaters_embedder.errors import PERMANENT
from heaters_embedder.handler import embed, keyframe, reembed, respond
from heaters_embedder.pictures import PRELOAD
from heaters_embedder.settings import EmbedderSettings


def main() -> None:
    """Run the embedder until SIGTERM."""
    settings = load(EmbedderSettings)
    service = Service("embedder", settings)
    objects = service.objects
    resident = Resident(memory_bytes=settings.model_memory_bytes, rest_s=settings.model_rest_s)
    service.run(
        [
            Duty(
                work_named("keyframe"),
                partial(keyframe, objects=objects, settings=settings),
                settings.strategy,
                (BadMedia,),
            ),
            Duty(
                work_named("embed"),
                partial(embed, objects=objects, resident=resident, settings=settings),
                ",".join(settings.models),
                PERMANENT,
            ),
            Duty(
                work_named("reembed"),
                partial(reembed, objects=objects, resident=resident, settings=settings),
                "",
                (*PERMANENT, BadMedia),
            ),
        ],
        preload=("heaters_embedder.pictures", *PRELOAD),
        answers={(EMBED_SUBJECT, EMBED_QUEUE): partial(respond, resident=resident, settings=settings)},
    )
