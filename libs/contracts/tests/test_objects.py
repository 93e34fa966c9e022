"""Names of objects: made of what they hold, and never a way out of the store."""

import pytest
from heaters_contracts.ids import NIL
from heaters_contracts.objects import (
    ObjectRef,
    clip_key,
    failed_message_key,
    frame_table_key,
    manifest_key,
    master_key,
    segment_key,
    source_key,
    upload_key,
)
from pydantic import ValidationError

ONE = "1" * 64
V = "videos/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("key", "is_"),
    [
        (upload_key("films", ONE, ".mp4"), "uploads/films/file-1111111111111111.mp4"),
        (source_key(NIL, ONE, ".webm"), f"{V}/source-1111111111111111.webm"),
        (frame_table_key(NIL, ONE), f"{V}/frames-1111111111111111.npz"),
        (segment_key(NIL, "proxy", "h264-3f2a", 7, ONE, ".mp4"), f"{V}/proxy/h264-3f2a/00007-1111111111111111.mp4"),
        (master_key(NIL, ONE), f"{V}/master-1111111111111111.mkv"),
        (clip_key(NIL, NIL, "export", ONE, ".mp4"), f"{V}/clips/{NIL}/export-1111111111111111.mp4"),
        (manifest_key(NIL, "plan", ONE), f"{V}/manifests/plan/{ONE}.json"),
        (failed_message_key(NIL, ONE), f"{V}/failed/message-1111111111111111.bin"),
    ],
)
def test_a_key_says_what_it_holds(key: str, is_: str) -> None:
    assert key == is_
    assert ObjectRef(key=key, bytes=0, sha256=ONE).key == is_


def test_another_content_or_profile_has_another_key() -> None:
    same = segment_key(NIL, "proxy", "a", 0, ONE, ".mp4")

    assert segment_key(NIL, "proxy", "a", 0, "2" * 64, ".mp4") != same
    assert segment_key(NIL, "proxy", "b", 0, ONE, ".mp4") != same
    assert segment_key(NIL, "tiny", "a", 0, ONE, ".mp4") != same
    assert segment_key(NIL, "proxy", "a", 1, ONE, ".mp4") != same


@pytest.mark.parametrize("suffix", ["mp4", "", "./x", ".mp4/..", "/.mp4"])
def test_a_suffix_is_one(suffix: str) -> None:
    with pytest.raises(ValueError, match="a suffix starts with a dot"):
        source_key(NIL, ONE, suffix)


@pytest.mark.parametrize(
    ("key", "size", "sha256"),
    [
        ("/etc/passwd", 1, ONE),
        ("../secret", 1, ONE),
        ("videos/../../secret", 1, ONE),
        ("videos/./a", 1, ONE),
        ("videos//a", 1, ONE),
        ("videos/a/", 1, ONE),
        ("", 1, ONE),
        ("a b", 1, ONE),
        ("a\n", 1, ONE),
        ("a" * 513, 1, ONE),
        ("videos/a", -1, ONE),
        ("videos/a", 1, "1" * 63),
        ("videos/a", 1, "A" * 64),
    ],
)
def test_a_reference_that_leads_astray_is_refused(key: str, size: int, sha256: str) -> None:
    """Keys become paths in the node's cache: none may lead out of it."""
    with pytest.raises(ValidationError):
        ObjectRef(key=key, bytes=size, sha256=sha256)
