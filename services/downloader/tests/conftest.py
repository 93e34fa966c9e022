"""A site of odd behaviour on a free port of this machine."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

FILM = hashlib.shake_128(b"film").digest(3_000_000)
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240,CODECS="avc1.42e00a,mp4a.40.2"
/hls/240.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2"
/hls/1080.m3u8
"""
SEPARATE = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="/hls/audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=426x240,CODECS="avc1.42e00a,mp4a.40.2"
/hls/240.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"
/hls/1080.m3u8
"""
SILENT = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="/hls/audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",AUDIO="a"
/hls/1080.m3u8
"""


@dataclass
class Site:
    port: int
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range header of each request, in order."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


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
            match path:
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
                    self.answer(
                        200, b"<title>A page</title><video src='/film.mp4'></video>", "text/html; charset=utf-8"
                    )
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
                case "/silent.m3u8":
                    self.answer(200, SILENT.encode(), "application/vnd.apple.mpegurl")
                case "/hls/240.m3u8" | "/hls/1080.m3u8" | "/hls/audio.m3u8":
                    parts = "".join(f"#EXTINF:2,\n{path[:-5]}-{i}.ts\n" for i in range(3))
                    self.answer(
                        200,
                        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{parts}#EXT-X-ENDLIST\n".encode(),
                        "application/vnd.apple.mpegurl",
                    )
                case _ if path.endswith(".ts"):
                    self.answer(200, path.encode().ljust(188, b"."), "video/mp2t")
                case _ if status := re.fullmatch(r"/status/(\d+)", path):
                    self.answer(int(status[1]), b"", "text/plain")
                case _:
                    self.answer(404, b"", "text/plain")

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


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up in the middle of a film is what some tests are about."""


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site(0)
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
