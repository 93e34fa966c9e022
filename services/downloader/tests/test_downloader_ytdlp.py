"""What is asked of a site, what is got, and what is said of it. The site is real, and so is yt-dlp."""

import gc
import hashlib
import json
import shutil
import socket

import av
import pytest
from heaters_downloader.core import (
    AddressPolicy,
    Fetched,
    ForbiddenAddress,
    Gone,
    Limits,
    NeedsCredentials,
    NotAVideo,
    Playlist,
    QualityLost,
    Throttled,
    TooLarge,
    TryLater,
    Unintelligible,
    UnsupportedScheme,
    UnsupportedStream,
    Wishes,
)
from heaters_downloader.ytdlp import bring, download_page, knows
from heaters_edges.failure import NoSpace
from small_disk import small_disk

# yt-dlp leaves a file open when its progress hook stops it; its process ends then, and here the collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
LIMITS = Limits(bytes_max=50_000_000, connect_s=5, read_s=5, redirects_max=4)


@pytest.fixture
def policy(site):
    return AddressPolicy.parse([f"127.0.0.1:{site.port}"])


@pytest.fixture
def ask(site, policy, tmp_path):
    def ask(path, *, limits=LIMITS, policy=policy, **options):
        return bring(site.url(path), tmp_path, policy=policy, limits=limits, **options)

    return ask


@pytest.fixture
def collected():
    """What yt-dlp leaves open is closed here, and not at the end of all tests."""
    yield
    gc.collect()


def frames(path, kind="video"):
    with av.open(str(path)) as film:
        stream = getattr(film.streams, kind)[0]
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in film.decode(stream)]


def sounds(path):
    with av.open(str(path)) as film:
        return len(film.streams.audio)


@pytest.mark.parametrize(
    ("path", "got", "rendition", "kind"),
    [
        ("/master.m3u8", (2160, "h264", "aac"), 2160, "video/mp4"),
        ("/separate.m3u8", (1080, "h264", "aac"), 1080, "video/mp4"),
        ("/real/dash.mpd", (2160, "h264", "aac"), 2160, "video/mp4"),
        ("/page", (1080, "h264", "aac"), 1080, "video/mp4"),
    ],
    ids=["HLS", "HLS, sound apart", "DASH", "a page"],
)
def test_the_best_there_is_arrives_whole_in_one_plain_file(ask, films, path, got, rendition, kind):
    told = []

    fetched = ask(path, progress=lambda done, total: told.append(done))

    assert isinstance(fetched, Fetched)
    assert (fetched.quality.got.height_px, fetched.quality.got.video, fetched.quality.got.audio) == got
    assert fetched.quality.lost is None
    assert fetched.content_type == kind
    assert frames(fetched.path) == frames(films / f"{rendition}.mp4")
    assert sounds(fetched.path) == 1
    assert fetched.sha256 == hashlib.sha256(fetched.path.read_bytes()).hexdigest()
    assert told
    assert told[-1] > 0


def test_what_was_offered_stands_beside_what_was_got(ask, site):
    fetched = ask("/master.m3u8")

    offered, got = fetched.quality.offered, fetched.quality.got
    assert (offered.height_px, offered.fps_milli) == (2160, 8000)
    assert (got.height_px, got.fps_milli, got.container) == (2160, 8000, "mp4")
    assert not [path for path, _ in site.asked if path.startswith("/real/hls-240") and path.endswith(".ts")]


def test_a_site_that_calls_a_small_version_large_is_found_out(ask):
    with pytest.raises(QualityLost, match="240 of 2160 rows"):
        ask("/overstated.m3u8")


def test_an_allowed_loss_is_taken_and_recorded(ask):
    fetched = ask("/overstated.m3u8", wishes=Wishes(allow_quality_loss=True))

    assert fetched.quality.lost == "240 of 2160 rows"
    assert fetched.quality.got.height_px == 240


def test_what_a_page_has_beside_its_video_is_kept(ask):
    fetched = ask("/page")

    beside = {one.kind: one for one in fetched.beside}
    assert fetched.title == "Harbour walk"
    assert fetched.site["extractor_key"] == "HTML5MediaEmbed"
    assert beside["subtitle"].language == "de"
    assert "Guten Morgen" in beside["subtitle"].path.read_text()
    assert '"title": "Harbour walk' in beside["metadata"].path.read_text()


