"""The API as its own document describes it: whatever is sent, there is never a 5xx, and every 4xx is a problem with a reason.

Left out are `/api/events`, for it does not end, and playback, for the film's packets lie in no store; both have tests of their own.
HEATERS_OPENAPI_EXAMPLES makes it longer: so many requests an operation.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from heaters_review_api.__main__ import migrate_all
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from review_process import TOKEN, ReviewProcess
from told_films import ToldFilm

EXAMPLES = int(os.environ.get("HEATERS_OPENAPI_EXAMPLES", "15"))
LEFT_OUT = {"/api/events", "/api/clips/{clip_id}/play.mp4"}
FILM = ToldFilm("any", clips=20)


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewProcess]:
    with ReviewProcess(tmp_path_factory.mktemp("openapi")) as process:
        asyncio.run(migrate_all(process.settings))
        asyncio.run(process.tell(FILM.facts()))
        process.start()
        yield process


@pytest.fixture(scope="module")
def document(review: ReviewProcess) -> Any:
    answer = requests.get(f"{review.address}/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}, timeout=10)
    return answer.json()


def test_whatever_is_sent_the_answer_is_a_result_or_a_problem_with_a_reason(
    review: ReviewProcess, document: Any
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    clips = _clips(review)
    wrong: dict[str, str] = {}
    codes: Counter[int] = Counter()

    with requests.Session() as session:
        session.headers["authorization"] = f"Bearer {TOKEN}"
        for operation in operations:
            if operation.path not in LEFT_OUT:
                _try(operation, session, review, clips, codes, wrong)

    print(f"\n{len(operations)} operations: {dict(sorted(codes.items()))}")
    assert not wrong, "\n".join(f"{what}\n    {how}" for what, how in wrong.items())
    assert codes[200] > len(operations)
    assert "Traceback" not in review.log()


def _clips(review: ReviewProcess) -> list[str]:
    answer = requests.get(
        f"{review.address}/api/clips?video={FILM.id}&limit=50",
        headers={"authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    return [clip["id"] for clip in answer.json()["items"]]


def _try(
    operation: Any,
    session: requests.Session,
    review: ReviewProcess,
    clips: list[str],
    codes: Counter[int],
    wrong: dict[str, str],
) -> None:
    """Send an operation requests that its description allows, with ids that are there half of the time."""
    known = {"clip_id": st.sampled_from(clips), "video_id": st.just(str(FILM.id))}

    @seed(4)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), data=st.data())
    def send(case: Any, data: st.DataObject) -> None:
        for name, there in known.items():
            if name in (case.path_parameters or {}) and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(there)
        answer = case.call(base_url=review.address, session=session, timeout=20, allow_redirects=False)
        codes[answer.status_code] += 1
        if (problem := _problem(answer)) and operation.label not in wrong:
            wrong[operation.label] = f"{problem}: {answer.request.method} {answer.request.url} {answer.request.body!r}"

    send()


def _problem(answer: Any) -> str | None:
    """What is wrong with an answer."""
    text = answer.content.decode(errors="replace")[:500]
    if answer.status_code >= 500:
        return f"{answer.status_code}: {text}"
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return None
    kind = answer.headers.get("content-type", [""])[0]
    if not kind.startswith("application/problem+json"):
        return f"{answer.status_code} is {kind}: {text}"
    body = answer.json()
    return None if body["title"] and body["detail"] and body["status"] == answer.status_code else f"no reason: {text}"


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/clips/nonsense", "/api/videos/%00", "/static/..%2f..%2fapp.py"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_the_document_does_not_know_is_a_problem_too(review: ReviewProcess, method: str, path: str) -> None:
    answer = requests.request(method, review.address + path, headers={"authorization": f"Bearer {TOKEN}"}, timeout=10)

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


def test_whoever_is_not_signed_in_is_told_so_everywhere(review: ReviewProcess, document: Any) -> None:
    open_to_all = {"/healthz", "/readyz", "/metrics"}

    for path in document["paths"].keys() - open_to_all:
        filled = path.replace("{", "").replace("}", "")
        answer = requests.get(review.address + filled, timeout=10)
        assert answer.status_code in {401, 404, 405}, path
        assert answer.headers["content-type"].startswith("application/problem+json"), path
