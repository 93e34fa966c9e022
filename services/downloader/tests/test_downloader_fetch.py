import hashlib
import socket

import pytest
from heaters_downloader.core import (
    AddressPolicy,
    ForbiddenAddress,
    Gone,
    Limits,
    NeedsCredentials,
    NotAVideo,
    Refused,
    TooLarge,
    TryLater,
    UnsupportedScheme,
)
from heaters_downloader.fetch import IsPage, fetch

LIMITS = Limits(bytes_max=10_000_000, connect_s=10, read_s=10, redirects_max=4)


@pytest.fixture
def policy(site):
    return AddressPolicy.parse([f"127.0.0.1:{site.port}"])


@pytest.fixture
def get(site, policy, tmp_path):
    def get(path, *, limits=LIMITS, policy=policy, progress=None):
        url = path if "://" in path else site.url(path)
        return fetch(url, tmp_path / "source", policy=policy, limits=limits, progress=progress)

    return get


def test_a_plain_file_arrives_whole_with_its_hash(get, film, tmp_path):
    told = []

    fetched = get("/film.mp4", progress=lambda done, total: told.append((done, total)))

    assert fetched.path == tmp_path / "source"
    assert fetched.path.read_bytes() == film
    assert (fetched.bytes, fetched.sha256) == (3_000_000, hashlib.sha256(film).hexdigest())
    assert (fetched.content_type, fetched.title) == ("video/mp4", "Our film.mp4")
    assert told[-1] == (3_000_000, 3_000_000)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_redirect_is_followed(get):
    assert get("/to-film").bytes == 3_000_000


@pytest.mark.parametrize(("path", "error"), [("/to-forbidden", "127.0.0.2"), ("/to-metadata", "169.254.169.254")])
def test_a_redirect_to_a_forbidden_address_is_refused(get, site, path, error):
    with pytest.raises(ForbiddenAddress, match=error):
        get(path)

    assert [path for path, _ in site.asked] == [path]


def test_a_redirect_to_a_local_file_is_refused(get):
    with pytest.raises(UnsupportedScheme):
        get("/to-file")


def test_redirects_end(get, site):
    with pytest.raises(Refused, match="more than 4 redirects"):
        get("/loop")

    assert len(site.asked) == 5


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",  # noqa: S104  # asked for, not bound to
        "[::ffff:127.0.0.1]",
    ],
)
def test_by_default_this_machine_is_out_of_reach_however_it_is_written(get, site, host):
    with pytest.raises((ForbiddenAddress, UnsupportedScheme)):  # httpx itself refuses octal numbers
        get(f"http://{host}:{site.port}/film.mp4", policy=AddressPolicy())

    assert site.asked == []


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(get, site, film, monkeypatch):
    answers = iter(["127.0.0.1", "127.0.0.3", "127.0.0.3"])

    def resolve(host, port, *args, **kwargs):
        address = next(answers) if host == "turncoat.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://turncoat.example:{site.port}/film.mp4"

    fetched = get(url, policy=AddressPolicy.parse(["127.0.0.1/32"]))

    assert fetched.bytes == len(film)
    assert next(answers) == "127.0.0.3"


def test_one_forbidden_address_of_several_is_enough_to_refuse(get, site, monkeypatch):
    both = ["93.184.216.34", "127.0.0.1"]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in both],
    )

    with pytest.raises(ForbiddenAddress, match=r"127\.0\.0\.1"):
        get(f"http://mixed.example:{site.port}/film.mp4", policy=AddressPolicy())


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/nothing", Gone),
        ("/status/410", Gone),
        ("/status/401", NeedsCredentials),
        ("/status/403", NeedsCredentials),
        ("/status/500", TryLater),
        ("/status/418", Refused),
        ("/text.mp4", NotAVideo),
        ("/empty.mp4", NotAVideo),
        ("/page", IsPage),
        ("/master.m3u8", IsPage),
    ],
)
def test_every_refusal_has_its_kind(get, path, error):
    with pytest.raises(error):
        get(path)


