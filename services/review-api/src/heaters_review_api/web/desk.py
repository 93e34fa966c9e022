"""What the handlers work with, put together once by app.py."""

from dataclasses import dataclass

from heaters_edges.maintenance import Maintenance
from heaters_edges.objects import Objects
from litestar.di import NamedDependency

from heaters_review_api.accounts.audit import Audit
from heaters_review_api.accounts.gate import Gate
from heaters_review_api.accounts.oidc import Provider
from heaters_review_api.admission import Admission
from heaters_review_api.db.indexes import Indexes
from heaters_review_api.db.leases import Leases
from heaters_review_api.db.personal import Personal
from heaters_review_api.db.queries import ClipOfVideo, Queries
from heaters_review_api.decisions import DecidedClip, Decisions
from heaters_review_api.exports.gather import Gatherer
from heaters_review_api.frames import Frames
from heaters_review_api.glance import Glance
from heaters_review_api.lasting import Lasting
from heaters_review_api.ledgers import Ledgers
from heaters_review_api.live import Changes, ProgressBoard
from heaters_review_api.ops.doctor import Doctor
from heaters_review_api.ops.erase import Eraser
from heaters_review_api.playback import Playback
from heaters_review_api.readiness import Readiness
from heaters_review_api.scores import Scores
from heaters_review_api.search.finder import Finder
from heaters_review_api.search.models import Models
from heaters_review_api.settings import Settings
from heaters_review_api.signing import Signer
from heaters_review_api.stages import Stages
from heaters_review_api.timeline import Timeline
from heaters_review_api.uploads import Uploads
from heaters_review_api.web import views


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of a running review-api."""

    settings: Settings
    gate: Gate
    provider: Provider | None
    audit: Audit
    queries: Queries
    ledgers: Ledgers
    lasting: Lasting
    playback: Playback
    frames: Frames
    timeline: Timeline
    scores: Scores
    exports: Gatherer
    decisions: Decisions
    leases: Leases
    personal: Personal
    admission: Admission
    uploads: Uploads
    stages: Stages
    objects: Objects
    progress: ProgressBoard
    changes: Changes
    glances: dict[str, Glance[views.Progress | views.Present]]
    """What is no fact, by topic."""
    readiness: Readiness
    finder: Finder
    indexes: Indexes
    maintenance: Maintenance
    eraser: Eraser
    models: Models
    doctor: Doctor
    signer: Signer | None

    async def clip_view(self, one: ClipOfVideo) -> views.Clip:
        """A clip with its times."""
        return views.clip_view(one, await self.ledgers.ticks(one))

    async def clip_views(self, clips: list[ClipOfVideo]) -> list[views.Clip]:
        """Several clips with their times."""
        return [await self.clip_view(one) for one in clips]

    async def verdict_view(self, decided: DecidedClip) -> views.VerdictGiven:
        """A decision on one clip, and the clip after it."""
        return views.VerdictGiven(
            clip=await self.clip_view(decided.clip), sequence=decided.sequence, decision=decided.decision_id
        )


TheDesk = NamedDependency[Desk]
"""The desk, as a handler asks for it."""
