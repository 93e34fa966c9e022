import ipaddress
import pickle
from datetime import UTC, datetime

import pytest
from heaters_downloader.core import (
    STRATEGY,
    AddressPolicy,
    CapsQuality,
    Gone,
    NeedsCredentials,
    Quality,
    Refused,
    Throttled,
    TryLater,
    UnsupportedScheme,
    best_of,
    check_options,
    checked_url,
    classify,
    fell_short,
    forbidden,
    formats,
    lost,
    refusal_of,
    retry_after_s,
    safe_name,
    safe_title,
    shown,
    title_of,
    without_secrets,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104  # judged, not bound to
        ("::", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "private"),
        ("240.0.0.1", "private"),
        ("100.64.0.1", "not a public"),
        ("::ffff:127.0.0.1", "127.0.0.1, a loopback"),
        ("2002:7f00:1::", "127.0.0.1, a loopback"),
        ("2002:a9fe:a9fe::1", "169.254.169.254, a cloud's metadata"),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254, a cloud's metadata"),
        ("64:ff9b:1::1", "local translation"),
    ],
)
def test_addresses_that_are_not_public_are_forbidden_with_a_reason(address, reason):
    assert reason in (forbidden(ipaddress.ip_address(address)) or "")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_allowed(address):
    assert forbidden(ipaddress.ip_address(address)) is None


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_way_to_write_a_private_address_in_ipv6_is_allowed(inner):
    value = int(inner)
    for wrapped in (
        (0xFFFF << 32) | value,
        (0x2002 << 112) | (value << 80),
        (0x0064_FF9B << 96) | value,
    ):
        assert forbidden(ipaddress.IPv6Address(wrapped))


@pytest.mark.parametrize(
    ("entries", "host", "port", "address", "allowed"),
    [
        ([], "127.0.0.1", 80, "127.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", 80, "127.0.0.1", True),
        (["127.0.0.1:8080"], "127.0.0.1", 8080, "127.0.0.1", True),
        (["127.0.0.1:8080"], "127.0.0.1", 80, "127.0.0.1", False),
        (["127.0.0.1:8080"], "2130706433", 80, "127.0.0.1", False),
        (["media.intranet"], "Media.Intranet.", 443, "10.0.0.7", True),
        (["media.intranet:443"], "media.intranet", 80, "10.0.0.7", False),
        (["10.0.0.0/8"], "anything.example", 80, "10.0.0.7", True),
        (["10.0.0.0/8"], "anything.example", 80, "192.168.0.7", False),
        (["[::1]:99"], "::1", 99, "::1", True),
        (["::1"], "localhost", 99, "::1", True),
        ([" ", "localhost"], "localhost", 99, "127.0.0.1", True),
        ([], "example.com", 443, "93.184.216.34", True),
    ],
)
def test_the_allow_list_names_hosts_ports_and_ranges(entries, host, port, address, allowed):
    assert (AddressPolicy.parse(entries).refusal(host, port, address) is None) is allowed


@pytest.mark.parametrize("entry", ["http://x", "a b", "x:0", "x:99999", "10.0.0.1/8"])
def test_an_entry_that_cannot_be_read_is_shown(entry):
    with pytest.raises(ValueError, match=entry[:3]):
        AddressPolicy.parse([entry])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/y",
        "file:///etc/passwd",
        "/etc/passwd",
        "http://",
        "http:///x",
        "",
        "http://[::1",
        "data:,x",
        "http://x:99999/",
    ],
)
def test_only_http_and_https_with_a_host_are_urls(url):
    with pytest.raises(UnsupportedScheme):
        checked_url(url)


@pytest.mark.parametrize("url", ["https://me:s3cret@[bad/x?token=s3cret", "https://me:s3/cret@host.example/"])
def test_what_cannot_be_read_as_a_url_is_not_repeated(url):
    with pytest.raises(UnsupportedScheme) as told:
        checked_url(url)

    assert "s3" not in str(told.value)


def test_a_shown_url_keeps_no_secret():
    assert shown("https://me:pw@host.example:8443/a/b.mp4?X-Signature=s#f") == "https://host.example:8443/a/b.mp4"


@pytest.mark.parametrize(
    ("url", "content_type", "what"),
    [
        ("http://x/a", "video/mp4", "file"),
        ("http://x/a", "Video/WebM; codecs=vp9", "file"),
        ("http://x/a", "application/octet-stream", "file"),
        ("http://x/a.mkv", None, "file"),
        ("http://x/a.mov", "application/x-something", "file"),
        ("http://x/a", "application/x-something", "other"),
        ("http://x/a.mp4", "text/html; charset=utf-8", "page"),
        ("http://x/a", "application/vnd.apple.mpegurl", "page"),
        ("http://x/a", "application/dash+xml", "page"),
        ("http://x/a.mp4", "text/plain", "other"),
        ("http://x/a", "image/png", "other"),
        ("http://x/a", "application/json", "other"),
    ],
)
def test_the_servers_type_says_what_is_there(url, content_type, what):
    assert classify(url, content_type) == what


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  A\tfilm \n of  mine ", "A film of mine"),
        ("\u202efdp.exe", "fdp.exe"),
        ("", "untitled"),
        ("\x00\x07", "untitled"),
        ("Ein Löwe 🦁", "Ein Löwe 🦁"),
    ],
)
def test_a_title_is_one_readable_line(text, title):
    assert safe_title(text) == title


@given(st.text())
def test_a_file_name_is_never_a_path(text):
    name = safe_name(text)

    assert name
    assert len(name) <= 80
    assert not set(name) & set("/\\:\0 ")
    assert name[0] not in ".-"