def test_a_busy_site_says_when_to_come_again(get):
    with pytest.raises(TryLater) as refusal:
        get("/busy.mp4")

    assert refusal.value.retry_after_s == 17.0


def test_text_that_is_served_as_video_is_left_to_the_plan(get):
    assert get("/lying.mp4").bytes == 14


def test_a_broken_download_goes_on_where_it_broke(get, site, film, tmp_path):
    with pytest.raises(TryLater):
        get("/dropping.mp4")
    begun = (tmp_path / "source.part").stat().st_size

    fetched = get("/dropping.mp4")

    assert begun == 1_000_000
    assert site.asked == [("/dropping.mp4", None), ("/dropping.mp4", "bytes=1000000-")]
    assert fetched.path.read_bytes() == film
    assert fetched.sha256 == hashlib.sha256(film).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_part_of_another_file_is_not_gone_on_with(get, film, tmp_path):
    (tmp_path / "source.part").write_bytes(b"something else")
    (tmp_path / "source.part.json").write_text('{"validator": "\\"v0\\""}')

    with pytest.raises(TryLater):
        get("/dropping.mp4")

    assert (tmp_path / "source.part").read_bytes() == film[:1_000_000]


def test_a_body_that_is_shorter_than_its_length_is_not_taken(get, tmp_path):
    with pytest.raises(TryLater):
        get("/short.mp4")

    assert not (tmp_path / "source").exists()


@pytest.mark.parametrize("path", ["/film.mp4", "/endless.mp4"])
def test_too_many_bytes_are_refused_by_header_and_while_they_stream(get, path, tmp_path):
    with pytest.raises(TooLarge, match="2,000,000"):
        get(path, limits=Limits(bytes_max=2_000_000))

    assert not list(tmp_path.iterdir())


def test_a_site_that_is_not_there_is_tried_again(get, policy):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(TryLater):
        get(f"http://127.0.0.1:{port}/film.mp4", policy=AddressPolicy.parse(["127.0.0.1"]))


def test_the_environments_proxy_is_not_asked(get, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert get("/film.mp4").bytes == 3_000_000


@pytest.mark.parametrize("path", ["/slow.mp4", "/dripping.mp4"])
def test_a_slow_site_is_left_in_time_and_gone_on_with(get, path, tmp_path):
    with pytest.raises(TryLater, match=r"within 0\.3 s"):
        get(path, limits=Limits(bytes_max=500_000_000, total_s=0.3))

    assert (tmp_path / "source.part").stat().st_size > 0


def test_a_file_that_is_another_by_now_is_begun_anew(get, film, site):
    with pytest.raises(TryLater):
        get("/changing.mp4")

    fetched = get("/changing.mp4")

    assert site.asked == [("/changing.mp4", None), ("/changing.mp4", "bytes=1000000-")]
    assert fetched.path.read_bytes() == film[::-1]
    assert fetched.sha256 == hashlib.sha256(film[::-1]).hexdigest()


def test_what_was_asked_got_and_said_of_every_refusal(get, site):
    """In one table, as somebody reads it who wonders why a video did not come."""
    table = {
        "/status/403": (NeedsCredentials, "answers 403"),
        "/status/404": (Gone, "answers 404"),
        "/status/410": (Gone, "answers 410"),
        "/busy.mp4": (TryLater, "answers 429"),
        "/status/503": (TryLater, "answers 503"),
        "/short.mp4": (TryLater, "short.mp4"),
        "/endless.mp4": (TooLarge, "2,000,000"),
        "/text.mp4": (NotAVideo, "text/plain"),
        "/to-metadata": (ForbiddenAddress, "169.254.169.254"),
    }

    said = {}
    for path, (kind, _) in table.items():
        with pytest.raises(kind) as refused:
            get(path, limits=Limits(bytes_max=2_000_000))
        said[path] = str(refused.value)

    assert [path for path, _ in site.asked] == list(table)
    assert {path for path, (_, words) in table.items() if words not in said[path]} == set()
