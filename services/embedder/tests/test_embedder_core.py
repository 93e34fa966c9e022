import base64

import numpy as np
import pytest
from heaters_embedder.core import pack, pool, unit, unpack
from heaters_embedder.errors import UnusableVector
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def test_each_keyframe_counts_alike_however_long_its_vector_is():
    vectors = np.array([[1.0, 0.0], [0.0, 100.0]], np.float32)

    pooled = pool(vectors)

    assert pooled == pytest.approx([0.70710678, 0.70710678])
    assert pooled.dtype == np.float32


@given(arrays(np.float32, (4, 8), elements=st.floats(0.0625, 100, width=32)))
def test_a_pooled_vector_has_length_one(vectors):
    assert np.linalg.norm(pool(vectors)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        ([[1.0, np.nan], [1.0, 0.0]], "vector 0 of 2 holds NaN"),
        ([[1.0, 0.0], [np.inf, 0.0]], "vector 1 of 2 holds NaN or an infinity"),
        ([[1.0, 0.0], [0.0, 0.0]], "vector 1 of 2 has length 0"),
        ([[1.0, 0.0], [-1.0, 0.0]], "cancel each other out"),
        ([1.0, 0.0], r"shape \(n, dimensions\)"),
        (np.empty((0, 2)), r"shape \(n, dimensions\)"),
        (np.empty((2, 0)), r"shape \(n, dimensions\)"),
    ],
)
def test_what_has_no_direction_is_refused_with_a_reason(vectors, reason):
    with pytest.raises(UnusableVector, match=reason):
        pool(np.array(vectors, np.float32))


def test_a_packed_vector_is_base64_of_little_endian_float16():
    assert pack(np.array([1.0, -2.0, 0.0], np.float32)) == base64.b64encode(b"\x00\x3c\x00\xc0\x00\x00").decode()


def test_unpacking_gives_the_vector_back_to_float16s_precision():
    vector = unit(np.linspace(-1, 1, 1280)[np.newaxis])[0]

    back = unpack(pack(vector), 1280)

    assert back.dtype == np.float32
    assert np.abs(back - vector).max() < 2e-5
    assert float(back @ vector) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("vector", [[np.nan], [np.inf], [70000.0], [], [[1.0]]])
def test_what_float16_cannot_hold_is_not_packed(vector):
    with pytest.raises(UnusableVector):
        pack(np.array(vector, np.float32))


@pytest.mark.parametrize("text", ["AAA", "not base64!", "ADw=", "AHwAPA=="])
def test_text_that_is_not_such_a_vector_is_refused(text):
    with pytest.raises(UnusableVector):
        unpack(text, 2)
