"""What the documents say to type is understood by the command."""

import re
import shlex
from pathlib import Path

import click
import pytest
from heaters_local.cli import heaters

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINE = re.compile(r"^ {4}(?:\$ )?(heaters .*?)(?:  .*)?$", re.MULTILINE)
_INLINE = re.compile(r"`(heaters [a-z][^`]*)`")


def said() -> list[tuple[str, str]]:
    found = [
        (path.name, " ".join(command.split()))
        for path in DOCUMENTS
        for pattern in (_LINE, _INLINE)
        for command in pattern.findall(path.read_text())
    ]
    return [(name, command) for name, command in dict.fromkeys(found) if "COMMAND" not in command]


def test_the_documents_say_something_to_type() -> None:
    assert len(said()) > 20


@pytest.mark.parametrize(("name", "line"), said())
def test_each_command_and_each_option_of_it_exists(name: str, line: str) -> None:
    command: click.Command = heaters
    context = click.Context(command, info_name="heaters")
    words = [word.strip("[]") for word in shlex.split(line.replace("...", "").partition(" | ")[0])][1:]

    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, f"{name}: there is no `{words[0]}`: {line}"
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    _, left, _ = command.make_parser(context).parse_args(args=words)

    assert not [word for word in left if word.startswith("-")], f"{name}: {line}"
    takes_all = any(isinstance(one, click.Argument) and one.nargs == -1 for one in command.params)
    places = sum(isinstance(one, click.Argument) for one in command.params)
    flags = {option for one in command.params for option in one.opts}
    if {"--all", "VIDEO"} & set(words) == {"--all", "VIDEO"}:
        assert "--all" not in flags, f"{name}: everything, or one video: {line}"
    assert takes_all or isinstance(command, click.Group) or len(left) <= places, f"{name}: {line}"
