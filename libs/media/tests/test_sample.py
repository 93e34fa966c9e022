from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from heaters_media.sample import render_sample


def test_the_sample_has_the_cuts_it_says(tmp_path: Path) -> None:
    film = render_sample(tmp_path / "sample.mp4", seconds=20)

    with av.open(str(tmp_path / "sample.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)
        assert len(container.streams.audio) == 1
        small = [
            frame.reformat(48, 27, "rgb24", interpolation="AREA").to_ndarray().astype(int)
            for frame in container.decode(video=0)
        ]
    steps = [0.0, *(float(np.abs(b - a).mean()) for a, b in pairwise(small))]
    soft = set(range(*film.dissolve)) | set(range(*film.fade))
    hard = [n for n, step in enumerate(steps) if step > 20 and n not in soft]

    assert len(small) == film.frames
    assert tuple(hard) == film.cuts
    assert len(film.cuts) == 7
    assert max(steps[n] for n in range(film.dissolve[0] + 1, film.dissolve[1])) < 20
    darkest = min(range(film.frames), key=lambda n: float(small[n].mean()))
    assert film.fade[0] < darkest < film.fade[1]
    assert float(small[darkest].mean()) < 4
