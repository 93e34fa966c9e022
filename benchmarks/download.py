"""Bringing a file and a stream from a server on this machine, beside `curl` with `sha256sum`, and beside yt-dlp's own command."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
from heaters_local.servers import free_port
from heaters_media.film import FilmKind, render_film

from benchmarks.harness import Claim, note

_FILE_BYTES = 10**9
_SEGMENTS = 500
_ROUNDS = 3
_BRING = """
import json, re, sys, time
from pathlib import Path
from heaters_downloader.core import AddressPolicy, Limits
from heaters_downloader.ytdlp import bring
url, folder = sys.argv[1], Path(sys.argv[2])
def peak_kib():  # getrusage tells the peak of whoever started this process, where that was higher
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak_kib()
began = time.monotonic()
found = bring(url, folder, policy=AddressPolicy.parse(["127.0.0.1"]), limits=Limits(), progress=lambda done, total: None)
seconds = time.monotonic() - began
grown = peak_kib() - before
print(json.dumps({"seconds": seconds, "grown_kib": grown, "bytes": found.bytes, "sha256": found.sha256}))
"""


@contextlib.contextmanager
def _site(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _ours(url: str, folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        ran = subprocess.run([sys.executable, "-c", _BRING, url, out], capture_output=True, text=True, check=True)
        said: dict[str, float] = json.loads(ran.stdout)
        return said


def _seconds(command: str, folder: Path) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as out:
        began = time.monotonic()
        subprocess.run(["bash", "-c", f"set -euo pipefail; cd {out}; {command}"], capture_output=True, check=True)
        return time.monotonic() - began


def _stream(folder: Path) -> None:
    """A film of 500 segments of two frames each."""
    film = render_film(folder / "film.mp4", FilmKind(frames=2 * _SEGMENTS, gop_frames=2, audio_rate=48000))
    options = {"hls_time": "0.08", "hls_list_size": "0", "hls_playlist_type": "vod"}
    with av.open(str(film)) as source, av.open(str(folder / "stream.m3u8"), "w", options=options) as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)


def claims() -> Iterator[Claim]:
    """`download`, `download_memory` and `download_hls`."""
    with tempfile.TemporaryDirectory() as folder_name, _site(Path(folder_name)) as site:
        folder = Path(folder_name)
        with (folder / "large.mp4").open("wb") as file:
            file.truncate(_FILE_BYTES)
        _stream(folder)
        segments = len(list(folder.glob("stream*.ts")))

        ours, theirs, grown = [], [], []
        for _ in range(_ROUNDS):
            brought = _ours(f"{site}/large.mp4", folder)
            ours.append(_FILE_BYTES / brought["seconds"] / 1e6)
            grown.append(brought["grown_kib"] / 1024)
            fetched = _seconds(f"curl -sf -o large.mp4 {site}/large.mp4 && sha256sum large.mp4", folder)
            theirs.append(_FILE_BYTES / fetched / 1e6)
        note(
            f"a file of {_FILE_BYTES / 1e9:g} GB: fetched, hashed and written; curl writes it, and sha256sum reads it again"
        )
        yield Claim("download", statistics.median(ours), statistics.median(theirs), "MB/s", "higher", 0.8)
        yield Claim.absolute("download_memory", max(grown), limit=64, unit="MiB", better="lower")

        ours, theirs = [], []
        command = f"{Path(sys.executable).parent}/yt-dlp -q --no-config --fixup never -o film.mp4 {site}/stream.m3u8"
        for _ in range(_ROUNDS):
            ours.append(segments / _ours(f"{site}/stream.m3u8", folder)["seconds"])
            theirs.append(segments / _seconds(command, folder))
        note(f"a stream of {segments} segments; ours is fetched, put into one plain file, measured and hashed")
        yield Claim("download_hls", statistics.median(ours), statistics.median(theirs), "segments/s", "higher", 1.0)
