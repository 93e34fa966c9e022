"""Columns of numbers in a file: written whole or not at all, and checked when they are read. numpy only."""

from __future__ import annotations

import io
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heaters_media.errors import BadLedger

Ints = NDArray[np.int64]

# What numpy's and Python's readers raise over a damaged .npz; a fuzzer found them all.
UNREADABLE = (
    *(ValueError, TypeError, KeyError, EOFError, OSError, RuntimeError, SyntaxError, OverflowError, MemoryError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


def pair(value: Fraction) -> Ints:
    """A fraction as two numbers."""
    return np.array([value.numerator, value.denominator], np.int64)


def fraction(arrays: Mapping[str, Any], name: str) -> Fraction:
    """The fraction that two numbers are. Raises BadLedger."""
    both = ints(arrays, name)
    if len(both) != 2 or int(both[1]) == 0:
        raise BadLedger(f"{name} is no fraction: {both.tolist()}")
    return Fraction(int(both[0]), int(both[1]))


def ints(arrays: Mapping[str, Any], name: str) -> Ints:
    """A column of int64. Raises BadLedger."""
    array = arrays[name]
    if array.dtype != np.int64 or array.ndim != 1:
        raise BadLedger(f"{name} is {array.dtype} {array.shape}, not a column of int64")
    return np.asarray(array, np.int64)


def raw(arrays: Mapping[str, Any], name: str) -> NDArray[np.uint8]:
    """Bytes. Raises BadLedger."""
    array = arrays[name]
    if array.dtype != np.uint8 or array.ndim != 1:
        raise BadLedger(f"{name} is {array.dtype} {array.shape}, not bytes")
    return np.asarray(array, np.uint8)


def save_columns(path: Path, **arrays: Any) -> None:
    """Write beside and rename, so that no reader ever sees half a table."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(part, path)


class reading_columns:  # noqa: N801  # used as a context manager, like a function
    """Open an .npz and turn every way in which it can be broken into BadLedger."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source

    def __enter__(self) -> Mapping[str, Any]:
        source = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source
        try:
            with np.load(source, allow_pickle=False) as npz:
                if not isinstance(npz, np.lib.npyio.NpzFile):
                    raise BadLedger("not a ledger: a bare array")
                return {name: npz[name] for name in npz.files}
        except BadLedger:
            raise
        except FileNotFoundError:
            raise
        except UNREADABLE as wrong:
            raise BadLedger(f"not a ledger: {wrong}") from wrong

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: object) -> None:
        if isinstance(value, KeyError):
            raise BadLedger(f"not this kind of ledger: no {value.args[0]!r} in it") from value
