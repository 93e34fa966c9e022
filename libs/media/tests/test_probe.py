import errno
import io
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.error import err_check
from av.packet import Packet
from heaters_media import errors
from heaters_media.errors import BadMedia, NotAVideo, NoVideoStream, TooLarge, Undecodable, UnsupportedColours
from heaters_media.film import FilmKind, render_film
from heaters_media.plan import Plan, plan
from heaters_media.probe import AudioInfo, check_size, open_media, probe
from PIL import Image


def test_a_probe_tells_what_the_film_is(film: Callable[[str], Path]) -> None:
    plain, turned, wide = probe(film("sound.mp4")), probe(film("turned.mp4")), probe(film("wide_pixels.mp4"))

    assert (plain.codec, plain.pix_fmt, plain.width_px, plain.height_px) == ("h264", "yuv420p", 128, 72)
    assert plain.audio == AudioInfo("aac", 48000, 2)
    assert plain.rate == Fraction(25)
    assert plain.frames_declared == 60
    assert (turned.width_px, turned.height_px) == (128, 72)
    assert (turned.display_width_px, turned.display_height_px, turned.rotation_deg) == (72, 128, 270)
    assert (wide.display_width_px, wide.display_height_px, wide.pixel_aspect) == (171, 72, (4, 3))
    assert probe(film("fields.mp4")).interlaced
    assert not plain.interlaced


@pytest.mark.parametrize("turn", [0, 90, 180])
def test_a_film_with_exif_in_its_pictures_is_read_and_upright(turn: int, tmp_path: Path) -> None:
    path, exif = tmp_path / "camera.mov", Image.Exif()
    exif[0x010F] = "a camera"  # Make
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(jpeg, "JPEG", exif=exif.tobytes(), subsampling=2)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=8, options={"strict": "unofficial"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.set_display_rotation(turn)
        for n in range(4):
            packet = Packet(jpeg.getvalue())
            packet.pts = packet.dts = n
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 8), stream, True
            output.mux_one(packet)

    seen = probe(path)

    assert (seen.rotation_deg, seen.display_width_px) == {0: (0, 64), 90: (270, 48), 180: (180, 64)}[turn]


@pytest.mark.parametrize(("space", "named"), [("ycgco", "YCgCo"), ("ictcp", "ICtCp")])
def test_a_colour_space_that_cannot_be_converted_is_refused_by_its_name(space: str, named: str, tmp_path: Path) -> None:
    film = render_film(tmp_path / "film.mp4", FilmKind(frames=2, options={"colorspace": space}))

    with pytest.raises(UnsupportedColours, match=f"the picture's colour space is {named}, which is not supported"):
        probe(film)


def test_the_header_of_a_film_without_a_frame_count_says_nothing(film: Callable[[str], Path]) -> None:
    assert probe(film("vfr.mkv")).frames_declared is None


