"""Settings that lose quality, open a way around our limits or cannot be read are refused when the service starts, without repeating a secret."""

import json
from typing import Any

import pytest
from heaters_downloader.settings import DownloaderSettings
from pydantic import ValidationError

NEEDED = {
    "nats_url": "nats://127.0.0.1:4222",
    "s3_endpoint": "http://127.0.0.1:9000",
    "s3_bucket": "heaters",
    "s3_access_key": "k",
    "s3_secret_key": "s",
    "cache_dir": "/cache",
    "listen": "127.0.0.1:0",
}


def settings(**more: Any) -> DownloaderSettings:
    return DownloaderSettings(**NEEDED, **more)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"format": "bestvideo[height<=720]+bestaudio"}, "no_height_cap"),
        ({"format": "bestvideo[fps<=30]+bestaudio"}, "no_height_cap"),
        ({"format": "bestvideo[filesize<100M]"}, "no_height_cap"),
        ({"format": "best/worst"}, "never_worst"),
        ({"format": "wv*+ba"}, "never_worst"),
        ({"format_sort": ["+res"]}, "best_first"),
        ({"format_sort": "+size"}, "best_first"),
        ({"format_sort": ["res:1080"]}, "no_height_cap"),
        ({"format_sort": ["tbr~2000"]}, "no_height_cap"),
        ({"extractor_args": {"youtube": {"player_client": ["ios"]}}}, "client_needs_a_reason"),
        (
            {"extractor_args": {"youtube": {"skip": ["dash"]}}, "reasons": {"youtube.skip": "  "}},
            "client_needs_a_reason",
        ),
        ({"nocheckcertificate": True}, "unknown_option"),
        ({"proxy": "http://elsewhere.example"}, "unknown_option"),
        ({"enable_file_urls": True}, "unknown_option"),
        ({"external_downloader": "curl"}, "unknown_option"),
        ({"postprocessors": [{"key": "Exec"}]}, "unknown_option"),
        ({"plugin_dirs": ["."]}, "unknown_option"),
    ],
)
def test_a_configuration_that_loses_quality_does_not_start_and_the_rule_is_named(
    options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(ytdlp_options=json.dumps(options))

    (problem,) = refused.value.errors()
    assert problem["loc"] == ("ytdlp_options",)
    assert f"{rule}: " in problem["msg"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ('{"extractor_args": {"youtube": "very-secret"}}', "extractor_args"),
        ('{"extractor_args": "very-secret"}', "extractor_args"),
        ('{"extractor_args": {"youtube": {"po_token": 5}}}', "extractor_args"),
        ('{"reasons": "very-secret"}', "reasons"),
    ],
)
def test_what_cannot_be_read_is_told_and_not_repeated(options: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(ytdlp_options=options)

    assert says in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_tokens_and_arguments_arrive_and_are_shown_to_nobody() -> None:
    options = {
        "extractor_args": {"youtube": {"po_token": ["web.gvs+very-secret"], "player_client": "web"}},
        "reasons": {"youtube.player_client": "the others need a device"},
        "format_sort": ["res", "vcodec:av01"],
    }

    made = settings(ytdlp_options=json.dumps(options))
    wishes = made.wishes()

    assert wishes.extractor_args == {"youtube": {"po_token": ("web.gvs+very-secret",), "player_client": ("web",)}}
    assert dict(wishes.options) == {"format_sort": ["res", "vcodec:av01"]}
    assert "very-secret" in "".join(wishes.secrets())
    assert "very-secret" not in repr(made) + str(made) + made.model_dump_json() + repr(wishes)


def test_cookies_come_from_a_file_and_a_file_that_is_none_is_not_repeated(tmp_path: Any) -> None:
    line = "\t".join([".films.example", "TRUE", "/", "TRUE", "0", "session", "very-secret"])
    (tmp_path / "cookies.txt").write_text(f"# Netscape HTTP Cookie File\n{line}\n")
    (tmp_path / "other.txt").write_text("session=very-secret")

    wishes = settings(cookies_file=tmp_path / "cookies.txt").wishes()
    with pytest.raises(ValidationError) as refused:
        settings(cookies_file=tmp_path / "other.txt")

    assert "very-secret" in wishes.cookies
    assert "very-secret" not in repr(wishes)
    assert "is no file of cookies in Netscape's format" in str(refused.value)
    assert "very-secret" not in str(refused.value)


def test_lists_are_parted_by_commas_and_an_unreadable_host_is_shown() -> None:
    made = settings(allow_hosts="films.example:8080, 10.0.0.0/8,", s3_sources="a, b")

    assert (made.allow_hosts, made.s3_sources) == (("films.example:8080", "10.0.0.0/8"), ("a", "b"))
    with pytest.raises(ValidationError, match="10"):
        settings(allow_hosts="10.0.0.0/99")
