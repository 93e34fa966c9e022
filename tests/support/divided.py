"""Films in review that are divided by hand, so that a test knows where their cuts are."""

import uuid
from pathlib import Path

import av
from desk import in_review, send
from heaters_local.client import Api
from heaters_media.film import FilmKind, draw_number, render_film
from visitor import new_key


def divided_film(api: Api, folder: Path, clips: int, each_frames: int, *, same: bool = False) -> str:
    """The id of a numbered film of so many clips of so many frames; or of one picture that stays the `same`."""
    path = folder / f"film-{uuid.uuid4().hex[:6]}.mp4"
    if same:
        _still(path, clips * each_frames)
    else:
        render_film(path, FilmKind(frames=clips * each_frames, width_px=160, height_px=90))
    video_id = send(api, path)
    found = {cut["frame"] for cut in in_review(api, video_id)["cuts"]}
    wanted = {n * each_frames for n in range(1, clips)}
    for operation, frames in (("remove", found - wanted), ("add", wanted - found)):
        for frame in sorted(frames):
            _change_cut(api, video_id, operation, frame)
    return video_id


def _still(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw_number(12345, 160, 90), format="rgb24")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def _change_cut(api: Api, video_id: str, operation: str, frame: int) -> None:
    answer = api._http.post(
        f"/api/videos/{video_id}/cuts", json={"operation": operation, "frame": frame}, headers=new_key()
    )
    assert answer.is_success, answer.text
