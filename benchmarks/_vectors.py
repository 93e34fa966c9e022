"""Vectors that lie as those of real pictures do, and a projection full of them."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from heaters_contracts.objects import ObjectRef
from heaters_review_api.db.locks import connect
from pgvector import HalfVector
from pgvector.psycopg import register_vector_async
from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncEngine

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 768
MODEL, STRATEGY = "bench@1", "spread"
FRAMES = 100
"""Of each video; each of them is a clip."""
_LATENT, _PER_CLUSTER, _SPREAD, _NOISE = 48, 200, 0.6, 0.02
SHARES = {"one": 100, "ten": 10, "half": 2}
"""Tags, and one in how many clips has each, at random."""


@dataclass(frozen=True, slots=True)
class World:
    """A mixture of Gaussians in 48 dimensions, 200 clips a cluster (a place, a person, a scene that was filmed often), each spread 0.6 of
    the distance between clusters' coordinates, turned into 768 dimensions by one random matrix, with a little noise in all of them, and
    scaled to length 1. Image-text models' vectors have an intrinsic dimension of some tens; uniform ones would have none near them.
    """

    centres: Vectors
    turn: Vectors

    @classmethod
    def of(cls, clips: int) -> "World":
        """A world for so many clips."""
        random = np.random.default_rng(20261123)
        centres = random.standard_normal((max(1, clips // _PER_CLUSTER), _LATENT), np.float32)
        return cls(centres, random.standard_normal((_LATENT, DIMENSIONS), np.float32) / np.float32(_LATENT**0.5))

    def vectors(self, count: int, seed: int) -> Vectors:
        """Unit vectors, rounded as float16 holds them."""
        random = np.random.default_rng(seed)
        at = self.centres[random.integers(0, len(self.centres), count)]
        at = at + np.float32(_SPREAD) * random.standard_normal(at.shape, np.float32)
        whole = at @ self.turn + np.float32(_NOISE) * random.standard_normal((count, DIMENSIONS), np.float32)
        unit: Vectors = (whole / np.linalg.norm(whole, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
        return unit


def clip_of(number: int) -> UUID:
    """The id of a clip."""
    return UUID(hashlib.md5(f"clip {number}".encode(), usedforsecurity=False).hexdigest())


async def fill(engine: AsyncEngine, frame_table: ObjectRef, first: int, blocks: Iterator[Vectors]) -> int:
    """Put clips with these vectors into the projection, from a number on; their tags follow from their numbers.

    Args:
        engine: of the database.
        frame_table: of all videos.
        first: number of the first clip.
        blocks: vectors of the clips from there on, some at once.

    Returns:
        How many clips there are now.
    """
    async with await connect(engine) as connection:
        await register_vector_async(connection)
        # What lists and reviewers need costs minutes to keep up and is never asked here.
        await connection.execute("ALTER TABLE projection.clip DROP CONSTRAINT IF EXISTS clip_live_ones_do_not_overlap")
        await connection.execute("SET synchronous_commit = off")
        for vectors in blocks:
            await _put(connection, frame_table, first, vectors)
            first += len(vectors)
        await connection.execute("ANALYZE projection.clip")
        await connection.execute("ANALYZE projection.embedding")
    return first


async def _put(
    connection: psycopg.AsyncConnection[psycopg.rows.TupleRow], frame_table: ObjectRef, first: int, vectors: Vectors
) -> None:
    last = first + len(vectors)
    await connection.execute(
        "INSERT INTO projection.video (id, state, version, lane, requester, request_id, requested_at, requested_sequence,"
        " segments_done, failures, frames, frame_table)"
        " SELECT md5('video ' || n)::uuid, 'done', n, 'bulk', 'bench', n::text, now(), n, 0, 0, %s, %s"
        " FROM generate_series(%s::int, %s::int) n ON CONFLICT DO NOTHING",
        (FRAMES, Jsonb(frame_table.model_dump()), first // FRAMES, last // FRAMES),
    )
    await connection.execute(
        "INSERT INTO projection.clip (id, video_id, video_sequence, start_frame, end_frame, state, live, certainty,"
        " opened_sequence, verdict, decision_id, stands_by, decided_by, decided_at, tags, note, order_id, export_id,"
        " export_object, keyframe_id, keyframes, embed_id, frame_vectors)"
        " SELECT md5('clip ' || n)::uuid, md5('video ' || n / 100)::uuid, n / 100, n %% 100, n %% 100 + 1, 'embedded', true, 1,"
        " 0, 'approve', md5('d' || n)::uuid, md5('d' || n)::uuid, 'bench', '2026-01-01'::timestamptz + n * interval '1 second',"
        " array_remove(array[CASE WHEN hashint4(n) %% 100 = 0 THEN 'one' END, CASE WHEN hashint4(n + 1) %% 10 = 0 THEN 'ten' END,"
        " CASE WHEN hashint4(n + 2) %% 2 = 0 THEN 'half' END], NULL), '', md5('o' || n)::uuid, md5('x' || n)::uuid,"
        """ jsonb_build_object('key', 'k', 'bytes', 1, 'sha256', repeat('0', 64)), md5('k' || n)::uuid, '[]', md5('e' || n)::uuid, '[]'"""
        " FROM generate_series(%s::int, %s::int) n",
        (first, last - 1),
    )
    async with connection.cursor() as cursor:
        copy_into = (
            "COPY projection.embedding (clip_id, model, strategy, video_id, dimensions, vector, fact_id, frames, labels)"
            " FROM STDIN WITH (FORMAT BINARY)"
        )
        async with cursor.copy(copy_into) as copy:
            copy.set_types(["uuid", "text", "text", "uuid", "int4", "halfvec", "uuid", "jsonb", "jsonb"])
            empty = Jsonb([])
            for n, vector in enumerate(vectors.astype(np.float16), first):
                id_ = clip_of(n)
                video = UUID(hashlib.md5(f"video {n // FRAMES}".encode(), usedforsecurity=False).hexdigest())
                await copy.write_row((id_, MODEL, STRATEGY, video, DIMENSIONS, HalfVector(vector), id_, empty, empty))
                if n % 1000 == 0:
                    await asyncio.sleep(0)


async def tagged(engine: AsyncEngine, tag: str, clips: int) -> npt.NDArray[np.bool_]:
    """Which clips, by number, have a tag; all of them where none is named."""
    if not tag:
        return np.ones(clips, np.bool_)
    numbers = {clip_of(n): n for n in range(clips)}
    has = np.zeros(clips, np.bool_)
    async with await connect(engine) as connection:
        answer = await connection.execute("SELECT id FROM projection.clip WHERE tags @> ARRAY[%s]", (tag,))
        async for (id_,) in answer:
            has[numbers[id_]] = True
    return has
