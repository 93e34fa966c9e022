"""Segments of a film that the node does not hold, read by parts from a real S3 server, with real children."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import pytest
from heaters_contracts.fact import Told, tell
from heaters_contracts.facts import SegmentPlanned, VideoDownloaded
from heaters_contracts.objects import source_key
from heaters_edges import job as jobs
from heaters_edges.child import warm_up
from heaters_edges.failure import MissingObject
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.remote import RemoteFile
from heaters_edges.store import S3Store
from heaters_local.servers import S3Server, free_port
from heaters_media.film import FilmKind, render_film
from heaters_preprocessor.handler import plan, preprocess
from heaters_preprocessor.settings import PreprocessorSettings
from heaters_preprocessor.transcode import PRELOAD, make_segment

Rendered = Callable[[str, FilmKind], Path]
FRAMES = 600
ALWAYS = 0
# Large packets, so that a segment is a small part of the film.
LARGE = FilmKind(frames=FRAMES, width_px=960, height_px=540, codec="mjpeg", pix_fmt="yuvj420p", audio_rate=48000)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up(["heaters_preprocessor.transcode", *PRELOAD])


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreprocessorSettings]:
    with S3Server(tmp_path_factory.mktemp("s3"), free_port()) as server:
        yield PreprocessorSettings.model_validate(
            {
                "nats_url": "nats://127.0.0.1:1", "s3_endpoint": server.endpoint, "s3_bucket": "parts",
                "s3_access_key": server.access_key, "s3_secret_key": server.secret_key, "listen": "127.0.0.1:0",
                "cache_dir": tmp_path_factory.mktemp("cache"), "first_segment_s": 1, "longest_segment_s": 3,
            }
        )  # fmt: skip


@pytest.fixture(scope="module")
def store(chosen: PreprocessorSettings) -> S3Store:
    store = S3Store(chosen)
    store.create_bucket()
    return store


@pytest.fixture(autouse=True)
async def job() -> jobs.Job:
    """A coroutine, so that the job is taken back: one that a plain function begins would stay that of all later tests."""
    jobs.begin(job := jobs.Job("test", deadline_s=60, memory_bytes=1 << 30))
    return job


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Films by name, each rendered once."""
    folder = tmp_path_factory.mktemp("films")

    def film(name: str, kind: FilmKind) -> Path:
        path = folder / name
        return path if path.exists() else render_film(path, kind)

    return film


def node(store: S3Store, folder: Path) -> Objects:
    return Objects(store, folder, limit_bytes=1 << 30)


async def planned(film: Path, here: Objects, chosen: PreprocessorSettings) -> list[Told[SegmentPlanned]]:
    video_id, digest = uuid4(), sha256_of_file(film)
    stored = await here.put(film, source_key(video_id, digest, film.suffix), sha256=digest)
    told = tell(
        VideoDownloaded(source=stored, title="film"),
        video_id=video_id,
        lane="bulk",
        cause=None,
        time=datetime.now(UTC),
    )
    return [
        tell(fact, video_id=video_id, lane="bulk", cause=told.id, time=datetime.now(UTC))
        async for fact in plan(told, objects=here, settings=chosen)
        if isinstance(fact, SegmentPlanned)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        # The index at the film's end, and in clusters.
        ("film.mov", LARGE),
        ("film.mkv", FilmKind(frames=FRAMES, width_px=960, height_px=540, codec="mjpeg", pix_fmt="yuvj420p")),
        ("own.mp4", FilmKind(frames=FRAMES, b_frames=2, audio_rate=48000, rate=Fraction(25))),
    ],
)  # fmt: skip
async def test_a_segment_read_by_parts_is_the_same_to_the_byte(
    name: str,
    kind: FilmKind,
    rendered: Rendered,
    store: S3Store,
    chosen: PreprocessorSettings,
    tmp_path: Path,
    job: jobs.Job,
) -> None:
    film = rendered(name, kind)
    here, elsewhere = node(store, tmp_path / "here"), node(store, tmp_path / "elsewhere")
    segments = await planned(film, here, chosen)

    for work in (segments[0], segments[3], segments[-1]):
        expected = await preprocess(work, objects=here, profile="review", parts_from_bytes=ALWAYS)
        job.read_bytes = 0
        made = await preprocess(work, objects=elsewhere, profile="review", parts_from_bytes=ALWAYS)

        assert made == expected
        assert 0 < job.read_bytes <= film.stat().st_size
        if kind.codec == "mjpeg":
            assert (
                job.read_bytes < 0.85 * film.stat().st_size
            )  # what is read ahead in vain weighs much in so small a film

    held = elsewhere.cached("")
    assert not [key for key in held if key.endswith(film.suffix) and "source" in key]


async def test_a_store_that_fails_in_mid_film_is_not_the_films_fault(
    rendered: Rendered, store: S3Store, chosen: PreprocessorSettings, tmp_path: Path
) -> None:
    film = rendered("film.mov", LARGE)
    work = (await planned(film, node(store, tmp_path / "here"), chosen))[0].fact
    address = store.address(work.source.key, expires_s=60)
    assert address is not None
    source = RemoteFile(work.source.key, work.source.bytes, address, tmp_path / "parts")

    with pytest.raises(MissingObject, match="there is no object"):
        make_segment(
            source,
            work.segment,
            tmp_path,
            frames_known=FRAMES,
            context_frames=FRAMES,
            source_is_proxy=False,
            progress=lambda *_: store.delete(work.source.key),
        )