@pytest.mark.parametrize(
    ("url", "disposition", "title"),
    [
        ("http://x/dir/My%20film.mp4?a=b", None, "My film.mp4"),
        ("http://x/", None, "untitled"),
        ("http://x/a", 'attachment; filename="../../etc/passwd"', "passwd"),
        ("http://x/a", "attachment; filename=film.mov", "film.mov"),
        ("http://x/a", "attachment; filename=\"x\"; filename*=UTF-8''L%C3%B6we.mp4", "Löwe.mp4"),
        ("http://x/film.mp4", "inline", "film.mp4"),
    ],
)
def test_a_plain_file_is_called_as_its_server_calls_it(url, disposition, title):
    assert title_of(url, disposition) == title


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (None, None),
        ("soon", None),
        ("Sun, 01 Mar 2026 00:01:30 GMT", 90.0),
        ("Sat, 28 Feb 2026 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after_s(header, datetime(2026, 3, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, type(None)),
        (206, type(None)),
        (404, Gone),
        (410, Gone),
        (401, NeedsCredentials),
        (403, NeedsCredentials),
        (429, Throttled),
        (500, TryLater),
        (503, TryLater),
        (418, Refused),
    ],
)
def test_a_status_says_whether_to_come_again(status, kind):
    assert type(refusal_of(status, "http://x/", None)) is kind


def test_errors_come_back_whole_out_of_a_child_process():
    error = pickle.loads(pickle.dumps(TryLater("busy", 17.0)))  # noqa: S301  # our own bytes

    assert (str(error), error.retry_after_s) == ("busy", 17.0)


def test_no_strategy_asks_for_the_worst():
    assert formats() == "bestvideo*+bestaudio/best/bestvideo*"
    assert all(step.reason for step in STRATEGY)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"format": "bestvideo[height<=720]+bestaudio"}, "no_height_cap"),
        ({"format": "best[height=480]/best"}, "no_height_cap"),
        ({"format": "bv*[tbr<2000]"}, "no_height_cap"),
        ({"format": "worst"}, "never_worst"),
        ({"format": "bestvideo+worstaudio"}, "never_worst"),
        ({"format": "best/w"}, "never_worst"),
        ({"format_sort": ["+height"]}, "best_first"),
        ({"format_sort": ["+size", "+br"]}, "best_first"),
        ({"format_sort": ["res:720"]}, "no_height_cap"),
        ({"extractor_args": {"youtube": {"player_client": ["android"]}}}, "client_needs_a_reason"),
        ({"exec": ["rm"]}, "unknown_option"),
        ({"cookiefile": "/etc/passwd"}, "unknown_option"),
    ],
)
def test_a_configuration_that_loses_quality_is_refused_by_the_name_of_its_rule(options, rule):
    with pytest.raises(CapsQuality, match=f"^{rule}: ") as refused:
        check_options(options)

    assert refused.value.rule == rule


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"format": "bestvideo*+bestaudio/best"},
        {"format": "bestvideo[height>=720]+bestaudio/best"},
        {"format_sort": ["res", "fps", "vcodec:av01"]},
        {"extractor_args": {"youtube": {"po_token": ["web+abc"]}}},
        {
            "extractor_args": {"youtube": {"player_client": ["web"]}},
            "reasons": {"youtube.player_client": "the others need a device"},
        },
    ],
)
def test_a_configuration_that_loses_nothing_passes(options):
    check_options(options)


def test_a_file_that_is_a_little_less_than_it_was_called_is_no_loss():
    called = Quality(1080, 30_000, "h264", "aac")

    assert fell_short(called, Quality(1072, 29_970, "h264", "aac")) is None
    assert fell_short(called, Quality(720, 30_000, "h264", "aac")) == "720 of 1080 rows"
    assert fell_short(called, Quality(1080, 15_000, "h264", "aac")) == "15 of 30 frames a second"
    assert fell_short(called, Quality(1080, 30_000, "h264", "none")) == "the sound"
    assert fell_short(Quality(None, None, None, "unknown"), Quality(240, 8_000, "h264", "none")) is None


def test_a_message_repeats_no_query_and_no_secret():
    said = without_secrets("ERROR at https://a.example/v?sig=abc#x with token web+xyz", ["web+xyz"])

    assert said == "ERROR at https://a.example/v with token ***"


def test_the_best_offer_is_the_tallest_and_of_these_the_fastest():
    versions = [
        Quality(240, 60_000, "avc1", "mp4a", "mp4"),
        Quality(1080, 25_000, "avc1", "none", "mp4"),
        Quality(1080, 50_000, "vp9", "none", "webm"),
        Quality(None, None, "none", "opus", "webm"),
    ]

    assert best_of(versions) == Quality(1080, 50_000, "vp9", "mp4a", "webm")
    assert best_of([]) == Quality()


def test_a_version_without_a_picture_is_sound_even_where_its_codec_is_not_named():
    versions = [Quality(1080, None, "avc1", "none", "mp4"), Quality(None, None, "none", None, "mp4")]

    assert best_of(versions).audio == "unknown"
    assert best_of(versions[:1]).audio is None


@pytest.mark.parametrize(
    ("offered", "got", "reason"),
    [
        (Quality(1080), Quality(1080), None),
        (Quality(1080), Quality(360), "360 of 1080 rows"),
        (Quality(1080, 60_000), Quality(1080, 30_000), "30 of 60 frames a second"),
        (Quality(1080, 30_000), Quality(1080, 29_970), None),
        (Quality(1080, audio="opus"), Quality(1080, audio="none"), "the sound"),
        (Quality(1080), Quality(), None),
        (Quality(), Quality(360), None),
    ],
)
def test_less_than_was_offered_is_lost(offered, got, reason):
    assert lost(offered, got) == reason
