"""The host entropy operator against a twin that counts pairs one by one."""

import math
from collections import Counter

import cv2
import numpy as np
import pytest

from edge.entropy import entropy_attention, entropy_map, pool_to_feature
from edge.errors import InputError
from edge.metadata import EntropySettings

PAD_MODE = {"reflect_101": "reflect", "reflect": "symmetric", "constant": "constant"}


def plain_entropy(gray, window=3, border="reflect_101"):
    """Eq. 2-3 as they stand: one dictionary of pairs a window."""
    radius, mode = window // 2, PAD_MODE[border]
    height, width = gray.shape
    padded = np.pad(gray.astype(int), radius, mode=mode)
    mean = np.zeros((height, width), int)
    for y in range(height):
        for x in range(width):
            mean[y, x] = math.floor(padded[y : y + window, x : x + window].sum() / window**2 + 0.5)
    pixels, means = (np.pad(plane.astype(int), radius, mode=mode) for plane in (gray, mean))
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            pairs = Counter(
                (pixels[y + dy, x + dx], means[y + dy, x + dx]) for dy in range(window) for dx in range(window)
            )
            result[y, x] = -sum(n / window**2 * math.log2(n / window**2) for n in pairs.values())
    return result


def images():
    rng = np.random.default_rng(0)
    yield "noise", rng.integers(0, 256, (17, 23), np.uint8)
    yield "few levels", rng.integers(100, 103, (19, 16), np.uint8)
    yield "two levels", (rng.random((16, 16)) > 0.8).astype(np.uint8) * 255
    yield "flat", np.full((5, 9), 7, np.uint8)
    yield "ramp", np.tile(np.arange(40, dtype=np.uint8), (12, 1))
    yield "blurred", cv2.GaussianBlur(rng.integers(0, 256, (24, 31), np.uint8), (0, 0), 4)
    yield "smallest", rng.integers(0, 3, (3, 3), np.uint8)


@pytest.mark.parametrize("border", PAD_MODE)
@pytest.mark.parametrize(("name", "gray"), images(), ids=[name for name, _ in images()])
def test_equals_the_plain_twin(name, gray, border):
    np.testing.assert_allclose(entropy_map(gray, border=border), plain_entropy(gray, border=border), atol=1e-5)


@pytest.mark.parametrize("window", [5, 7])
def test_larger_windows_equal_the_plain_twin(window):
    gray = np.random.default_rng(1).integers(60, 64, (14, 18), np.uint8)
    np.testing.assert_allclose(entropy_map(gray, window), plain_entropy(gray, window), atol=1e-5)


def test_every_one_of_the_29_values_is_reached_exactly():
    """A wrong entry of the byte table cannot hide: maps of random few-level images visit the whole table."""
    rng = np.random.default_rng(2)
    seen = set()
    for levels in (2, 3, 4, 6, 12, 40):
        gray = rng.integers(0, levels, (60, 60), np.uint8) * (255 // levels)
        host = entropy_map(gray)
        np.testing.assert_allclose(host, plain_entropy(gray), atol=1e-5)
        seen |= set(np.round(host, 4).ravel().tolist())
    assert len(seen) > 20
    assert min(seen) >= 0
    assert max(seen) <= round(math.log2(9), 4)


def test_result_is_float32_contiguous_and_leaves_the_input_alone():
    gray = np.random.default_rng(3).integers(0, 256, (32, 48), np.uint8)
    before = gray.copy()
    result = entropy_map(gray)
    assert result.dtype == np.float32
    assert result.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(gray, before)


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("size", [(64, 96), (50, 70)])
def test_attention_is_entropy_opened_pooled_and_squashed(window, size):
    frame = np.random.default_rng(4).integers(0, 256, (*size, 3), np.uint8)
    frame = cv2.GaussianBlur(frame, (0, 0), 6)
    settings = EntropySettings(window=window, stride=32)
    blue, green, red = (frame[..., i].astype(int) for i in range(3))
    gray = ((9798 * red + 19235 * green + 3735 * blue + 16384) >> 15).astype(np.uint8)
    opened = cv2.morphologyEx(entropy_map(gray, window), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    expected = 1 / (1 + np.exp(-pool_to_feature(opened, 32)))
    result = entropy_attention(frame, settings)
    assert result.shape == (-(-size[0] // 32), -(-size[1] // 32))
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_pooling_leaves_the_padding_out_of_the_mean():
    np.testing.assert_allclose(pool_to_feature(np.full((50, 70), 2, np.float32), 32), 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gray": np.zeros((4, 4), np.float32)}, "float32"),
        ({"gray": np.zeros((4, 4, 3), np.uint8)}, r"\(4, 4, 3\)"),
        ({"gray": np.zeros((2, 9), np.uint8)}, "at least 3"),
        ({"gray": None}, "NoneType"),
        ({"gray": np.zeros((9, 9), np.uint8), "window": 4}, "odd"),
        ({"gray": np.zeros((9, 9), np.uint8), "border": "wrap"}, "reflect_101"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InputError, match=words):
        entropy_map(**arguments)
