"""FCPXML keeps the rules of its document type: Final Cut Pro refuses a document as a whole that breaks one of them.

The rules are those of version 1.8, of what our documents use (Apple, "Final Cut Pro XML", Document Type Definition, Story Elements, Timing
Attributes): which elements stand in which, in which order, and which attributes they must and may have; that names are named once and what is
named is there; and how times are written.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

TIME = {"start", "duration", "offset", "tcStart", "frameDuration", "audioStart", "audioDuration"}
ONE_OF = {"tcFormat": {"DF", "NDF"}, "hasVideo": {"0", "1"}, "hasAudio": {"0", "1"}}
CLIP = "clip|audio|video|title|mc-clip|ref-clip|sync-clip|asset-clip|audition|gap"


@dataclass(frozen=True)
class Rule:
    """Of one element. Children as a regular expression over their names, a space after each."""

    children: str
    must: frozenset[str]
    may: frozenset[str]


def rule(children: str, must: str = "", may: str = "") -> Rule:
    return Rule(children, frozenset(must.split()), frozenset(may.split()))


RULES = {
    "fcpxml": rule("(import-options )?(resources )?(library |(event )*)", "version"),
    "resources": rule("((asset|effect|format|media) )*"),
    "format": rule("", "id", "name frameDuration fieldOrder width height paspH paspV colorSpace"),
    "asset": rule(
        "(bookmark )?(metadata )?",
        "id src",
        "name uid start duration hasVideo format hasAudio audioSources audioChannels audioRate",
    ),
    "library": rule("((event|smart-collection) )*", "", "location colorProcessing"),
    "event": rule(f"((project|{CLIP}) )*", "", "name uid"),
    "project": rule("sequence ", "", "name uid id modDate"),
    "sequence": rule(
        "(note )?spine (metadata )?", "format", "duration tcStart tcFormat audioLayout audioRate keywords"
    ),
    "spine": rule(f"(({CLIP}|transition) )*", "", "lane offset name format"),
    "asset-clip": rule(
        "(note )?(conform-rate )?(timeMap )?((marker|chapter-marker|rating|keyword) )*(metadata )?",
        "ref",
        "lane offset name start duration enabled srcEnable audioStart audioDuration format tcStart tcFormat audioRole videoRole",
    ),
    "note": rule(""),
    "keyword": rule("", "start value", "duration note"),
    "metadata": rule("(md )*"),
    "md": rule("(array )?", "key", "value editable type displayName description source"),
}


def broken(document: str) -> list[str]:
    """What rules a document breaks."""
    assert document.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n')
    root = ET.fromstring(document)  # noqa: S314 - our own
    found = []
    for element in root.iter():
        known, has = RULES.get(element.tag), set(element.attrib)
        if known is None:
            found.append(f"{element.tag} is not known")
            continue
        children = "".join(f"{child.tag} " for child in element)
        if not re.fullmatch(known.children, children):
            found.append(f"{element.tag} holds {children}")
        if known.must - has or has - known.must - known.may:
            found.append(f"{element.tag} has {sorted(has)}")
        found += [f"{name} of {element.tag} is {element.get(name)}" for name in TIME & has if not time(element, name)]
        found += [
            f"{name} is {element.get(name)}" for name in ONE_OF.keys() & has if element.get(name) not in ONE_OF[name]
        ]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    found += [f"{name} is named twice" for name in set(ids) if ids.count(name) > 1]
    found += [f"{name} is no name" for name in ids if not re.fullmatch(r"[A-Za-z_][\w.-]*", name or "")]
    for attribute, kind in (("ref", "asset"), ("format", "format")):
        there = {element.get("id") for element in root.iter(kind)}
        found += [
            f"{attribute}={e.get(attribute)}" for e in root.iter() if e.get(attribute) and e.get(attribute) not in there
        ]
    return found


def time(element: ET.Element, name: str) -> bool:
    """Whether it is a whole number of seconds, or a fraction of a 64-bit by a 32-bit number, with an s."""
    said = re.fullmatch(r"(\d+)(?:/(\d+))?s", element.get(name) or "")
    return bool(said) and int(said[1]) < 2**63 and 0 < int(said[2] or 1) < 2**31


def seconds(element: ET.Element | None, name: str) -> Fraction:
    assert element is not None
    return Fraction((element.get(name) or "")[:-1])


NTSC = [n * 1001 for n in range(300)], (1, 30_000)
UNEVEN = [n * 3003 + (n % 3 == 0) * 1200 for n in range(300)], (1, 90_000)


@pytest.mark.parametrize("media", ["source", "clips"])
@pytest.mark.parametrize("frames", [(), NTSC, UNEVEN], ids=["25", "29.97", "uneven"])
async def test_a_document_keeps_the_rules_of_its_type(desk: Any, exported: Any, frames: Any, media: str) -> None:
    one = await exported([(0, 60), (60, 200), (200, 300)], *frames)
    tagged = one.clip_id(60, 200)
    hard = {"tags": ["<sea> & 'sky'", 'a "quote"'], "note": "two\nlines & <tags> \u0001 \U0001f41f"}
    key = {"Idempotency-Key": f"n{tagged}"}
    noted = await desk.client.post(f"/api/clips/{tagged}/annotation", json=hard, headers=key)
    assert noted.status_code == 200, noted.text

    answer = await desk.client.get("/api/exports/clips.fcpxml", params={"video": str(one.video_id), "media": media})

    assert answer.status_code == 200, answer.text
    assert broken(answer.text) == []
    root = ET.fromstring(answer.text)  # noqa: S314 - our own
    sequence, clips = root.find(".//sequence"), root.findall(".//spine/asset-clip")
    step = seconds(root.find("resources/format[@id='f0']"), "frameDuration")
    # On the spine clip follows clip, each on a frame of the sequence, and the sequence is as long as all of them.
    assert len(clips) == 3
    assert seconds(clips[0], "offset") == seconds(sequence, "tcStart")
    for before, after in pairwise(clips):
        assert seconds(after, "offset") == seconds(before, "offset") + seconds(before, "duration")
    for clip in clips:
        asset = root.find(f"resources/asset[@id='{clip.get('ref')}']")
        assert all((seconds(clip, name) / step).denominator == 1 for name in ("offset", "start", "duration"))
        assert seconds(clip, "start") + seconds(clip, "duration") <= seconds(asset, "start") + seconds(
            asset, "duration"
        )
    assert seconds(sequence, "duration") == sum(seconds(clip, "duration") for clip in clips)


def test_the_rules_find_what_breaks_them() -> None:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.8">'
    clip = '<asset-clip ref="a2" start="1.5s"><metadata/><note/></asset-clip>'
    text = f'{head}<resources><format id="1"/><asset id="a1"/></resources><library><event>{clip}</event></library></fcpxml>'

    assert broken(text) == [
        "asset has ['id']",
        "asset-clip holds metadata note ",
        "start of asset-clip is 1.5s",
        "1 is no name",
        "ref=a2",
    ]
