"""HDR as SDR: a table from PQ or HLG in BT.2020 to what a BT.709 screen shows. numpy only.

Diffuse white (203 cd/m2, ITU-R BT.2408) becomes a little less than full white; what is brighter is rolled off towards it, with
the ratio of the three colours kept, so that highlights keep their hue.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BT2020, PQ, HLG = 9, 16, 18  # primaries and transfers as FFmpeg and ITU-T H.273 number them
_SIZE = 33
_WHITE_NITS = 203.0
_PEAK_NITS = 1000.0
_KNEE = 0.7
_FROM_2020 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])  # BT.2087


def needs_mapping(primaries: int, transfer: int) -> bool:
    """Whether a film's colours must be brought into BT.709's range."""
    return transfer in (PQ, HLG) or primaries == BT2020


@cache
def cube(transfer: int) -> str:
    """The table as a .cube file's text, for FFmpeg's lut3d.

    Args:
        transfer: PQ, HLG, or anything else for a film that is wide in colour only.
    """
    steps = np.linspace(0.0, 1.0, _SIZE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red runs fastest
    mapped = to_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer)
    rows = "\n".join(f"{r:.5f} {g:.5f} {b:.5f}" for r, g, b in mapped.tolist())
    return f"LUT_3D_SIZE {_SIZE}\n{rows}\n"


def to_sdr(coded: Floats, transfer: int) -> Floats:
    """Coded BT.2020 R'G'B' as coded BT.709 R'G'B'.

    Args:
        coded: (n, 3), 0 to 1.
        transfer: PQ, HLG, or anything else for a film that is wide in colour only.
    """
    light: Callable[[Floats], Floats] = {PQ: _pq, HLG: _hlg}.get(transfer, _gamma)
    linear = np.clip(light(coded) @ _FROM_2020.T, 0.0, None)
    if transfer in (PQ, HLG):
        brightest = linear.max(axis=1, keepdims=True)
        linear = linear * np.where(brightest > 0, _rolled_off(brightest) / np.maximum(brightest, 1e-9), 1.0)
    return np.asarray(np.clip(linear, 0.0, 1.0) ** (1 / 2.4))


def _rolled_off(light: Floats) -> Floats:
    """Straight up to the knee, then a curve that begins as steeply as the line and reaches 1 at the peak."""
    over = np.clip(light - _KNEE, 0.0, _PEAK_NITS / _WHITE_NITS - _KNEE)
    room, span = 1 - _KNEE, _PEAK_NITS / _WHITE_NITS - _KNEE
    # over / (1 + k over) has slope 1 at 0; this k makes it `room` at `span`.
    k = 1 / room - 1 / span
    return np.where(light <= _KNEE, light, _KNEE + over / (1 + k * over))


def _pq(coded: Floats) -> Floats:
    """Light relative to diffuse white (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = coded ** (1 / m2)
    return np.asarray((np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10000 / _WHITE_NITS)


def _hlg(coded: Floats) -> Floats:
    """Light relative to diffuse white on a display of 1000 cd/m2 (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
    return np.asarray(scene * luminance[:, None] ** 0.2 * _PEAK_NITS / _WHITE_NITS)


def _gamma(coded: Floats) -> Floats:
    """Light relative to full white (ITU-R BT.1886)."""
    return np.asarray(coded**2.4)
