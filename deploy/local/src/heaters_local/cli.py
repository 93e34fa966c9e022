"""The `heaters` command."""

import signal
from typing import Any

import click

from heaters_local.client import ApiError, NothingRunning, Unreachable
from heaters_local.commands.approve import approve
from heaters_local.commands.demo import demo
from heaters_local.commands.detect import detect
from heaters_local.commands.doctor import doctor
from heaters_local.commands.down import down
from heaters_local.commands.duplicates import duplicates
from heaters_local.commands.export import export
from heaters_local.commands.failed import failed
from heaters_local.commands.ingest import ingest
from heaters_local.commands.logs import logs
from heaters_local.commands.migrate import migrate
from heaters_local.commands.nats_auth import nats_auth
from heaters_local.commands.operations import backup, erase, fsck, restore
from heaters_local.commands.people import token, user
from heaters_local.commands.redetect import redetect
from heaters_local.commands.reembed import models, reembed
from heaters_local.commands.replay import replay
from heaters_local.commands.search import search
from heaters_local.commands.stages import pause, resume, stages
from heaters_local.commands.status import status
from heaters_local.commands.story import story
from heaters_local.commands.tune import tune
from heaters_local.commands.up import up
from heaters_local.exporting import AnotherExport, Spoilt
from heaters_local.launch import StartedNothing
from heaters_local.parts import Lost
from heaters_local.resolve import NoSuchId
from heaters_local.servers import ServerNotReady
from heaters_local.submit import NotThere, Rejected
from heaters_local.terminal import harmless
from heaters_local.watch import Stalled, VideoFailed

__all__ = ["main"]

_TOLD = (
    *(
        AnotherExport,
        ApiError,
        Lost,
        NoSuchId,
        NotThere,
        NothingRunning,
        Rejected,
        ServerNotReady,
        Spoilt,
        Stalled,
        StartedNothing,
        Unreachable,
    ),
    *(VideoFailed, TimeoutError),
)
"""What a person can understand and act upon; anything else is a fault of ours, and keeps its traceback."""


class _Told(click.Group):
    """A group whose commands' errors are told in one line, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except _TOLD as error:
            raise click.ClickException(harmless(str(error))) from error


@click.group(cls=_Told, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="heaters-local", prog_name="heaters")
def heaters() -> None:
    """Heaters on one machine: long videos in, reviewed and searchable clips out.

    `heaters up` starts it, `heaters ingest FILE` sends a video through, `heaters status --follow` shows how far it is, and
    the review page's address is printed by `up`.
    """


for command in (
    up,
    down,
    migrate,
    nats_auth,
    user,
    token,
    ingest,
    status,
    approve,
    search,
    duplicates,
    export,
    models,
    reembed,
    failed,
    replay,
    detect,
    erase,
    doctor,
    story,
    fsck,
    backup,
    restore,
    redetect,
    tune,
    stages,
    pause,
    resume,
    logs,
    demo,
):
    heaters.add_command(command)


def main() -> None:
    """Run the command; SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    heaters()


if __name__ == "__main__":
    main()
