"""The folders of our own packages that a service is made of: `parts.py SERVICE [EXTRA,EXTRA...]`, with extras of its own.

Named by path, they are never looked up in a registry.
"""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = {"services/review-api": ["parquet"]}
"""What a service can do without, and an image of it should not."""


def parts(folder: Path, known: list[Path]) -> list[Path]:
    """The folder, and those of our libraries that it needs, however indirectly."""
    if folder not in known:
        known.append(folder)
        for wanted in tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]:
            if own := re.match(r"heaters-([a-z-]+)", wanted):
                parts(Path("libs") / own[1], known)
    return known


def extras(folder: Path, asked: str) -> list[str]:
    """The extras that an image of a service has: those that it should have anyway, and those that are asked for, parted by commas."""
    there = tomllib.loads((folder / "pyproject.toml").read_text())["project"].get("optional-dependencies", {})
    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in there]:
        sys.exit(f"{folder} has no extra {unknown[0]!r}; it has {', '.join(sorted(there)) or 'none'}")
    return sorted({*EXTRAS.get(str(folder), []), *wanted})


def main(service: str, asked: str = "") -> None:
    """Write the folders on one line, the service's first, with its extras."""
    own = Path("services") / service
    first, *others = parts(own, [])
    more = ",".join(extras(own, asked))
    sys.stdout.write(
        " ".join([f"./{first}[{more}]" if more else f"./{first}", *(f"./{folder}" for folder in others)]) + "\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
