"""Final Cut Pro XML 1.8, which Resolve and others read too. Every time is a fraction of a second, as the format has it."""

import re
from fractions import Fraction
from xml.sax.saxutils import quoteattr

from heaters_media.timecode import Grid

from heaters_review_api.exports.body import Body
from heaters_review_api.exports.rows import as_json
from heaters_review_api.exports.timelines import Event

EVENTS_MOST = 1000
_SAID = (
    "clip",
    "video",
    "source",
    "source_sha256",
    "reference",
    "start_frame",
    "end_frame",
    "start_ticks",
    "end_ticks",
)
_SAID_OF_A_CLIP = (
    *_SAID,
    "time_base",
    "variable_frame_rate",
    "decided_by",
    "decided_at",
    "certainty",
    "object",
    "sha256",
)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fcpxml(grid: Grid, events: list[Event]) -> Body:
    """One project of one sequence; each medium is an asset with a format of its own."""
    assets: dict[str, tuple[str, Event]] = {}
    for event in events:
        assets.setdefault(event.medium, (f"a{len(assets) + 1}", event))
    count = "DF" if grid.drop else "NDF"
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<!DOCTYPE fcpxml>", '<fcpxml version="1.8">', "<resources>"]
    lines.append(f'<format id="f0" frameDuration="{_seconds(grid, 1)}"{_size(events[0])}/>')
    for name, event in assets.values():
        lines += [_format(name, grid, event), _asset(name, grid, event)]
    lines += ["</resources>", '<library><event name="Heaters"><project name="Clips">']
    whole = _seconds(grid, sum(event.frames for event in events))
    begin = _seconds(grid, grid.hour_frames)
    lines.append(f'<sequence format="f0" duration="{whole}" tcStart="{begin}" tcFormat="{count}"><spine>')
    for event in events:
        lines.append(_clip(assets[event.medium][0], grid, event, count))
    lines += ["</spine></sequence>", "</project></event></library>", "</fcpxml>", ""]
    return Body("application/xml; charset=utf-8", ".fcpxml", ("\n".join(lines).encode(),), len(events))


def _seconds(grid: Grid, frames: int) -> str:
    """So many frames, as FCPXML writes time: with the rate's own denominator, so that it is a whole number of frames for everybody."""
    rate = grid.rate
    return f"{frames * rate.denominator}/{rate.numerator}s" if frames else "0s"


def _exactly(seconds: Fraction) -> str:
    return f"{seconds.numerator}/{seconds.denominator}s" if seconds else "0s"


def _attribute(said: object) -> str:
    return quoteattr(_NO_XML.sub(" ", str(said)))


def _size(event: Event) -> str:
    technical = event.row.video.technical
    return f' width="{technical.width_px}" height="{technical.height_px}"' if technical else ""


def _format(name: str, grid: Grid, event: Event) -> str:
    # A format without a frame's duration is one whose rate is not constant.
    if event.pace.is_exact:
        rate = f' frameDuration="{_seconds(grid, 1)}"'
    else:
        rate = f' frameDuration="{_exactly(1 / event.pace.rate)}"' if event.pace.rate else ""
    return f'<format id="f{name}"{rate}{_size(event)}/>'


def _asset(name: str, grid: Grid, event: Event) -> str:
    audio = event.row.audio
    sound = (
        f' hasAudio="1" audioSources="1" audioChannels="{audio.channels}" audioRate="{audio.rate_hz}"' if audio else ""
    )
    return (
        f"<asset id={_attribute(name)} name={_attribute(event.row.title)} uid={_attribute(event.medium)} src={_attribute(event.address)}"
        f' start="0s" duration="{_seconds(grid, event.medium_frames)}" hasVideo="1" format="f{name}"{sound}/>'
    )


def _clip(asset: str, grid: Grid, event: Event, count: str) -> str:
    row = event.row
    said = as_json(row)
    start, lasts = _seconds(grid, event.first), _seconds(grid, event.frames)
    offset = _seconds(grid, grid.hour_frames + event.at)
    note = "\n".join(part for part in (row.clip.note, event.remark) if part)
    inside = [f"<note>{_text(note)}</note>"] if note else []
    if row.clip.tags:
        inside.append(f'<keyword start="{start}" duration="{lasts}" value={_attribute(", ".join(row.clip.tags))}/>')
    values = [(name, said[name]) for name in _SAID_OF_A_CLIP if said[name] is not None]
    inside.append("<metadata>")
    inside += [
        f"<md key={_attribute(f'com.heaters.{name}')} value={_attribute(_flat(value))}/>" for name, value in values
    ]
    inside.append("</metadata>")
    return (
        f'<asset-clip ref="{asset}" name={_attribute(f"{row.title} {row.clip.start_frame}")} offset="{offset}" start="{start}"'
        f' duration="{lasts}" tcFormat="{count}">{"".join(inside)}</asset-clip>'
    )


def _flat(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(said: str) -> str:
    return _NO_XML.sub(" ", said).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
