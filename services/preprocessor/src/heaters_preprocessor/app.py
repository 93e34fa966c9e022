"""Wiring: settings, edges, handlers."""

from functools import partial

from heaters_contracts.pipeline import work_named
from heaters_edges.delivery import Duty
from heaters_edges.service import Service
from heaters_edges.settings import load
from heaters_media.errors import BadMedia
from heaters_media.profiles import REVIEW

from heaters_preprocessor.handler import plan, preprocess, store_master
from heaters_preprocessor.settings import PreprocessorSettings
from heaters_preprocessor.transcode import PRELOAD


def main() -> None:
    """Run the preprocessor until SIGTERM."""
    settings = load(PreprocessorSettings)
    service = Service("preprocessor", settings)
    objects, lengths = (
        service.objects,
        (
            f"{settings.first_segment_s}x{settings.segment_growth}-{settings.longest_segment_s}s-"
            f"{'reuse' if settings.reuse else 'encode'}"
        ),
    )
    service.run(
        [
            Duty(work_named("plan"), partial(plan, objects=objects, settings=settings), lengths, (BadMedia,)),
            Duty(
                work_named("preprocess"),
                partial(
                    preprocess,
                    objects=objects,
                    profile=REVIEW.tag,
                    parts_from_bytes=settings.parts_from_mib * 1024**2,
                ),
                REVIEW.tag,
                (BadMedia,),
            ),
            Duty(
                work_named("store_master"),
                partial(store_master, objects=objects, settings=settings),
                "ffv1",
                (BadMedia,),
            ),
        ],
        preload=("heaters_preprocessor.transcode", *PRELOAD),
    )
