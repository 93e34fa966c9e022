"""`heaters nats-auth` makes the files that a server outside needs."""

import json
import re
import stat
from pathlib import Path

from click.testing import CliRunner
from heaters_local.cli import heaters

ROOT = Path(__file__).parents[2]


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
    rules = (tmp_path / "authorization.conf").read_text()
    assert '"ingest.news"' in rules
    assert '"ingest.films"' in rules, "who was named before may still ask"


def test_a_requester_whose_name_is_a_pattern_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(heaters, ["nats-auth", str(tmp_path), "--requester", "films.*"])

    assert ended.exit_code == 2
    assert "cannot be a part of a subject" in ended.output
    assert not (tmp_path / "passwords.json").exists()


def test_it_writes_every_secret_that_compose_asks_for_and_changes_none_of_them(tmp_path: Path) -> None:
    env, words = tmp_path / ".env", ["nats-auth", str(tmp_path / "nats"), "--env", str(tmp_path / ".env")]
    env.write_text("TAG=1.2.3\nPOSTGRES_PASSWORD=mine\n")
    asked = set(re.findall(r"\$\{([A-Z0-9_]+):\?", (ROOT / "compose.yaml").read_text()))

    first = CliRunner().invoke(heaters, words)
    before = dict(line.split("=", 1) for line in env.read_text().splitlines())
    CliRunner().invoke(heaters, words)
    after = dict(line.split("=", 1) for line in env.read_text().splitlines())

    assert first.exit_code == 0, first.output
    assert set(before) == asked | {"TAG", "HEATERS_TOKEN"}
    assert before == after
    assert before["POSTGRES_PASSWORD"] == "mine"
    assert (
        before["NATS_PASSWORD_REVIEW_API"] == json.loads((tmp_path / "nats/passwords.json").read_text())["review-api"]
    )
    assert len(before["HEATERS_TOKEN"]) >= 30
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert not [word for name, word in before.items() if name != "TAG" and word in first.output]
