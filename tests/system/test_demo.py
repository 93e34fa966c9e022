"""`make demo ONCE=1` is this command: the whole flow on one film, and its record."""

import json
import subprocess
import sys
from pathlib import Path

from heaters_media.sample import render_sample


def test_the_demo_goes_through_by_itself_and_writes_what_came_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "heaters_local.cli", "demo", "--once", "--home", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert first.returncode == 0, first.stdout + first.stderr
    (tmp_path / "demo.json").unlink()
    # A second time it goes the whole way again, though the film is there already.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    truth = render_sample(tmp_path / "again.mp4")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    record = json.loads((tmp_path / "demo.json").read_text())
    clips = record["clips"]
    assert set(record) == {"video", "cuts", "clips", "stages", "waiting_s"}
    assert record["video"]["frames"] == truth.frames
    assert set(truth.cuts) <= set(record["cuts"])
    assert [0, *record["cuts"]] == [clip["start"] for clip in clips]
    assert [*record["cuts"], truth.frames] == [clip["end"] for clip in clips]
    assert {clip["state"] for clip in clips} == {"embedded"}
    assert all(clip["frames_decoded"] == clip["end"] - clip["start"] for clip in clips)
    assert min(clip["nearest"]["similarity"] for clip in clips) > 0.99  # the very same clip of the first time
    assert {"download", "plan", "preprocess", "scenes", "export", "keyframe", "embed"} <= set(record["stages"])
    assert record["waiting_s"] is not None
    assert all(f"{clip['start']} " in ended.stdout for clip in clips)
