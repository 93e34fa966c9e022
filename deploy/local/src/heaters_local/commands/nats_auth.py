"""`heaters nats-auth`."""

import json
import secrets
from pathlib import Path

import click

from heaters_local.files import write_private
from heaters_local.terminal import console, said

_OTHERS = ("POSTGRES_PASSWORD", "HEATERS_S3_ACCESS_KEY", "HEATERS_S3_SECRET_KEY", "HEATERS_TOKEN")
"""Secrets of compose.yaml that are nobody's but its own."""


@click.command("nats-auth")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--requester", "requesters", multiple=True, help="Another team's program; may be given several times.")
@click.option(
    "--env",
    "env",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every secret that compose.yaml asks for into this file; what it holds already is kept.",
)
def nats_auth(folder: Path, requesters: tuple[str, ...], env: Path | None) -> None:
    """Make users and permissions for an outside NATS server, as files in FOLDER.

    `authorization.conf` is to be included in the server's configuration; `passwords.json` holds each user's password, for the
    secrets that services read as HEATERS_NATS_USER and HEATERS_NATS_PASSWORD. Passwords that are there already are kept, and so are
    other teams' programs that were named before: take them out of `passwords.json` to shut them out.
    """
    from heaters_edges.permissions import (
        authorization,
        rights,
    )  # the edges are slow to import, and only this needs them

    kept = folder / "passwords.json"
    passwords: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    known = dict.fromkeys((*(user for user in passwords if user not in rights()), *requesters))
    for user in (*rights(), *known):
        if not user.replace("-", "").replace("_", "").isalnum():
            raise click.BadParameter(f"{user!r} cannot be a part of a subject: letters, digits, - and _ only")
        passwords.setdefault(user, secrets.token_urlsafe(24))
    folder.mkdir(parents=True, exist_ok=True)
    write_private(kept, json.dumps(passwords, indent=2) + "\n")
    write_private(folder / "authorization.conf", authorization(passwords, tuple(known)))
    said(console(), f"written: {folder / 'authorization.conf'} and {kept}; keep both secret")
    if env:
        wanted = {f"NATS_PASSWORD_{user.upper().replace('-', '_')}": passwords[user] for user in rights()}
        wanted |= {name: secrets.token_urlsafe(24) for name in _OTHERS}
        lines = env.read_text().splitlines() if env.exists() else []
        there = {line.partition("=")[0].strip() for line in lines}
        # A password of NATS is what authorization.conf has; whatever else is there stays.
        lines = [line for line in lines if not line.startswith("NATS_PASSWORD_")]
        lines += [f"{name}={word}" for name, word in wanted.items() if name not in there or name.startswith("NATS_")]
        write_private(env, "\n".join(lines) + "\n")
        said(console(), f"written: {env}; keep it secret, too. HEATERS_TOKEN in it signs you in")
