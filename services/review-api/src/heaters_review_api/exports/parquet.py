"""Parquet, which only this module needs pyarrow for: it is loaded when somebody first asks for it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from heaters_review_api.exports.body import Body
from heaters_review_api.exports.rows import COLUMNS, MEASURES, Row, provenance


class NoParquet(Exception):
    """This installation has no pyarrow."""


_INTS = ("start_frame", "end_frame", "frames", "start_ticks", "end_ticks", "bytes", "frames_copied", "frames_encoded")
_SHARES = ("certainty", "confidence_in", "confidence_out", *MEASURES)


def parquet(rows: Sequence[Row]) -> Body:
    """A table of the clips; `file_name` is where each clip's own file lies beside it.

    Raises:
        NoParquet: see there.
    """
    try:
        import pyarrow as pa  # it costs 60 MB of memory, and most replicas never need it
        from pyarrow.parquet import write_table
    except ImportError as problem:
        raise NoParquet("Parquet needs pyarrow here: install heaters-review-api[parquet]") from problem
    fraction = pa.struct({"numerator": pa.int64(), "denominator": pa.int64()})
    label = pa.struct({"model": pa.string(), "strategy": pa.string(), "label": pa.string(), "share": pa.float64()})
    types: dict[str, Any] = {
        **dict.fromkeys(_INTS, pa.int64()),
        **dict.fromkeys(_SHARES, pa.float64()),
        "time_base": fraction,
        "frame_rate": fraction,
        "variable_frame_rate": pa.bool_(),
        "decided_at": pa.timestamp("us", tz="UTC"),
        "tags": pa.list_(pa.string()),
        "labels": pa.list_(label),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    table = pa.Table.from_pylist([_values(row) for row in rows], schema)
    out = pa.BufferOutputStream()
    write_table(table, out)
    return Body("application/vnd.apache.parquet", ".parquet", (out.getvalue().to_pybytes(),), len(rows))


def _values(row: Row) -> dict[str, Any]:
    said = asdict(provenance(row))
    for name in ("time_base", "frame_rate"):
        if said[name] is not None:
            said[name] = dict(zip(("numerator", "denominator"), said[name], strict=True))
    return {name: str(value) if isinstance(value, UUID) else value for name, value in said.items()}
