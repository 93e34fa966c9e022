"""What operators do to the streams themselves: give the facts back after a loss, and take an erased video's away."""

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from uuid import UUID

import nats
from heaters_contracts.fact import video_filter
from heaters_contracts.pipeline import (
    CONSUMERS,
    FACTS_STREAM,
    INGEST_STREAM,
    PIPELINE,
    PROGRESS_STREAM,
    progress_subject,
)
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from heaters_edges.bus import STORED_AT, Bus, BusError, Stored, stored_raw
from heaters_edges.settings import Settings
from heaters_edges.wanted import stream_configs

log = logging.getLogger(__name__)

_FILLER = "heaters.nothing"
"""The subject of what stands for a gap while it is closed: no consumer hears it, and it is deleted at once."""


class StreamNotEmpty(RuntimeError):
    """The stream holds facts: to give others back would mix two histories."""


async def give_back(settings: Settings, messages: AsyncIterator[Stored]) -> int:
    """Fill an empty or missing facts stream with messages, each at its old sequence, under its old id, with its old time.

    Args:
        settings: where NATS is.
        messages: in the order of their sequences; what is missing between them stays missing.

    Returns:
        How many were given back.

    Raises:
        StreamNotEmpty: see there.
        BusError: the stream did not take one, or not at its place.
    """
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    client = await nats.connect(
        settings.nats_url.split(","), user=settings.nats_user, password=password, connect_timeout=5
    )
    try:
        js = client.jetstream(timeout=10)
        await _require_empty(js)
        count, expected = 0, 0
        gaps: list[int] = []
        async for message in messages:
            if not count:
                await _make(js, message.sequence)
                expected = message.sequence
            while expected < message.sequence:
                gaps.append((await js.publish(_FILLER, b"", stream=FACTS_STREAM)).seq)
                expected += 1
            # What it was true on has been checked when it was told; the server would look for messages that are erased since.
            headers = {k: v for k, v in message.headers.items() if not k.startswith("Nats-Expected-Last-")}
            headers[STORED_AT] = message.stored_at.isoformat()
            ack = await js.publish(message.subject, message.data, stream=FACTS_STREAM, headers=headers)
            if ack.seq != message.sequence:
                raise BusError(
                    f"message {message.sequence} came to lie at {ack.seq}: somebody else writes to the stream"
                )
            count, expected = count + 1, expected + 1
        for sequence in gaps:
            await js.delete_msg(FACTS_STREAM, sequence)
        log.info("the facts stream was given back", extra={"facts": count, "gaps": len(gaps)})
        return count
    except (NatsError, APIError, OSError, TimeoutError) as problem:
        raise BusError(f"the stream was not given back: {problem}") from problem
    finally:
        await client.close()


async def _require_empty(js: JetStreamContext) -> None:
    try:
        state = (await js.stream_info(FACTS_STREAM)).state
    except NotFoundError:
        return
    if state.messages:
        raise StreamNotEmpty(f"the facts stream holds {state.messages} messages; nothing was given back")


async def _make(js: JetStreamContext, first_sequence: int) -> None:
    """An empty stream whose first message will have this sequence."""
    (config,) = (each for each in stream_configs(1) if each.name == FACTS_STREAM)
    with suppress(NotFoundError):
        await js.delete_stream(FACTS_STREAM)
    await js.add_stream(config.evolve(first_seq=first_sequence))


async def purge_video(bus: Bus, video_id: UUID, *, before: int) -> None:
    """Take a video's messages before a sequence out of the facts stream, and all of its progress.

    Raises:
        BusError: the server did not do it.
    """
    try:
        await bus.jetstream.purge_stream(FACTS_STREAM, subject=video_filter(video_id), seq=before)
        for work in PIPELINE:
            await bus.jetstream.purge_stream(PROGRESS_STREAM, subject=progress_subject(work.name, video_id))
    except (NatsError, APIError, OSError, TimeoutError) as problem:
        raise BusError(f"the facts of video {video_id} were not purged: {problem}") from problem


async def ingest_messages(bus: Bus) -> AsyncIterator[Stored]:
    """Every request that the ingest stream still holds, in order."""
    sequence = 1
    while True:
        try:
            found = await bus.jetstream.get_msg(INGEST_STREAM, seq=sequence, subject="ingest.*", next=True)
        except NotFoundError:
            return
        except (NatsError, APIError, OSError, TimeoutError) as problem:
            raise BusError(f"the ingest stream could not be read: {problem}") from problem
        stored = stored_raw(found)
        yield stored
        sequence = stored.sequence + 1


async def delete_request(bus: Bus, sequence: int) -> None:
    """Take one request out of the ingest stream."""
    try:
        await bus.jetstream.delete_msg(INGEST_STREAM, sequence)
    except (NatsError, APIError, OSError, TimeoutError) as problem:
        raise BusError(f"request {sequence} was not deleted: {problem}") from problem


async def missing_streams(bus: Bus, wanted: Sequence[str]) -> list[str]:
    """Which of some streams are not there.

    Raises:
        BusError: the server does not say.
    """
    return [name for name in wanted if not await _is_there(bus.jetstream.stream_info(name))]


async def missing_consumers(bus: Bus) -> list[str]:
    """Which durable consumers of the facts stream are not there. Raises what `missing_streams` raises."""
    names = [work.consumer(lane) for work, lane in CONSUMERS]
    return [name for name in names if not await _is_there(bus.jetstream.consumer_info(FACTS_STREAM, name))]


async def _is_there(asked: Awaitable[object]) -> bool:
    try:
        await asked
    except NotFoundError:
        return False
    except (NatsError, APIError, OSError, TimeoutError) as problem:
        raise BusError(f"NATS does not say what it has: {problem or type(problem).__name__}") from problem
    return True
