"""The review desk's own unit tests, in TypeScript, and its size."""

import gzip
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

BUILD = Path(__file__).parents[1] / "ui" / "build.py"


def test_the_units_of_the_page_hold() -> None:
    done = subprocess.run([sys.executable, str(BUILD), "test"], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_is_small_and_names_nobody_elsewhere() -> None:
    built = files("heaters_review_api.ui").joinpath("app")
    parts = {part.name: part.read_bytes() for part in built.iterdir()}
    document = parts["index.html"].decode()
    sizes = {name: len(gzip.compress(part)) for name, part in parts.items()}
    first = [name for name in sizes if name == "index.html" or name in document or name.startswith("live.worker")]

    assert len(first) >= 4
    assert sum(sizes[name] for name in first) < 60_000
    assert sum(sizes.values()) < 70_000
    assert not [part for part in parts.values() if b"<script>" in part or b"unpkg" in part or b"googleapis" in part]
