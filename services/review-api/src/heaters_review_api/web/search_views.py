"""What searches ask and answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from heaters_review_api.core.states import ClipState
from heaters_review_api.web.views import Clip

Tag = Annotated[str, Meta(min_length=1, max_length=64)]


class SearchFilters(Struct, frozen=True, forbid_unknown_fields=True):
    """Which clips may be found; what is left out may be anything."""

    videos: Annotated[list[UUID], Meta(max_length=1000, description="of one of these videos")] = []
    tags: Annotated[list[Tag], Meta(max_length=20, description="with all of these tags")] = []
    states: Annotated[
        list[ClipState], Meta(description="in one of these states; only embedded clips can look alike")
    ] = []
    decided_from: Annotated[datetime, Meta(tz=True)] | None = None
    """Decided at this moment or later."""
    decided_to: Annotated[datetime, Meta(tz=True)] | None = None
    """Decided before this moment."""
    measures: Annotated[list[str], Meta(max_length=20, description="bounds as name:from:to, as in /api/clips")] = []


class SearchWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: examples, a text, a picture, words, filters, in any combination.

    Examples, text and picture say what clips are to look like, and the answer is in order of likeness. `words` stand in tags, notes and
    titles: with something to look like they only filter; alone they order the answer.
    """

    like: Annotated[list[UUID], Meta(max_length=20, description="clips to look like; more like these")] = []
    unlike: Annotated[
        list[UUID], Meta(max_length=20, description="clips not to look like; needs something to look like")
    ] = []
    text: (
        Annotated[str, Meta(max_length=1000, description="what it shows, in plain words; needs an image-text model")]
        | None
    ) = None
    image: Annotated[str, Meta(max_length=17_000_000, description="a JPEG, PNG or WebP file in base64")] | None = None
    words: Annotated[str, Meta(max_length=1000, description='harbour "blue hour" -fog boat*')] = ""
    filters: SearchFilters | None = None
    model: Annotated[str, Meta(max_length=300, description="name@version; without it, the default")] | None = None
    strategy: Annotated[str, Meta(max_length=100)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 24
    cursor: Annotated[str, Meta(max_length=200, description="`next` of the page before, with the same wish")] | None = (
        None
    )


class Keyframe(Struct, frozen=True, kw_only=True):
    """A picture that stands for a clip, and where it is shown from."""

    frame: int
    """Of the whole video."""
    address: str


class Moment(Struct, frozen=True, kw_only=True):
    """The frame of a clip that is nearest to what was asked for, and where a picture of it is."""

    frame: int
    similarity: float
    address: str


class Hit(Struct, frozen=True, kw_only=True):
    """A clip that was found."""

    clip: Clip
    similarity: float | None
    """Cosine with what it was to look like; none where it was found by words or filters."""
    rank: float | None
    """How well its words fit; none where it was found by its looks."""
    moment: Moment | None
    keyframes: list[Keyframe]


class SearchResult(Struct, frozen=True, kw_only=True):
    """A page of hits, the best first."""

    items: list[Hit]
    how: Literal["exact", "index", "words", "filter"]
    """How they were found: every clip of the filter compared, or by a vector index; by words; by the filter alone."""
    model: str | None
    strategy: str | None
    next: str | None


class SearchModel(Struct, frozen=True, kw_only=True):
    """A model that clips are embedded by, and by which strategy their pictures were chosen."""

    model: str
    strategy: str
    dimensions: int
    clips: int
    """How many are embedded by it."""
    of: int
    """How many are embedded at all."""
    default: bool
    requested: bool
    """Whether every clip is to have it; those that lack it are asked for."""
    indexed: bool
    """Whether it has a vector index; small collections need none."""
    near_duplicate: float
    """From this cosine on, clips are near-duplicates."""


class SearchModels(Struct, frozen=True, kw_only=True):
    """All of them, by name."""

    items: list[SearchModel]


class ModelWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that every clip is to be embedded by."""

    model: Annotated[str, Meta(min_length=1, max_length=200, description="its name, as the embedder's plug knows it")]
    strategy: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[a-z0-9-]+$")] | None = None
    """How pictures are chosen; without it, as they were chosen already."""


class ModelAsked(Struct, frozen=True, kw_only=True):
    """What was asked for, by the name and version that the embedder gave it."""

    model: str
    strategy: str
    dimensions: int


class DefaultWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The model that searches are to go by."""

    model: Annotated[str, Meta(min_length=1, max_length=300)]
    strategy: Annotated[str, Meta(min_length=1, max_length=100)]
    near_duplicate: Annotated[float, Meta(gt=0, le=1)] = 0.95


class DuplicateGroup(Struct, frozen=True, kw_only=True):
    """Clips that are nearly the same."""

    clips: list[Clip]


class Duplicates(Struct, frozen=True, kw_only=True):
    """Groups of near-duplicates, the largest first, and the distribution that the threshold cuts."""

    model: str
    strategy: str
    threshold: float
    looked: int
    """How many clips were looked at: those that were decided last."""
    groups: list[DuplicateGroup]
    histogram: list[int]
    """Cosines of each clip's nearest neighbour: how many lie in each twentieth of 0 to 1."""


class Overlap(Struct, frozen=True, kw_only=True):
    """How far two models agree on neighbours."""

    clips: int
    """Compared: those that were decided last."""
    share: float | None
    """Of the ten nearest of each clip, those that both models name; none where no clip has both."""


class Suggestion(Struct, frozen=True, kw_only=True):
    """A tag that a model would give, and how strongly it believes in it, 0 to 1."""

    tag: str
    share: float


class Suggestions(Struct, frozen=True, kw_only=True):
    """The strongest first; none where the default model knows no labels."""

    model: str | None
    items: list[Suggestion]
