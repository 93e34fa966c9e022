"""The folders of our own packages that a service is made of: `parts.py SERVICE`. Named by path, they are never looked up in a registry."""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = {"services/review-api": "[parquet]"}
"""What a service can do without, and an image of it should not."""


def parts(folder: Path, known: list[Path]) -> list[Path]:
    """The folder, and those of our libraries that it needs, however indirectly."""
    if folder not in known:
        known.append(folder)
        for wanted in tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]:
            if own := re.match(r"heaters-([a-z-]+)", wanted):
                parts(Path("libs") / own[1], known)
    return known


if __name__ == "__main__":
    sys.stdout.write(
        " ".join(f"./{folder}{EXTRAS.get(str(folder), '')}" for folder in parts(Path("services") / sys.argv[1], []))
        + "\n"
    )
