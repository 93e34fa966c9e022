"""A site of odd behaviour on a free port of this machine. Its films are real: renditions from 240p to 2160p, as file, HLS and DASH."""

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from heaters_media.film import FilmKind, render_film
from PIL import Image

RENDITIONS = {240: 426, 1080: 1920, 2160: 3840}
FILM = hashlib.shake_128(b"film").digest(3_000_000)
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240,FRAME-RATE=8,CODECS="avc1.42e00a,mp4a.40.2"
/real/hls-240.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,FRAME-RATE=8,CODECS="avc1.640033,mp4a.40.2"
/real/hls-2160.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,FRAME-RATE=8,CODECS="avc1.640028,mp4a.40.2"
/real/hls-1080.m3u8
"""
OVERSTATED = MASTER.replace("/real/hls-2160.m3u8", "/real/hls-240.m3u8")
"""What it calls 2160 rows has 240."""
SEPARATE = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",LANGUAGE="en",URI="/real/hls-sound.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240,CODECS="avc1.42e00a,mp4a.40.2"
/real/hls-240.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"
/real/hls-silent.m3u8
"""
PAGE = """<title>Harbour walk</title>
<meta property="og:image" content="{at}/picture.jpg">
<video><source src="/real/1080.mp4"><track kind="subtitles" srclang="de" src="/words.vtt"></video>"""
TOLD = """<title>Harbour talk</title><script type="application/ld+json">{{
"@context": "https://schema.org", "@type": "VideoObject", "name": "Harbour talk", "contentUrl": "{at}/real/1080.mp4",
"thumbnailUrl": ["{at}/picture.jpg"], "uploadDate": "2026-11-20", "description": "Boats", "author": {{"name": "Mia"}},
"hasPart": [{{"@type": "Clip", "name": "Dawn", "startOffset": 0, "endOffset": 1}},
{{"@type": "Clip", "name": "Dusk", "startOffset": 1, "endOffset": 2}}]}}</script>"""
HALF = TOLD.replace("Boats", "Boats \\ud83d").replace("Dawn", "Dawn \\ud83d")
"""A site that cuts its words in the middle of a character."""
WITHIN = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXTINF:1,
/real/hls-2400.ts
#EXTINF:1,
{segment}
#EXT-X-ENDLIST
"""
"""A stream whose second segment is somewhere else."""
LIVE = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:1,
/real/hls-2400.ts
"""
WORDS = "WEBVTT\n\n00:00.000 --> 00:01.000\nGuten Morgen\n"