@pytest.mark.parametrize(
    ("name", "data", "kind", "said"),
    [
        ("empty.mp4", b"", NotAVideo, "empty"),
        ("text.mp4", b"This is not a film.\n" * 50, NotAVideo, "text or an unknown format"),
        ("zeros.mp4", bytes(10_000), NotAVideo, "unknown format"),
        ("list.mp4", b"ffconcat version 1.0\nfile other.mp4\n", NotAVideo, "playlist"),
        ("hls.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n#EXT-X-ENDLIST\n", NotAVideo, "playlist"),
        ("header.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(400), NotAVideo, "index is missing"),
    ],
)
def test_what_is_no_film_is_refused_with_a_reason(
    name: str, data: bytes, kind: type[BadMedia], said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(kind, match=said):
        probe(tmp_path / name)


def test_a_picture_named_like_a_film_is_refused(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        Image.new("RGB", (64, 36), "red").save(tmp_path / "picture.mp4", kind)

        with pytest.raises(NotAVideo, match="single picture"):
            probe(tmp_path / "picture.mp4")


def test_a_playlist_never_opens_the_files_it_names(film: Callable[[str], Path], tmp_path: Path) -> None:
    other = film("plain.mp4")
    for text in (
        f"ffconcat version 1.0\nfile {other}\n",
        f"ffconcat version 1.0\nfile 'file:{other}'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        f"file '{other}'\n",
        f'<?xml version="1.0"?><MPD><BaseURL>{other}</BaseURL></MPD>',
    ):
        (tmp_path / "list.mp4").write_text(text)

        with pytest.raises(NotAVideo):
            list(plan(tmp_path / "list.mp4"))


def test_sound_alone_is_no_video(tmp_path: Path, film: Callable[[str], Path]) -> None:
    import av

    with av.open(str(film("sound.mp4"))) as given, av.open(str(tmp_path / "song.mp4"), "w") as output:
        stream = given.streams.audio[0]
        copy = output.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)

    with pytest.raises(NoVideoStream, match="sound only"):
        probe(tmp_path / "song.mp4")


def test_a_film_that_was_cut_off_before_its_index_is_refused(film: Callable[[str], Path], tmp_path: Path) -> None:
    data = film("plain.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])

    with pytest.raises(NotAVideo, match="cut off"):
        probe(tmp_path / "half.mp4")


def test_a_film_cut_off_after_its_index_keeps_what_is_whole(tmp_path: Path) -> None:
    path = render_film(tmp_path / "film.mp4", FilmKind(container_options={"movflags": "+faststart"}))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])

    *_, whole = plan(path)

    assert isinstance(whole, Plan)
    assert whole.probe.frames_declared == 60
    assert 30 < whole.frames < 60


@pytest.mark.parametrize(("width_px", "height_px"), [(16384, 16384), (8193, 8), (8, 8193)])
def test_a_picture_beyond_the_limit_is_refused_by_its_header(width_px: int, height_px: int) -> None:
    with pytest.raises(TooLarge, match=f"{width_px}x{height_px} is larger than the limit 8192x8192"):
        check_size(width_px, height_px)


def test_a_header_that_promises_a_huge_picture_is_refused_before_decoding(
    tmp_path: Path, film: Callable[[str], Path]
) -> None:
    # Matroska keeps the size in its own header: 0xB0 and 0xBA, PixelWidth and PixelHeight (RFC 9559, 5.1.4.1.28).
    data = film("deep.mkv").read_bytes()
    assert b"\xb0\x81\x80\xba\x81\x48" in data
    path = tmp_path / "huge.mkv"
    path.write_bytes(data.replace(b"\xb0\x81\x80\xba\x81\x48", b"\xb0\x82\x40\x00\xba\x81\x48")[: 1 << 20])

    with pytest.raises(BadMedia):
        probe(path)


def test_a_missing_file_is_no_bad_film(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "nothing.mp4")


def test_flipped_bytes_end_in_a_plan_or_a_reason(film: Callable[[str], Path], tmp_path: Path) -> None:
    data = film("b_frames.mp4").read_bytes()
    for n in range(40):
        broken = bytearray(data)
        for k in range(5):
            broken[(n * 7919 + k * 104_729) % len(broken)] ^= 0xFF
        (tmp_path / "broken.mp4").write_bytes(broken)

        try:
            *_, whole = plan(tmp_path / "broken.mp4")
        except BadMedia:
            continue
        else:
            assert isinstance(whole, Plan)


def test_every_error_pickles_with_its_words() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert {NotAVideo, TooLarge, Undecodable} <= set(kinds)

    for kind in kinds:
        again = pickle.loads(pickle.dumps(kind("because")))  # noqa: S301  # our own bytes

        assert type(again) is kind
        assert str(again) == "because"


def test_a_stream_that_begins_in_the_middle_does_not_hide_the_film(film: Callable[[str], Path], tmp_path: Path) -> None:
    # Two transport streams, one after the other; the second has sound, and other stream numbers.
    data = film("late.ts").read_bytes()
    second = render_film(tmp_path / "second.ts", FilmKind(frames=20, first_tick=560, audio_rate=48000))
    (tmp_path / "both.ts").write_bytes(data + second.read_bytes())

    *_, whole = plan(tmp_path / "both.ts")

    assert isinstance(whole, Plan)
    assert whole.frames in (79, 80)  # the packet at the seam may be damaged


def test_a_full_disk_is_not_the_films_fault(film: Callable[[str], Path]) -> None:
    with pytest.raises(OSError, match="No space left") as full, open_media(film("plain.mp4")):
        err_check(-errno.ENOSPC)

    assert not isinstance(full.value, BadMedia)
    assert type(full.value) is OSError
    assert full.value.errno == errno.ENOSPC


def test_a_packet_that_takes_too_long_to_decode_ends_the_work_with_the_figures(
    film: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent_s = iter(range(0, 10_000, 6))  # each look at the clock is six seconds later: no packet takes more
    monkeypatch.setattr("heaters_media.probe.time.thread_time", lambda: next(spent_s))
    allowed = probe(film("plain.mp4"))
    spent_s = iter(range(0, 10_000, 11))

    with pytest.raises(Undecodable, match="a single packet took 11 s to decode, where 10 s are allowed"):
        probe(film("plain.mp4"))

    assert allowed.codec == "h264"
