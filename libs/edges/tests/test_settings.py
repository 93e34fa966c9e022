"""What a service is told from outside: all of it named, checked before anything connects, and no secret shown."""

import subprocess
import sys
from pathlib import Path

import pytest
from heaters_edges.settings import Settings, load
from pydantic import ValidationError

LEAST = {
    "HEATERS_NATS_URL": "nats://heaters:hush-nats@127.0.0.1:4222",
    "HEATERS_S3_ENDPOINT": "http://127.0.0.1:8333",
    "HEATERS_S3_BUCKET": "heaters",
    "HEATERS_S3_ACCESS_KEY": "hush-access",
    "HEATERS_S3_SECRET_KEY": "hush-secret",
    "HEATERS_CACHE_DIR": "/var/cache/heaters",
    "HEATERS_LISTEN": "127.0.0.1:8080",
}
SERVICE = "from heaters_edges.settings import Settings, load; load(Settings); print('went on')"


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SERVICE], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_without_any_setting_a_service_ends_and_names_all_that_are_missing() -> None:
    ended = start({})

    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert [line.split()[0] for line in lines] == list(LEAST)
    assert lines[0] == ("HEATERS_NATS_URL is not set (address of NATS, nats://host:port; several are parted by commas)")


def test_a_service_with_all_settings_goes_on() -> None:
    ended = start(LEAST)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "went on\n", "")


@pytest.mark.parametrize("name", LEAST)
def test_a_setting_that_is_set_to_nothing_is_missing(
    given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    given.setenv(name, "")

    with pytest.raises(SystemExit) as ended:
        load(Settings)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"{name} is not set (")


@pytest.mark.parametrize("listen", ["8080", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:²"])
def test_a_wrong_address_to_listen_at_is_named_and_shown(
    given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    given.setenv("HEATERS_LISTEN", listen)

    with pytest.raises(SystemExit) as ended:
        load(Settings)

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("HEATERS_LISTEN is wrong: ")
    assert f"must be host:port, like 127.0.0.1:8080, not {listen!r}" in said


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:8080", "127.0.0.1", 8080), ("localhost:0", "localhost", 0), ("::1:80", "::1", 80)],
)
def test_an_address_to_listen_at_has_two_parts(given: pytest.MonkeyPatch, listen: str, host: str, port: int) -> None:
    given.setenv("HEATERS_LISTEN", listen)

    settings = load(Settings)

    assert (settings.host, settings.port) == (host, port)


@pytest.mark.parametrize(
    ("lanes", "served"),
    [
        (None, ("interactive", "bulk")),
        ("", ("interactive", "bulk")),
        ("bulk", ("bulk",)),
        ("interactive, bulk", ("interactive", "bulk")),
    ],
)
def test_lanes_are_parted_by_commas(given: pytest.MonkeyPatch, lanes: str | None, served: tuple[str, ...]) -> None:
    if lanes is not None:
        given.setenv("HEATERS_LANES", lanes)

    assert load(Settings).lanes == served


def test_an_unknown_lane_is_refused(given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    given.setenv("HEATERS_LANES", "bulk,express")

    with pytest.raises(SystemExit):
        load(Settings)

    assert "HEATERS_LANES is wrong: input should be 'interactive' or 'bulk'" in capsys.readouterr().err.replace(
        "Input", "input"
    )


def test_secrets_are_not_shown(given: pytest.MonkeyPatch) -> None:
    given.setenv("HEATERS_NATS_PASSWORD", "hush-password")

    settings = load(Settings)

    assert "hush" not in f"{settings!r} {settings}"
    assert "heaters" in repr(settings)
    assert settings.s3_secret_key.get_secret_value() == "hush-secret"


def test_a_secret_is_not_shown_when_something_else_is_wrong() -> None:
    ended = start({**LEAST, "HEATERS_LISTEN": "nowhere", "HEATERS_GRACE_S": "-1"})

    assert ended.returncode == 2
    assert [line.split()[0] for line in ended.stderr.splitlines()] == ["HEATERS_LISTEN", "HEATERS_GRACE_S"]
    assert "hush" not in ended.stderr


def test_settings_are_frozen_and_have_types(given: pytest.MonkeyPatch) -> None:
    settings = load(Settings)

    assert settings.cache_dir == Path("/var/cache/heaters")
    with pytest.raises(ValidationError, match="frozen"):
        settings.s3_bucket = "another"  # type: ignore[misc]  # that is what must not work
