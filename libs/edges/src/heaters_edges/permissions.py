"""Who may say and hear what on NATS: one user a service, made from the PIPELINE table, for the server's configuration.

Each service may publish its own facts and nothing else, and read its own consumers and nothing else. It answers to its own inbox, so no
service reads what another is sent. Two things are wider than that, for the server knows no narrower: a message of the facts stream is
fetched by its sequence (for what is asked for again), and review-api, which projects every fact, hears all of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heaters_contracts.asking import EMBED_SUBJECT
from heaters_contracts.fact import LANES, REGISTRY
from heaters_contracts.facts.stage import StageFailed, StagePaused, StageResumed
from heaters_contracts.pipeline import (
    ATTEMPTS_BUCKET,
    FACTS_STREAM,
    INGEST_STREAM,
    PAUSED_BUCKET,
    PIPELINE,
    PROGRESS_STREAM,
    SERVICES,
)

from heaters_edges.wanted import ADMISSION_CONSUMER, LISTENERS

ADMIN = "migrate"
"""The user of `migrate`: it makes streams and consumers, and nothing else uses it."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may publish, and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def inbox_prefix(service: str) -> str:
    """Where answers to a service's requests come."""
    return f"_INBOX_{service}"


def _fact(type_: str) -> str:
    return f"heaters.{type_}.*.*.*"


def _bucket(name: str) -> tuple[str, ...]:
    stream = f"KV_{name}"
    api = "$JS.API"
    return (f"{api}.STREAM.INFO.{stream}", f"{api}.STREAM.MSG.GET.{stream}", f"{api}.DIRECT.GET.{stream}.>")


def _worker(service: str) -> Rights:
    said, heard = {_fact(kind.TYPE) for kind in (StageFailed, StagePaused, StageResumed)}, set[str]()
    for work in (work for work in PIPELINE if work.by == service):
        said |= {_fact(fact.TYPE) for fact in work.produces}
        said |= {f"progress.heaters.{work.name}.*", f"$KV.{PAUSED_BUCKET}.{work.name}"}
        for lane in LANES:
            name = work.consumer(lane)
            heard |= {
                f"$JS.API.CONSUMER.INFO.{FACTS_STREAM}.{name}",
                f"$JS.API.CONSUMER.MSG.NEXT.{FACTS_STREAM}.{name}",
                f"$JS.ACK.{FACTS_STREAM}.{name}.>",
                f"$KV.{ATTEMPTS_BUCKET}.{name}.*",
            }
    heard |= {f"$JS.API.DIRECT.GET.{FACTS_STREAM}", *_bucket(ATTEMPTS_BUCKET), *_bucket(PAUSED_BUCKET)}
    answers = {f"{inbox_prefix('review-api')}.>"} if service == "embedder" else set()
    asked = {EMBED_SUBJECT} if service == "embedder" else set()
    return Rights(tuple(sorted(said | heard | answers)), tuple(sorted({f"{inbox_prefix(service)}.>"} | asked)))


def _review_api() -> Rights:
    by_workers = {fact.TYPE for work in PIPELINE for fact in work.produces} | {StageFailed.TYPE}
    said = {_fact(type_) for type_, _ in REGISTRY if type_ not in by_workers}
    said |= {f"$KV.{PAUSED_BUCKET}.*", EMBED_SUBJECT, *_bucket(PAUSED_BUCKET)}
    for stream in (FACTS_STREAM, PROGRESS_STREAM):
        said |= {
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.>",
            f"$JS.API.CONSUMER.INFO.{stream}.*",
            f"$JS.API.CONSUMER.DELETE.{stream}.*",
            f"$JS.API.DIRECT.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}.>",
            f"$JS.FC.{stream}.>",
        }
    # Progress lives in memory and is made again after a restart of NATS; erasing takes a video's messages out of all streams.
    said |= {f"$JS.API.STREAM.CREATE.{PROGRESS_STREAM}"}
    said |= {f"$JS.API.STREAM.INFO.{stream}" for stream in (INGEST_STREAM, f"KV_{ATTEMPTS_BUCKET}")}
    said |= {f"$JS.API.STREAM.PURGE.{stream}" for stream in (FACTS_STREAM, PROGRESS_STREAM)}
    said |= {f"$JS.API.STREAM.MSG.{what}.{INGEST_STREAM}" for what in ("GET", "DELETE")}
    said |= {
        f"$JS.API.CONSUMER.INFO.{INGEST_STREAM}.{ADMISSION_CONSUMER}",
        f"$JS.API.CONSUMER.MSG.NEXT.{INGEST_STREAM}.{ADMISSION_CONSUMER}",
        f"$JS.ACK.{INGEST_STREAM}.{ADMISSION_CONSUMER}.>",
    }
    for name in LISTENERS:
        said |= {f"$JS.API.CONSUMER.MSG.NEXT.{FACTS_STREAM}.{name}", f"$JS.ACK.{FACTS_STREAM}.{name}.>"}
    return Rights(tuple(sorted(said)), (f"{inbox_prefix('review-api')}.>",))


def rights() -> dict[str, Rights]:
    """User -> what it may, for every service and `migrate`."""
    found = {service: _worker(service) for service in SERVICES if service != "review-api"}
    found["review-api"] = _review_api()
    found[ADMIN] = Rights(("$JS.API.>",), (f"{inbox_prefix(ADMIN)}.>",))
    return found


def requester_rights(name: str) -> Rights:
    """Another team's program: it may ask in its own name, and hear whether the stream took it."""
    return Rights((f"ingest.{name}",), (f"_INBOX_{name}.>",))


def authorization(passwords: Mapping[str, str], requesters: Sequence[str] = ()) -> str:
    """The server's `authorization` block: include it in its configuration.

    Args:
        passwords: user -> password (or its bcrypt hash), for each service, `migrate` and each requester.
        requesters: names of other teams' programs.

    Raises:
        KeyError: somebody has no password.
    """
    everybody = {**rights(), **{name: requester_rights(name) for name in requesters}}
    users = []
    for name, may in everybody.items():
        said = {"publish": {"allow": list(may.publish)}, "subscribe": {"allow": list(may.subscribe)}}
        users.append(
            f"    {{ user: {json.dumps(name)}, password: {json.dumps(passwords[name])}, permissions: {json.dumps(said)} }}"
        )
    return "authorization {\n  users: [\n" + "\n".join(users) + "\n  ]\n}\n"
