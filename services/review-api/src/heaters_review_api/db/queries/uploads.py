"""Objects that people have uploaded."""

from heaters_contracts.objects import ObjectRef
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from heaters_review_api.db import schema
from heaters_review_api.db.queries.reads import Reads
from heaters_review_api.db.texts import printable


class Uploads(Reads):
    """What is remembered about uploads; it is no fact."""

    async def uploaded(self, key: str) -> bool:
        """Whether such an object was uploaded through the API."""
        u = schema.upload.c
        return bool(await self._all(select(u.key).where(u.key == key)))

    async def note_upload(self, ref: ObjectRef, *, name: str, by: str) -> None:
        """Remember that somebody uploaded an object."""
        values = {"key": ref.key, "bytes": ref.bytes, "sha256": ref.sha256, "name": printable(name), "by": by}
        async with self._engine.begin() as connection:
            await connection.execute(insert(schema.upload).values(values).on_conflict_do_nothing())