def test_picture_chapters_and_words_of_a_site_are_kept(ask, site):
    fetched = ask("/page-told")

    beside = {one.kind: one for one in fetched.beside}
    said = json.loads(beside["metadata"].path.read_text())
    assert fetched.title == "Harbour talk"
    assert [(part.title, part.start_ms, part.end_ms) for part in fetched.chapters] == [
        ("Dawn", 0, 1000),
        ("Dusk", 1000, 2000),
    ]
    assert beside["thumbnail"].path.name == "thumbnail.jpg"
    assert beside["thumbnail"].path.read_bytes() == site.picture
    assert (said["description"], said["uploader"], fetched.site["upload_date"]) == ("Boats", "Mia", "20261120")
    assert fetched.missed == ()


def test_half_a_character_of_a_site_is_no_failure(ask):
    fetched = ask("/page-half")

    said = next(one for one in fetched.beside if one.kind == "metadata").path.read_text()
    assert json.loads(said)["description"] == fetched.site["description"] == "Boats ?"
    assert [part.title for part in fetched.chapters] == ["Dawn", "Dusk"]


def test_what_a_site_promises_beside_its_video_and_does_not_give_is_said_and_no_failure(ask, site):
    site.picture = b"no picture"

    fetched = ask("/page-told")

    assert fetched.quality.got.height_px == 1080
    assert fetched.missed == ("the thumbnail: it is no JPEG, PNG or WebP",)


def test_subtitles_beyond_the_limit_and_of_no_plain_language_are_said_to_be_missed(ask, site):
    named = [f"x-{number}" for number in range(22)]
    tracks = "".join(f'<track kind="subtitles" srclang="{name}" src="/words.vtt">' for name in ["de_DE!", *named])
    site.says["/many-words"] = ("text/html", f'<video><source src="/real/1080.mp4">{tracks}</video>')

    fetched = ask("/many-words")

    assert [one.language for one in fetched.beside if one.kind == "subtitle"] == named[:20]
    assert fetched.missed == (
        "subtitles whose language has no plain name: 1, such as 'de_DE!'",
        "subtitles beyond 20: 2",
    )


def test_chapters_beyond_the_limit_are_said_to_be_missed(ask, site):
    dusk = '{"@type": "Clip", "name": "Dusk", "startOffset": 1, "endOffset": 2}'
    many = ", ".join(dusk.replace("1,", f"{n},").replace("2}", f"{n + 1}}}") for n in range(1, 503))
    site.says["/many-chapters"] = ("text/html", site.told().replace(dusk, many))

    fetched = ask("/many-chapters")

    assert len(fetched.chapters) == 500
    assert fetched.missed == ("chapters beyond 500, or beyond 65,536 bytes: 3",)


def test_a_film_of_a_page_that_broke_off_in_the_middle_is_not_begun_again(ask, site, films):
    names = sorted(path.name for path in films.glob("hls-2160*.ts"))
    site.failing[names[-1]] = 20
    with pytest.raises(TryLater):
        ask("/master.m3u8")
    site.failing.clear()
    site.asked.clear()

    fetched = ask("/master.m3u8")

    assert frames(fetched.path) == frames(films / "2160.mp4")
    assert f"/real/{names[0]}" not in [path for path, _ in site.asked]


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("/page-forbidden", ForbiddenAddress, "127.0.0.2"),
        ("/page-empty", NotAVideo, "no video was found"),
        ("/page-junk", NotAVideo, "what came is no video"),
        ("/page-busy", Throttled, "answers 429"),
        ("/page-wall", Throttled, "answers 429"),
        ("/page-endless", TooLarge, "the limit"),
        ("/page-short", TryLater, "1000 bytes read, 1000 more expected"),
        ("/page-slow", TryLater, "within 1 s"),
        ("/live.m3u8", UnsupportedStream, "is live"),
        ("/within-file.m3u8", UnsupportedStream, "names a file of this machine"),
        ("/within-metadata.m3u8", ForbiddenAddress, "a cloud's metadata service"),
        ("/nothing", Gone, "answers 404"),
        ("/status/410", Gone, "answers 410"),
        ("/status/403", NeedsCredentials, "answers 403"),
        ("/status/500", TryLater, "answers 500"),
        ("/text.mp4", NotAVideo, "text/plain"),
        ("/to-forbidden", ForbiddenAddress, "127.0.0.2"),
        ("/to-metadata", ForbiddenAddress, "a cloud's metadata service"),
    ],
)
def test_every_refusal_has_its_kind_and_says_why(collected, ask, path, error, said):
    with pytest.raises(error, match=said):
        ask(
            path,
            limits=Limits(
                bytes_max=2_000_000 if "endless" in path else 500_000_000,
                connect_s=5,
                read_s=5,
                total_s=1 if "slow" in path else 60,
            ),
        )


