"""How values of the core lie in columns."""

import struct
from typing import Any

from pgvector.sqlalchemy import HALFVEC
from pydantic import TypeAdapter
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from heaters_review_api.db.texts import plain


class Json(TypeDecorator[Any]):
    """A value of the contracts as jsonb."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__()
        self.of = of
        self._adapter: TypeAdapter[Any] = TypeAdapter(of)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """To plain JSON values."""
        return None if value is None else plain(self._adapter.dump_python(value, mode="json"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Back to the frozen model."""
        return None if value is None else self._adapter.validate_python(value, strict=False)


class Tags(TypeDecorator[tuple[str, ...]]):
    """A tuple of texts as text[]."""

    impl = ARRAY(Text)
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> list[str] | None:
        """To a list."""
        return None if value is None else list(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:
        """Back to a tuple."""
        return None if value is None else tuple(value)


class HalfVectorBytes(TypeDecorator[bytes]):
    """Little-endian float16 values as a halfvec of any dimension."""

    impl = HALFVEC
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> list[float] | None:
        """To what the driver sends."""
        return None if value is None else list(struct.unpack(f"<{len(value) // 2}e", value))

    def process_result_value(self, value: list[float] | None, dialect: Dialect) -> bytes | None:
        """Back to bytes; float16 values survive the way through text."""
        return None if value is None else struct.pack(f"<{len(value)}e", *value)
