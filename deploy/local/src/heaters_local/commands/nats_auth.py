"""`heaters nats-auth`."""

import json
import secrets
from pathlib import Path

import click

from heaters_local.files import write_private
from heaters_local.terminal import console, said


@click.command("nats-auth")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--requester", "requesters", multiple=True, help="Another team's program; may be given several times.")
def nats_auth(folder: Path, requesters: tuple[str, ...]) -> None:
    """Make users and permissions for an outside NATS server, as files in FOLDER.

    `authorization.conf` is to be included in the server's configuration; `passwords.json` holds each user's password, for the
    secrets that services read as HEATERS_NATS_USER and HEATERS_NATS_PASSWORD. Passwords that are there already are kept.
    """
    from heaters_edges.permissions import (
        authorization,
        rights,
    )  # the edges are slow to import, and only this needs them

    kept = folder / "passwords.json"
    passwords: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    for user in (*rights(), *requesters):
        if not user.replace("-", "").replace("_", "").isalnum():
            raise click.BadParameter(f"{user!r} cannot be a part of a subject: letters, digits, - and _ only")
        passwords.setdefault(user, secrets.token_urlsafe(24))
    folder.mkdir(parents=True, exist_ok=True)
    write_private(kept, json.dumps(passwords, indent=2) + "\n")
    write_private(folder / "authorization.conf", authorization(passwords, requesters))
    said(console(), f"written: {folder / 'authorization.conf'} and {kept}; keep both secret")
