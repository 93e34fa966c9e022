"""Review encodes nothing: the process cannot even reach a video encoder."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

OPENS_AN_ENCODER = re.compile(r"""add_stream|(CodecContext\.create|Codec|av\.open)\(.{0,60}?["']w["']""", re.DOTALL)


def source_of(module: str) -> str:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_text()


def test_review_api_loads_nothing_that_opens_a_video_encoder() -> None:
    ask = "import heaters_review_api.app, json, sys; print(json.dumps([n for n in sys.modules if n.startswith('heaters_')]))"

    told = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True, timeout=120)

    ours = [name for name in json.loads(told.stdout) if name.split(".")[0] in ("heaters_review_api", "heaters_media")]
    assert {"heaters_media.playback", "heaters_media.frames", "heaters_review_api.playback"} <= set(ours)
    assert [name for name in ours if OPENS_AN_ENCODER.search(source_of(name))] == []
    # What the pattern is worth: it finds the modules that do.
    assert all(OPENS_AN_ENCODER.search(source_of(f"heaters_media.{name}")) for name in ("proxy", "export", "master"))
