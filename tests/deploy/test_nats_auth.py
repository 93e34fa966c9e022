"""`heaters nats-auth` makes the files that a server outside needs."""

import json
import stat
from pathlib import Path

from click.testing import CliRunner
from heaters_local.cli import heaters


def test_it_writes_users_with_passwords_that_stay_and_files_that_nobody_else_reads(tmp_path: Path) -> None:
    first = CliRunner().invoke(heaters, ["nats-auth", str(tmp_path), "--requester", "films"])
    before = json.loads((tmp_path / "passwords.json").read_text())
    CliRunner().invoke(heaters, ["nats-auth", str(tmp_path), "--requester", "news"])
    after = json.loads((tmp_path / "passwords.json").read_text())

    assert first.exit_code == 0, first.output
    assert set(before) == {
        "downloader",
        "preprocessor",
        "scenes",
        "exporter",
        "embedder",
        "review-api",
        "migrate",
        "films",
    }
    assert {name: after[name] for name in before} == before
    assert "news" in after
    assert not [name for name, password in after.items() if password in first.output]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert '"ingest.news"' in (tmp_path / "authorization.conf").read_text()


def test_a_requester_whose_name_is_a_pattern_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(heaters, ["nats-auth", str(tmp_path), "--requester", "films.*"])

    assert ended.exit_code == 2
    assert "cannot be a part of a subject" in ended.output
    assert not (tmp_path / "passwords.json").exists()
