"""`heaters detect`."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

FORMATS = ("table", "json", "csv", "edl")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--detector",
    default="adaptive",
    show_default=True,
    help="adaptive, transnetv2 or cascade; adaptive@1.2 has thresholds 1.2 times as high.",
)
@click.option("--format", "shown_as", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many threads the detector's network may use.",
)
def detect(files: tuple[Path, ...], detector: str, shown_as: str, threads: int) -> None:
    """Print the cuts of films in files; nothing needs to run for it.

    FILE is a video, or an .npy or .npz of frames of shape (n, 27, 48, 3). As JSON: the shots of each film by the file's stem, first and
    last frame included; frames between two shots are a gradual transition.
    """
    if find_spec("heaters_scenes") is None:
        raise click.ClickException("scene detection is not installed here: pip install heaters-scenes")
    words = ["--detector", detector, "--format", shown_as, "--threads", str(threads), "--", *map(str, files)]
    sys.exit(subprocess.run([sys.executable, "-m", "heaters_scenes.files", *words]).returncode)
