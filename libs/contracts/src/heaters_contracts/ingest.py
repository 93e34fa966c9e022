"""What others ask of us: the body of `ingest.<requester>`, and of POST /api/ingest."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from heaters_contracts.auto_rule import read_rule
from heaters_contracts.detectors import read_wish
from heaters_contracts.fact import Lane
from heaters_contracts.ids import canonical, sha256_of
from heaters_contracts.model import Model
from heaters_contracts.objects import UploadKey

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class UrlSource(Model):
    """A page or a file on the web."""

    kind: Literal["url"] = "url"
    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=4096, pattern=r"^https?://")]
    """Of a video file, a page with a video, a stream's manifest, a playlist or a channel."""


class UploadSource(Model):
    """An object that was uploaded through the API."""

    kind: Literal["upload"] = "upload"
    key: UploadKey
    """As the upload was answered."""
    name: Annotated[str, StringConstraints(max_length=255)] = ""
    """What the file is called; its title follows from it."""


class S3Source(Model):
    """An object in a bucket that the downloader may read."""

    kind: Literal["s3"] = "s3"
    uri: Annotated[str, StringConstraints(pattern=r"^s3://[a-z0-9.-]{3,63}/.{1,1024}$")]
    """`s3://bucket/key`."""


Source = Annotated[UrlSource | UploadSource | S3Source, Field(discriminator="kind")]


class Options(Model):
    """What a requester may wish; carried with the video to the stage that reads it."""

    tags: Annotated[tuple[Tag, ...], Field(max_length=32)] = ()
    """Kept with the video; each at most 64 characters."""
    reference: Annotated[str, StringConstraints(max_length=256)] = ""
    """The requester's own name for it."""
    callback: Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://")] | None = None
    """Where milestones are told by signed webhooks; whoever names one has a secret in their terms."""
    allow_quality_loss: bool = False
    """Take less than the best that a site offers, and say so, rather than fail."""
    detector: Annotated[str, StringConstraints(max_length=64)] = ""
    """See `heaters_contracts.detectors`; empty: the one that scene detection is set to."""
    export_quality: Literal["proxy", "source"] = "proxy"
    """What clips are made from: the review proxy, or the original."""
    auto_rule: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Clips that are approved as soon as they are found, such as `seconds >= 2 and certainty >= 0.8`; see `heaters_contracts.auto_rule`."""
    videos_most: Annotated[int, Field(ge=1, le=500)] = 100
    """Of a playlist or channel, so many videos are asked for at most, in its own order."""
    process_again: bool = False
    """Work on the video even if the very same bytes are here already, as another video."""


class IngestRequest(Model):
    """One request for one video. Unknown fields are refused: a misspelt wish must not be lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Asking twice with one id asks once; without one, the body itself is the id."""
    lane: Lane = "bulk"
    """interactive: somebody waits for it; bulk: it may wait behind those."""
    options: Options = Options()

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_wishes(cls, value: Any) -> Any:
        # The same models lie in facts, where unknown fields are ignored; here their names are looked at before.
        if isinstance(value, dict):
            source, options = value.get("source"), value.get("options")
            if isinstance(source, dict):
                _refuse_unknown("source", source, _SOURCES.get(str(source.get("kind"))))
            if isinstance(options, dict):
                _refuse_unknown("options", options, Options)
                if wish := options.get("detector"):
                    read_wish(str(wish))
                if (rule := options.get("auto_rule")) is not None:
                    read_rule(str(rule))
        return value

    def identity(self) -> str:
        """The request id, or the sha256 of the canonical body."""
        # Without what is left at its default: a field that a later release adds must not make another request of the same body.
        body = self.model_dump(mode="json", exclude={"request_id"}, exclude_defaults=True)
        return self.request_id or sha256_of(canonical(body))


_SOURCES: dict[str, type[Model]] = {"url": UrlSource, "upload": UploadSource, "s3": S3Source}


def _refuse_unknown(name: str, part: dict[str, Any], model: type[Model] | None) -> None:
    if model and (unknown := sorted(part.keys() - model.model_fields.keys())):
        has = ", ".join(sorted(model.model_fields))
        raise ValueError(f"{name} has no field {', '.join(map(repr, unknown))}; it has {has}")
