"""Small files that only their owner may read, written whole or not at all."""

import os
import secrets
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write a file with mode 0600: beside first, then renamed, so that a reader sees the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as output:
            output.write(text)
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def kept_secret(file: Path) -> str:
    """The secret that this file keeps: letters and digits, safe in URLs; made at the first time."""
    if not file.exists():
        write_private(file, secrets.token_hex(24))
    return file.read_text()
