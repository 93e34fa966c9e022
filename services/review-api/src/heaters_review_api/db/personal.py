"""What is a person's own: how they like the pages; and what their player could not play."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db import schema
from heaters_review_api.db.texts import plain, printable

_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class PlayerError:
    """A clip that did not play for somebody."""

    id: UUID
    clip_id: UUID
    video_id: UUID
    by: str
    at: datetime
    cause: str
    detail: str
    times: int


class Personal:
    """The tables of settings and of player errors."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def settings(self, person: str) -> dict[str, Any]:
        """How somebody likes the pages; empty where they have said nothing."""
        query = select(schema.setting.c.settings).where(schema.setting.c.person == person)
        async with self._engine.connect() as connection:
            found: dict[str, Any] | None = (await connection.execute(query)).scalar()
        return found or {}

    async def keep_settings(self, person: str, settings: dict[str, Any]) -> None:
        """Keep them, in place of what was kept."""
        made = insert(schema.setting).values(person=person, settings=plain(settings))
        changed = made.on_conflict_do_update(
            index_elements=["person"], set_={"settings": made.excluded.settings, "changed_at": func.now()}
        )
        async with self._engine.begin() as connection:
            await connection.execute(changed)

    async def change_settings(self, person: str, change: dict[str, Any], *, most_bytes: int) -> dict[str, Any] | None:
        """Keep what is named, beside what was kept under other names; returns all of it, or None where it would be too long."""
        made = insert(schema.setting).values(person=person, settings=plain(change))
        both = schema.setting.c.settings.concat(made.excluded.settings)
        changed = made.on_conflict_do_update(
            index_elements=["person"], set_={"settings": both, "changed_at": func.now()}
        ).returning(schema.setting.c.settings, func.octet_length(cast(schema.setting.c.settings, Text)))
        async with self._engine.connect() as connection:
            kept, size_bytes = (await connection.execute(changed)).one()
            if size_bytes > most_bytes:
                return None
            await connection.commit()
        return dict(kept)

    async def note_player_error(self, *, clip_id: UUID, video_id: UUID, by: str, cause: str, detail: str) -> None:
        """Write down that a clip did not play; the same again is counted, what is old is forgotten."""
        made = insert(schema.player_error).values(
            id=uuid4(), clip_id=clip_id, video_id=video_id, by=by, cause=cause, detail=printable(detail)
        )
        counted = made.on_conflict_do_update(
            index_elements=["clip_id", "by", "cause"],
            set_={"detail": made.excluded.detail, "at": func.now(), "times": schema.player_error.c.times + 1},
        )
        async with self._engine.begin() as connection:
            await connection.execute(counted)
            await connection.execute(
                text("DELETE FROM app.player_error WHERE at < now() - make_interval(days => :days)"),
                {"days": _KEPT_DAYS},
            )

    async def player_errors(self, video_id: UUID, *, limit: int) -> list[PlayerError]:
        """What of a video did not play, the newest first."""
        e = schema.player_error.c
        query = select(schema.player_error).where(e.video_id == video_id).order_by(e.at.desc(), e.id).limit(limit)
        async with self._engine.connect() as connection:
            return [PlayerError(**row._mapping) for row in await connection.execute(query)]
