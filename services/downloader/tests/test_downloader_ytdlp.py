import hashlib
import socket

import pytest
from heaters_downloader.core import (
    AddressPolicy,
    ForbiddenAddress,
    Gone,
    Limits,
    ManyVideos,
    NotAVideo,
    QualityLost,
    TooLarge,
    TryLater,
    UnsupportedScheme,
)
from heaters_downloader.ytdlp import UnsupportedStream, bring, download_page, knows
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

LIMITS = Limits(bytes_max=10_000_000, connect_s=2, read_s=2, redirects_max=4)


@pytest.fixture
def policy(site):
    return AddressPolicy.parse([f"127.0.0.1:{site.port}"])


@pytest.fixture
def ask(site, policy, tmp_path):
    def ask(path, *, limits=LIMITS, policy=policy, **options):
        return bring(site.url(path), tmp_path, policy=policy, limits=limits, **options)

    return ask


@pytest.fixture
def no_ffmpeg(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("bin")))
    monkeypatch.setattr(FFmpegPostProcessor, "_version_cache", {None: None})  # what it found before


def test_a_plain_file_is_fetched_as_it_is(ask, film):
    fetched = ask("/film.mp4")

    assert fetched.path.read_bytes() == film
    assert fetched.quality is None


def test_the_video_of_a_page_is_found_and_arrives_whole(ask, film):
    told = []

    fetched = ask("/page", progress=lambda done, total: told.append((done, total)))

    assert fetched.path.read_bytes() == film
    assert (fetched.bytes, fetched.sha256) == (3_000_000, hashlib.sha256(film).hexdigest())
    assert (fetched.title, fetched.content_type) == ("A page", "video/mp4")
    assert fetched.quality is not None
    assert fetched.quality.lost is None
    assert fetched.site["extractor_key"] == "HTML5MediaEmbed"
    assert told[-1] == (3_000_000, 3_000_000)


def test_of_a_streams_renditions_the_best_is_taken(ask, site):
    fetched = ask("/master.m3u8")

    assert fetched.path.read_bytes() == b"".join(f"/hls/1080-{i}.ts".encode().ljust(188, b".") for i in range(3))
    assert (fetched.quality.offered.height_px, fetched.quality.got.height_px) == (1080, 1080)
    assert not [path for path, _ in site.asked if path.startswith("/hls/240-")]


def test_without_ffmpeg_a_loss_is_refused_and_says_so(ask, no_ffmpeg, site):
    with pytest.raises(QualityLost, match=r"240 of 1080 rows \(without ffmpeg"):
        ask("/separate.m3u8")

    assert not [path for path, _ in site.asked if path.endswith(".ts")]


def test_sound_that_cannot_be_joined_is_not_lost_silently(ask, no_ffmpeg):
    with pytest.raises(QualityLost, match=r"the sound \(without ffmpeg"):
        ask("/silent.m3u8")


def test_an_allowed_loss_is_taken_and_recorded(ask, no_ffmpeg):
    fetched = ask("/separate.m3u8", allow_quality_loss=True)

    assert fetched.quality.lost == "240 of 1080 rows"
    assert fetched.quality.got.height_px == 240
    assert "without ffmpeg" in fetched.quality.note


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/page-forbidden", ForbiddenAddress),
        ("/page-empty", NotAVideo),
        ("/page-two", ManyVideos),
        ("/page-busy", TryLater),
        ("/nothing", Gone),
        ("/text.mp4", NotAVideo),
        ("/to-forbidden", ForbiddenAddress),
    ],
)
def test_every_refusal_has_its_kind(ask, path, error):
    with pytest.raises(error):
        ask(path)


def test_a_page_that_names_a_local_file_gets_nothing(ask, tmp_path):
    with pytest.raises(UnsupportedStream, match="'file'"):
        ask("/page-file")

    assert not list(tmp_path.iterdir())


def test_a_page_cannot_go_on_after_the_limit(ask):
    with pytest.raises(TooLarge):
        ask("/page", limits=Limits(bytes_max=2_000_000))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_yt_dlps_own_connections_obey_the_policy(site, tmp_path, host):
    with pytest.raises(ForbiddenAddress):
        download_page(f"http://{host}:{site.port}/page", tmp_path, policy=AddressPolicy(), limits=LIMITS)

    assert site.asked == []


def test_the_guard_ends_with_the_download(ask, site):
    with pytest.raises(ForbiddenAddress):
        ask("/page", policy=AddressPolicy())

    assert "connect" not in vars(socket.socket)
    with socket.create_connection(("127.0.0.1", site.port), timeout=2):
        pass


def test_the_environments_proxy_is_not_asked(ask, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert ask("/page").bytes == 3_000_000


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ytsearch:cats", "/etc/passwd", "rtmp://x/y"])
def test_only_http_and_https_are_brought(url, tmp_path):
    with pytest.raises(UnsupportedScheme):
        bring(url, tmp_path, policy=AddressPolicy(), limits=LIMITS)


def test_sites_with_an_extractor_are_known_by_name():
    assert knows("https://www.youtube.com/watch?v=abcdefghijk")
    assert not knows("https://example.com/film.mp4")
