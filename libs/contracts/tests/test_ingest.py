"""What others may ask, and when two of their requests are one."""

import json
from typing import Any
from uuid import UUID

import pytest
from heaters_contracts.fact import explain
from heaters_contracts.ids import canonical, video_id
from heaters_contracts.ingest import IngestRequest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

URL = {"kind": "url", "url": "https://films.example/a.mp4"}


def ask(body: dict[str, Any]) -> IngestRequest:
    return IngestRequest.model_validate_json(json.dumps(body))


def video_of(body: dict[str, Any]) -> UUID:
    return video_id("films", ask(body).identity())


def test_asking_twice_with_one_id_asks_once_whatever_else_is_asked() -> None:
    first = {"source": URL, "request_id": "a"}
    second = {"source": URL, "request_id": "a", "lane": "interactive"}

    assert video_of(first) == video_of(second)
    assert video_of(first) != video_of({**first, "request_id": "b"})
    assert video_id("films", "a") != video_id("news", "a")


@given(st.permutations(["source", "lane", "options"]), st.permutations(["tags", "reference"]), st.booleans())
def test_without_an_id_the_order_of_keys_does_not_matter(names: list[str], wishes: list[str], turned: bool) -> None:
    options = {"tags": ["a", "b"], "reference": "cam-3"}
    body: dict[str, Any] = {"source": URL, "lane": "bulk", "options": {name: options[name] for name in wishes}}
    source = dict(reversed(URL.items())) if turned else URL

    shuffled = {name: body[name] for name in names} | {"source": source}

    assert video_of(shuffled) == video_of(body)


def test_without_an_id_what_is_asked_is_the_identity() -> None:
    bodies: list[dict[str, Any]] = [
        {"source": URL},
        {"source": {**URL, "url": "https://films.example/b.mp4"}},
        {"source": URL, "lane": "interactive"},
        {"source": URL, "options": {"tags": ["a"]}},
        {"source": URL, "options": {"tags": ["a", "b"]}},
        {"source": URL, "options": {"tags": ["b", "a"]}},
    ]

    assert len({video_of(body) for body in bodies}) == 6
    assert video_of({"source": URL}) == video_of({"source": URL, "lane": "bulk", "options": {}, "request_id": None})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"source": URL, "prioritty": 1}, "prioritty"),
        ({"source": URL, "options": {"tagz": ["a"]}}, "tagz"),
        ({"source": {**URL, "cookies": "yes"}}, "cookies"),
    ],
)
def test_a_misspelt_wish_is_refused_by_its_name(body: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ask(body)

    assert named in explain(refused.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"kind": "path", "path": "/etc/passwd"}, "'url', 'upload', 's3'"),
        ({"kind": "url", "url": "file:///etc/passwd"}, "should match pattern '^https?://'"),
        ({"kind": "url", "url": "ftp://films.example/a"}, "should match pattern '^https?://'"),
        ({"kind": "upload", "key": "videos/secret.mp4"}, "should match pattern '^uploads(/"),
        ({"kind": "upload", "key": "uploads/" + "a" * 600}, "at most 512 characters"),
        ({"kind": "upload", "key": "uploads/../videos/secret.mp4"}, "should match pattern"),
        ({"kind": "s3", "uri": "s3://X/a"}, "should match pattern"),
        ({"url": "https://films.example/a"}, "kind"),
        ("https://films.example/a", "object"),
    ],
)
def test_a_source_that_is_none_is_refused_with_a_reason(source: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ask({"source": source})

    assert reason in explain(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"tags": [""]},
        {"tags": ["a"] * 33},
        {"tags": ["a" * 65]},
        {"callback": "javascript:alert(1)"},
        {"export_quality": "best"},
    ],
)
def test_wishes_have_limits(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="options"):
        ask({"source": URL, "options": options})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_equal_values_have_one_canonical_text(value: Any) -> None:
    again = json.loads(json.dumps(value, sort_keys=False), object_pairs_hook=lambda pairs: dict(reversed(pairs)))

    assert canonical(again) == canonical(value)
