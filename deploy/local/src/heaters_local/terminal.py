"""What the commands share: the option that names the folder, the console, and a whole that is up."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment

from heaters_local.client import ApiError
from heaters_local.launch import Launched, StartedNothing
from heaters_local.show import part_line, parts_table
from heaters_local.state import AlreadyRunning, Home, PartState, Phase, State

__all__ = [
    "complain",
    "console",
    "harmless",
    "home_option",
    "one_by_one",
    "said",
    "show_until",
    "started",
    "table_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def _home(_: click.Context, __: click.Parameter, value: Path) -> Home:
    return Home(value)


def home_option(command: Command) -> Command:
    """`--home DIR`: gives the command a `Home`."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="HEATERS_HOME",
        default=Path(".local"),
        show_default=True,
        show_envvar=True,
        callback=_home,
        help="Folder of data, logs and state.",
    )(command)


def table_option(command: Command) -> Command:
    """`--table FILE`: for tests, which run other things than the six services."""
    return click.option(
        "--table", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None, hidden=True
    )(command)


_DRIVES = {
    code: ""
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}
"""What drives a terminal, or turns the order of what is read."""


def harmless(text: str) -> str:
    """A text of others, which may come from any site, without what would drive the terminal that shows it."""
    return text.translate(_DRIVES)


class _Console(Console):
    """Shows texts as they stand: nothing in them is markup or an emoji, and nothing drives the terminal."""

    def __init__(self, *, width: int | None = None) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, width=width)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of something; rich's own control codes are segments of their kind, and stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


def console() -> Console:
    """Where commands write."""
    found = _Console()
    # A log or a pipe has no width of its own; a table that is cut there is of no use.
    return found if found.is_terminal else _Console(width=120)


def said(target: Console, text: str) -> None:
    """Print text without wrapping it, so that an address stays in one piece."""
    target.print(text, soft_wrap=True)


def complain(text: str) -> None:
    """Say on stderr what went wrong with one of several things; the command goes on."""
    click.echo(f"Error: {harmless(text)}", err=True)


def one_by_one(target: Console, names: Iterable[str], work: Callable[[str], str]) -> bool:
    """Do something with each of several, and say what came of it; one that is refused (`ApiError`) keeps no other.

    The work is done with one, and returns what to say of it. Returns whether none was refused.
    """
    well = True
    for name in names:
        try:
            said(target, work(name))
        except ApiError as error:
            complain(f"{name}: {error}")
            well = False
    return well


def show_until(target: Console, launched: Launched, *, phase: Phase | None) -> State:
    """Show the processes while they come up (or for as long as they run, with None).

    Raises:
        StartedNothing: they did not come up, or did not stay up.
    """
    if target.is_terminal:
        with Live(console=target, refresh_per_second=4, transient=phase is not None) as live:
            for state in launched.states():
                live.update(parts_table(state))
                if state.phase == phase:
                    return state
    else:
        known: dict[str, str] = {}
        for state in launched.states():
            for part in state.parts:
                line = part_line(part)
                if part.state != PartState.WAITING and known.get(part.name) != line:
                    known[part.name] = line
                    said(target, line)
            if state.phase == phase:
                return state
    raise StartedNothing("the supervisor has ended")


@contextmanager
def started(target: Console, home: Home, *, table: Path | None = None) -> Iterator[State]:
    """Everything up: what runs already is used and left running, what we start is stopped at the end.

    Raises:
        StartedNothing: it did not come up.
    """
    try:
        launched = Launched(home, table=table)
    except AlreadyRunning:
        said(target, f"using what runs already in {home.path}")
        yield _ready(home)
        return
    try:
        state = show_until(target, launched, phase=Phase.READY)
        yield state
    finally:
        said(target, "stopping ...")
        launched.stop()


def _ready(home: Home) -> State:
    while (state := home.running()) is not None:
        if state.phase == Phase.READY:
            return state
        if not home.wait_until_free(0.2) and state.phase == Phase.STOPPING:
            home.wait_until_free(60)
    raise StartedNothing(f"what was running in {home.path} has stopped")
