"""Exported clips for other teams: every byte, and where it comes from."""

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from heaters_contracts.objects import ObjectRef


async def test_a_shard_holds_each_exported_clip_with_its_provenance(desk: Any, story: Any, tmp_path: Path) -> None:
    data = {start: bytes([start]) * (700 + start) for start in (0, 50)}
    one = story()
    one.ready([50, 200])
    for start, end in ((0, 50), (50, 200)):
        approved = one.verdict("approve", start, end, key=f"k{start}")
        path = tmp_path / f"{start}.mp4"
        path.write_bytes(data[start])
        digest = hashlib.sha256(data[start]).hexdigest()
        key = f"videos/{one.video_id}/clips/{start}-{digest[:16]}.mp4"
        stored = await desk.application.desk.objects.put(path, key, sha256=digest)
        told = one.exported(approved, object_key=key)
        fact = told.fact.model_copy(update={"object": ObjectRef(key=key, bytes=stored.bytes, sha256=digest)})
        one.told[-1] = type(told)(**{**{s: getattr(told, s) for s in told.__slots__}, "fact": fact})
    await desk.publish(one)

    whole = await desk.client.get(f"/api/exports/clips.tar?video={one.video_id}")
    first = await desk.client.get(f"/api/exports/clips.tar?video={one.video_id}&limit=1")
    rest = await desk.client.get(
        f"/api/exports/clips.tar?video={one.video_id}&limit=5&cursor={first.headers['x-heaters-next']}"
    )
    rows = list(
        csv.DictReader(io.StringIO((await desk.client.get(f"/api/exports/clips.csv?video={one.video_id}")).text))
    )

    with tarfile.open(fileobj=io.BytesIO(whole.content)) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]  # all are files
    ids = {start: str(one.clip_id(start, end)) for start, end in ((0, 50), (50, 200))}
    about = json.loads(members[f"{ids[50]}.json"])
    assert {name: members[f"{ids[start]}.mp4"] for start, name in ((0, "a"), (50, "b"))} == {
        "a": data[0],
        "b": data[50],
    }
    assert (about["start_frame"], about["end_frame"], about["title"]) == (50, 200, "Harbour walk")
    assert about["source"] == "https://films.example/harbour.mp4"
    assert about["sha256"] == hashlib.sha256(data[50]).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(first.content)) as a, tarfile.open(fileobj=io.BytesIO(rest.content)) as b:
        assert {*a.getnames(), *b.getnames()} == set(members)
        assert not {*a.getnames()} & {*b.getnames()}
    assert [row["clip"] for row in rows] == [ids[0], ids[50]]
    assert rows[0]["frames"] == "50"