HLS, DASH = "application/vnd.apple.mpegurl", "application/dash+xml"
MASTER_OF = "#EXTM3U\n#EXT-X-STREAM-INF:{}\n/real/hls-240.m3u8\n"
STREAM_OF = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}\n#EXT-X-ENDLIST\n"
MANIFEST_OF = """<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="1000" codecs="avc1.640028">
<SegmentTemplate media="a-$Number$" initialization="a" {}/></Representation></AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (HLS, MASTER_OF.format("BANDWIDTH=1e999"), "OverflowError: cannot convert float infinity to integer"),
        (HLS, MASTER_OF.format("BANDWIDTH=1000,FRAME-RATE=nan"), "ValueError: cannot convert float NaN to integer"),
        (HLS, STREAM_OF.format("#EXTINF:abc,\n/real/hls-2400.ts"), "could not convert string to float: 'abc'"),
        (HLS, STREAM_OF.format("#EXTINF:1,\nhttp://[::1/a.ts"), "Invalid IPv6 URL"),
        (HLS, STREAM_OF.format("#EXT-X-BYTERANGE:abc\n#EXTINF:1,\n/real/hls-2400.ts"), "invalid literal for int"),
        (
            HLS,
            STREAM_OF.format('#EXT-X-KEY:METHOD=AES-128,URI="/real/240.mp4",IV=0x12\n#EXTINF:1,\n/real/hls-2400.ts'),
            "IndexError: tuple index out of range",
        ),
        (DASH, MANIFEST_OF.format('timescale="0" duration="1"'), "ZeroDivisionError"),
        (DASH, MANIFEST_OF.format('timescale="x" duration="1"'), "invalid literal for int"),
        ("text/html", "<script>jwplayer('a').setup({sources:[{file:5}]})</script>", "AttributeError"),
    ],
)
def test_what_a_site_sends_and_makes_no_sense_is_refused_at_once_with_what_is_wrong(
    collected, ask, site, kind, body, said
):
    site.says["/senseless"] = (kind, body)

    with pytest.raises(Unintelligible, match=r"/senseless: what came cannot be understood") as refused:
        ask("/senseless")

    assert said in str(refused.value)


def test_a_fault_of_our_own_is_not_put_down_to_the_site(ask):
    def faulty(done, total):
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        ask("/page", progress=faulty)


@pytest.mark.parametrize("times", [("1e999", "2e999"), ('"soon"', "{}"), ("1", "1e999")])
def test_chapters_whose_times_make_no_sense_are_left_out(ask, site, times):
    odd = site.told().replace('"startOffset": 0, "endOffset": 1', f'"startOffset": {times[0]}, "endOffset": {times[1]}')
    site.says["/odd-chapters"] = ("text/html", odd)

    fetched = ask("/odd-chapters")

    assert "Dawn" not in [part.title for part in fetched.chapters]
    assert [said.partition(":")[0] for said in fetched.missed] == ["chapters whose times make no sense"]


def test_a_site_that_asks_for_patience_says_for_how_long(ask):
    with pytest.raises(Throttled) as refused:
        ask("/page-wall")

    assert refused.value.retry_after_s == 40


def test_several_videos_of_a_page_are_listed_and_none_is_brought(ask, site):
    found = ask("/page-two")

    assert isinstance(found, Playlist)
    assert [one.url.removeprefix(site.url("")) for one in found.videos] == ["/film.mp4", "/film.mp4?2"]
    assert found.left_out == 0
    assert [path for path, _ in site.asked if path == "/film.mp4"] == []


def test_of_a_playlist_no_more_than_the_limit_is_listed(ask):
    found = ask("/page-two", limits=Limits(bytes_max=50_000_000, entries_max=1))

    assert len(found.videos) == 1
    assert found.left_out == 1


def test_of_a_playlist_as_many_are_listed_as_one_fact_can_tell(ask):
    found = ask("/page-many")

    assert 0 < len(found.videos) < 100
    assert found.left_out == 100 - len(found.videos)
    assert sum(len(one.url) for one in found.videos) < 160 * 1024


def test_a_page_that_names_a_local_file_gets_nothing(ask, tmp_path):
    with pytest.raises(UnsupportedStream, match="'file'"):
        ask("/page-file")

    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_seen_before_anything_is_fetched(ask, site, tmp_path):
    disk = shutil.disk_usage(tmp_path)

    with pytest.raises(NoSpace):
        ask("/page", limits=Limits(free_bytes=(disk.free + disk.total) // 2))

    assert "/real/1080.mp4" not in [path for path, wanted in site.asked if wanted is None][2:]


def test_a_disk_that_fills_up_in_mid_download_is_no_fault_of_the_site(collected, site, policy, tmp_path):
    with small_disk(tmp_path / "small", size_mib=8) as disk:
        disk.fill(but_bytes=200_000)
        folder = disk.folder / "video"
        folder.mkdir()

        with pytest.raises(NoSpace, match="No space left on device"):
            bring(site.url("/page-endless"), folder, policy=policy, limits=LIMITS)
        gc.collect()  # what yt-dlp left open lies on that disk


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_yt_dlps_own_connections_obey_the_policy(site, tmp_path, host):
    with pytest.raises(ForbiddenAddress):
        download_page(f"http://{host}:{site.port}/page", tmp_path, policy=AddressPolicy(), limits=LIMITS)

    assert site.asked == []


def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed(site, tmp_path, monkeypatch):
    """A resolver that changes its mind: first an allowed address, then a forbidden one."""
    answers = iter(["127.0.0.1", "127.0.0.1", "127.0.0.2"])
    resolve = socket.getaddrinfo

    def changing(host, port, *args, **kwargs):
        return resolve(next(answers, "127.0.0.2") if host == "films.example" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    policy = AddressPolicy.parse(["127.0.0.1/32"])

    with pytest.raises(ForbiddenAddress, match=r"films\.example is at 127\.0\.0\.2"):
        download_page(f"http://films.example:{site.port}/master.m3u8", tmp_path, policy=policy, limits=LIMITS)


def test_the_guard_ends_with_the_download(ask, site):
    with pytest.raises(ForbiddenAddress):
        ask("/page", policy=AddressPolicy())

    assert "connect" not in vars(socket.socket)
    with socket.create_connection(("127.0.0.1", site.port), timeout=2):
        pass


def test_the_environments_proxy_is_not_asked(ask, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert ask("/page").quality.got.height_px == 1080


def test_plugins_of_the_working_folder_are_not_run(ask, tmp_path, monkeypatch):
    plugin = tmp_path / "home" / "yt_dlp_plugins" / "extractor"
    plugin.mkdir(parents=True)
    (plugin / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))

    ask("/page")

    assert not (tmp_path / "ran").exists()


def test_cookies_are_sent_to_their_site_and_never_said(site, policy, tmp_path):
    line = "\t".join(["127.0.0.1", "FALSE", "/", "FALSE", "0", "session", "very-secret"])
    wishes = Wishes(cookies=f"# Netscape HTTP Cookie File\n{line}\n")

    with pytest.raises(NeedsCredentials) as refused:
        download_page(site.url("/status/403?token=very-secret"), tmp_path, policy=policy, limits=LIMITS, wishes=wishes)

    assert site.cookies[-1] == "session=very-secret"
    assert "very-secret" not in str(refused.value) + repr(wishes)


def test_tokens_and_arguments_of_extractors_are_used_and_never_said(site, policy, tmp_path):
    secret = "MlQ0a2VuLXZlcnktc2VjcmV0"
    wishes = Wishes(
        extractor_args={"generic": {"po_token": (secret,)}, "youtube": {"po_token": (f"web.gvs+{secret}",)}}
    )

    fetched = download_page(site.url(f"/page-told?pot={secret}"), tmp_path, policy=policy, limits=LIMITS, wishes=wishes)
    with pytest.raises(NeedsCredentials) as refused:
        download_page(site.url(f"/status/403?pot={secret}"), tmp_path, policy=policy, limits=LIMITS, wishes=wishes)

    written = "".join(one.path.read_text(errors="replace") for one in fetched.beside)
    assert "Harbour talk" in written
    assert secret not in written + repr(fetched) + repr(wishes) + str(wishes) + str(refused.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ytsearch:cats", "/etc/passwd", "rtmp://x/y"])
def test_only_http_and_https_are_brought(url, tmp_path):
    with pytest.raises(UnsupportedScheme):
        bring(url, tmp_path, policy=AddressPolicy(), limits=LIMITS)


def test_sites_with_an_extractor_are_known_by_name():
    assert knows("https://www.youtube.com/watch?v=abcdefghijk")
    assert not knows("https://example.com/film.mp4")
