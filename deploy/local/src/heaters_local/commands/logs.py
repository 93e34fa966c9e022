"""`heaters logs`."""

import time
from pathlib import Path

import click

from heaters_local.process import tail
from heaters_local.state import Home
from heaters_local.terminal import home_option

_POLL_S = 0.3


@click.command()
@click.argument("service", required=False)
@click.option("--follow", "-f", is_flag=True, help="Keep printing what comes, until Ctrl-C.")
@click.option("--lines", "-n", type=click.IntRange(0), default=20, show_default=True, help="So many of each log first.")
@home_option
def logs(home: Home, service: str | None, follow: bool, lines: int) -> None:
    """Print the end of the logs: of one SERVICE (all its replicas, or one such as preprocessor-2), or of everything."""
    files = sorted(home.logs.glob("*.log"))
    if not files:
        raise click.ClickException(f"there are no logs in {home.logs}: nothing was ever started here")
    wanted = [file for file in files if service is None or service in (file.stem, file.stem.rpartition("-")[0])]
    if not wanted:
        raise click.ClickException(f"there is no log of {service}; there are: {', '.join(file.stem for file in files)}")
    heads = {file: f"{file.stem} | " if len(wanted) > 1 else "" for file in wanted}
    read = {file: _end(file) for file in wanted}
    for file in wanted:
        for line in tail(file, lines=lines).splitlines() if lines else ():
            click.echo(heads[file] + line)
    try:
        while follow:
            time.sleep(_POLL_S)
            for file in wanted:
                read[file], news = _news(file, read[file])
                for line in news:
                    click.echo(heads[file] + line)
    except KeyboardInterrupt:
        return


_Place = tuple[int, int]
"""A file's inode and how many of its bytes were read."""


def _end(file: Path) -> _Place:
    known = file.stat()
    return known.st_ino, known.st_size


def _news(file: Path, place: _Place) -> tuple[_Place, list[str]]:
    try:
        with file.open("rb") as source:
            known = file.stat()
            begin = place[1] if known.st_ino == place[0] and known.st_size >= place[1] else 0
            source.seek(begin)
            whole, newline, _ = source.read().rpartition(b"\n")
    except FileNotFoundError:  # just being rotated
        return place, []
    return (known.st_ino, begin + len(whole) + len(newline)), whole.decode(errors="replace").splitlines()