def _copy(source: Path, out: Path, kinds: str, **options: str) -> None:
    """Packets of a film into other files."""
    with av.open(str(source)) as film, av.open(str(out), "w", options=options) as output:
        into = {s.index: output.add_stream_from_template(s) for s in film.streams if s.type[0] in kinds}
        for packet in film.demux([film.streams[index] for index in into]):
            if packet.dts is not None:
                packet.stream = into[packet.stream_index]
                output.mux(packet)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one film of two seconds in every rendition and wrapping."""
    folder = tmp_path_factory.mktemp("films")
    for height, width in RENDITIONS.items():
        kind = FilmKind(
            frames=16,
            rate=Fraction(8),
            width_px=width,
            height_px=height,
            gop_frames=4,
            audio_rate=48000,
            options={"preset": "ultrafast"},
        )
        whole = render_film(folder / f"{height}.mp4", kind)
        _copy(whole, folder / f"hls-{height}.m3u8", "va", hls_time="1", hls_list_size="0", hls_playlist_type="vod")
    _copy(
        folder / "1080.mp4", folder / "hls-silent.m3u8", "v", hls_time="1", hls_list_size="0", hls_playlist_type="vod"
    )
    _copy(folder / "1080.mp4", folder / "hls-sound.m3u8", "a", hls_time="1", hls_list_size="0", hls_playlist_type="vod")
    _dash(folder)
    Image.new("RGB", (32, 18), "teal").save(folder / "picture.jpg")
    return folder


def _dash(folder: Path) -> None:
    """All renditions and one sound in one DASH manifest, each as an initialisation and its fragments."""
    adaptations = []
    for kind, names in (("video", [str(height) for height in RENDITIONS]), ("audio", ["240"])):
        versions = []
        for name in names:
            part = folder / f"dash-{kind}-{name}.mp4"
            _copy(folder / f"{name}.mp4", part, kind[0], movflags="frag_keyframe+empty_moov+default_base_moof")
            urls = _fragments(part)
            listed = "".join(f'<SegmentURL media="{url}"/>' for url in urls[1:])
            size = f'width="{RENDITIONS[int(name)]}" height="{name}" frameRate="8"' if kind == "video" else ""
            codec = "avc1.640028" if kind == "video" else "mp4a.40.2"
            versions.append(
                f'<Representation id="{kind}-{name}" bandwidth="{int(name) * 1000}" codecs="{codec}" {size}><SegmentList'
                f' duration="1"><Initialization sourceURL="{urls[0]}"/>{listed}</SegmentList></Representation>'
            )
        adaptations.append(f'<AdaptationSet mimeType="{kind}/mp4">{"".join(versions)}</AdaptationSet>')
    (folder / "dash.mpd").write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"'
        f' profiles="urn:mpeg:dash:profile:full:2011"><Period>{"".join(adaptations)}</Period></MPD>'
    )


def _fragments(file: Path) -> list[str]:
    """A fragmented file cut into its header and one file for each fragment; their names, in order."""
    data, at, pieces = file.read_bytes(), 0, [b""]
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"moof":
            pieces.append(b"")
        pieces[-1] += data[at : at + size]
        at += size
    names = [f"{file.stem}-{number}.m4s" for number in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        (file.parent / name).write_bytes(piece)
    return names


@dataclass
class Site:
    port: int
    films: Path
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of each request, in order."""
    cookies: list[str | None] = field(default_factory=list)
    """Cookie header of each request, in order."""
    picture: bytes = b""
    says: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Path -> content type and body of what else it has."""
    failing: dict[str, int] = field(default_factory=dict)
    """Name of a film's file -> how many requests for it still fail."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def told(self) -> str:
        """A page that says much of its film."""
        return TOLD.format(at=self.url(""))


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: bytes, kind: str | None = "video/mp4", **headers: str) -> None:
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            for name, value in ({"Content_Length": str(len(body))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path, wanted = self.path.partition("?")[0], self.headers.get("Range")
            site.asked.append((path, wanted))
            site.cookies.append(self.headers.get("Cookie"))
            match path:
                case _ if path in site.says:
                    kind, body = site.says[path]
                    self.answer(200, body.encode(), kind)
                case "/film.mp4":
                    self.answer(200, FILM, Content_Disposition='attachment; filename="Our film.mp4"')
                case "/dropping.mp4":
                    self.dropping(wanted)
                case "/short.mp4":
                    self.answer(200, FILM[:1000], Content_Length="2000")
                    self.close_connection = True
                case "/endless.mp4":
                    self.send_response(200)
                    self.send_header("Content-Type", "video/mp4")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(FILM)
                    self.close_connection = True
                case "/empty.mp4":
                    self.answer(200, b"")
                case "/text.mp4":
                    self.answer(200, b"no film at all", "text/plain")
                case "/lying.mp4":
                    self.answer(200, b"no film at all", "video/mp4")
                case "/busy.mp4":
                    self.answer(429, b"", Retry_After="17")
                case "/to-film":
                    self.answer(302, b"", Location="/film.mp4")
                case "/to-forbidden":
                    self.answer(302, b"", Location=f"http://127.0.0.2:{site.port}/film.mp4")
                case "/to-metadata":
                    self.answer(302, b"", Location="http://169.254.169.254/latest/meta-data/")
                case "/to-file":
                    self.answer(302, b"", Location="file:///etc/passwd")
                case "/loop":
                    self.answer(302, b"", Location="/loop")
                case "/page":
                    self.answer(200, PAGE.format(at=site.url("")).encode(), "text/html; charset=utf-8")
                case "/words.vtt":
                    self.answer(200, WORDS.encode(), "text/vtt")
                case "/page-told":
                    self.answer(200, site.told().encode(), "text/html; charset=utf-8")
                case "/picture.jpg":
                    self.answer(200, site.picture, "image/jpeg")
                case "/page-short":
                    self.answer(200, b"<title>A page</title><video src='/short.mp4'></video>", "text/html")
                case "/page-slow":
                    self.answer(200, b"<title>A page</title><video src='/slow.mp4'></video>", "text/html")
                case "/within-file.m3u8":
                    self.answer(200, WITHIN.format(segment="file:///etc/passwd").encode(), _KINDS[".m3u8"])
                case "/within-metadata.m3u8":
                    self.answer(200, WITHIN.format(segment="/to-metadata").encode(), _KINDS[".m3u8"])
                case "/live.m3u8":
                    self.answer(200, LIVE.encode(), _KINDS[".m3u8"])
                case "/page-junk":
                    self.answer(200, b"<title>A page</title><video src='/film.mp4'></video>", "text/html")
                case "/page-wall":
                    self.answer(429, b"", "text/html", Retry_After="40")
                case "/page-endless":
                    self.answer(200, b"<title>A page</title><video src='/endless.mp4'></video>", "text/html")
                case _ if path.startswith("/real/"):
                    self.real(site.films / path.removeprefix("/real/"), wanted)
                case "/slow.mp4":
                    self.slow(1 << 20)
                case "/dripping.mp4":
                    self.slow(1)
                case "/page-half":
                    self.answer(200, HALF.format(at=site.url("")).encode(), "text/html")
                case "/page-many":
                    many = "".join(f"<video src='/film.mp4?{n}{'x' * 3000}'></video>" for n in range(100))
                    self.answer(200, f"<title>A page</title>{many}".encode(), "text/html")
                case "/changing.mp4":
                    self.changing(wanted)
                case "/overstated.m3u8":
                    self.answer(200, OVERSTATED.encode(), "application/vnd.apple.mpegurl")
                case "/page-forbidden":
                    film = f"http://127.0.0.2:{site.port}/film.mp4"
                    self.answer(200, f"<title>A page</title><video src='{film}'></video>".encode(), "text/html")
                case "/page-file":
                    self.answer(200, b"<title>A page</title><video src='file:///etc/passwd'></video>", "text/html")
                case "/page-busy":
                    self.answer(200, b"<title>A page</title><video src='/busy.mp4'></video>", "text/html")
                case "/page-two":
                    two = b"<video src='/film.mp4'></video><video src='/film.mp4?2'></video>"
                    self.answer(200, b"<title>A page</title>" + two, "text/html")
                case "/page-empty":
                    self.answer(200, b"<title>A page</title><p>Nothing here.</p>", "text/html")
                case "/master.m3u8":
                    self.answer(200, MASTER.encode(), "application/vnd.apple.mpegurl")
                case "/separate.m3u8":
                    self.answer(200, SEPARATE.encode(), "application/vnd.apple.mpegurl")
                case _ if status := re.fullmatch(r"/status/(\d+)", path):
                    self.answer(int(status[1]), b"", "text/plain")
                case _:
                    self.answer(404, b"", "text/plain")

        def real(self, file: Path, wanted: str | None) -> None:
            """A file with ranges and a strong validator; segments may be told to fail once."""
            if not file.is_file():
                self.answer(404, b"", "text/plain")
                return
            if site.failing.get(file.name, 0) > 0:
                site.failing[file.name] -= 1
                self.answer(500, b"", "text/plain")
                return
            data, kind = file.read_bytes(), _KINDS.get(file.suffix, "application/octet-stream")
            ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
            if not ranged:
                self.answer(200, data, kind, ETag=f'"{len(data)}"', Accept_Ranges="bytes")
                return
            start, end = int(ranged[1]), int(ranged[2] or len(data) - 1)
            part = data[start : end + 1]
            self.answer(206, part, kind, Content_Range=f"bytes {start}-{start + len(part) - 1}/{len(data)}")

        def slow(self, bytes_at_once: int) -> None:
            """Something now and then, for ever."""
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", "100000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(bytes_at_once))
                    time.sleep(0.05)
            self.close_connection = True

        def changing(self, wanted: str | None) -> None:
            """Another film each time, and the connection drops in the first."""
            if not wanted:
                self.answer(200, FILM[:1_000_000], ETag='"old"', Content_Length=str(len(FILM)))
                self.close_connection = True
            else:
                self.answer(200, FILM[::-1], ETag='"new"')

        def dropping(self, wanted: str | None) -> None:
            """Sends a third and drops the connection; from a range on, sends the rest."""
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
            if start and self.headers.get("If-Range") == '"v1"':
                whole = f"bytes {start}-{len(FILM) - 1}/{len(FILM)}"
                self.answer(206, FILM[start:], ETag='"v1"', Content_Range=whole)
                return
            self.answer(200, FILM[:1_000_000], ETag='"v1"', Content_Length=str(len(FILM)))
            self.close_connection = True

    return Handler


_KINDS = {
    ".mp4": "video/mp4",
    ".ts": "video/mp2t",
    ".m4s": "video/iso.segment",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
}


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up in the middle of a film is what some tests are about."""


@pytest.fixture
def site(films: Path) -> Iterator[Site]:
    found = Site(0, films, picture=(films / "picture.jpg").read_bytes())
    server = _Server(("127.0.0.1", 0), _handler(found))
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def film() -> bytes:
    return FILM
