"""The information entropy map on the host (Su et al., SGE-Net, eq. 2-4): OpenCV and numpy only.

Every pixel becomes a pair (gray value i, mean j of its window); the map at a pixel is the entropy of the pairs in its
window, H = -sum p log2 p. With c_k = how many of the n pairs equal pair k, H = log2 n - (1/n) sum_k log2 c_k, and two
pairs a displacement d apart are compared once for the whole frame: that is 12 comparison planes for a 3x3 window.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import cv2
import numpy as np

from edge.errors import InputError
from edge.metadata import EntropySettings

_STRIP_BYTES = 36_000

BORDERS = {"reflect_101": cv2.BORDER_REFLECT_101, "reflect": cv2.BORDER_REFLECT, "constant": cv2.BORDER_CONSTANT}


def entropy_map(gray: np.ndarray, window: int = 3, border: str = "reflect_101") -> np.ndarray:
    """Two-dimensional information entropy of every pixel's window, without opening (eq. 2-3).

    Args:
        gray: uint8 (height, width).
        window: odd side of the sliding window, 3 to 9; the paper's is 3.
        border: `reflect_101`, `reflect` or `constant` (zero), for both sliding passes.

    Returns:
        float32 (height, width) in bits, 0 .. log2(window ** 2); 3.17 for the 3x3 window.

    Raises:
        InputError: `gray` is no uint8 plane at least as large as the window, or an argument is out of range.
    """
    _check(gray, window, border)
    if window == 3:
        return cv2.LUT(_ranks_3x3(gray, border), _rank_tables()[1])
    bits = np.log2(np.maximum(np.arange(256), 1)).astype(np.float32)
    total = np.concatenate(
        [
            _crop(_bits_of(_pair_counts(strip, window), bits), strip, window // 2)
            for strip in _strips(gray, window, border)
        ]
    )
    return np.maximum(2 * np.log2(np.float32(window)) - total / window**2, 0).astype(np.float32)


def entropy_attention(frame: np.ndarray, settings: EntropySettings | None = None) -> np.ndarray:
    """The whole way from a frame to the attention of eq. 4: gray, entropy, opening, average pooling, sigmoid.

    Args:
        frame: uint8 (height, width, 3), BGR, already at the network's input size.
        settings: window, border, opening and stride of the feature map that the attention multiplies.

    Returns:
        float32 (ceil(height / stride), ceil(width / stride)) in 0.5 .. 0.96.
    """
    settings = settings or EntropySettings()
    gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    _check(gray, settings.window, settings.border)
    kernel = np.ones((settings.opening, settings.opening), np.uint8)
    if settings.window == 3:
        # Opening only ranks values, so it runs on bytes; the table gives the bits afterwards.
        ranks = cv2.morphologyEx(_ranks_3x3(gray, settings.border), cv2.MORPH_OPEN, kernel)
        opened = cv2.LUT(ranks, _rank_tables()[1])
    else:
        opened = cv2.morphologyEx(entropy_map(gray, settings.window, settings.border), cv2.MORPH_OPEN, kernel)
    return 1 / (1 + np.exp(-pool_to_feature(opened, settings.stride)))


def pool_to_feature(plane: np.ndarray, stride: int) -> np.ndarray:
    """Average pooling with `same` padding that leaves the padding out of the mean, as Keras' AveragePooling2D does.

    Args:
        plane: float32 (height, width). stride: side and step of the pooling window.

    Returns:
        float32 (ceil(height / stride), ceil(width / stride)).
    """
    rows, columns = (-(-side // stride) for side in plane.shape)
    missing = rows * stride - plane.shape[0], columns * stride - plane.shape[1]
    if not any(missing):
        return cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)
    before = [(m // 2, m - m // 2) for m in missing]
    cells = np.pad(plane, before).reshape(rows, stride, columns, stride).sum(axis=(1, 3))
    inside = [
        np.pad(np.ones(side), pad).reshape(-1, stride).sum(1) for side, pad in zip(plane.shape, before, strict=True)
    ]
    return (cells / np.outer(*inside)).astype(np.float32)


def _bits_of(counts: list[np.ndarray], bits: np.ndarray) -> np.ndarray:
    return functools.reduce(np.add, (cv2.LUT(count, bits).reshape(-1) for count in counts))


def _ranks_3x3(gray: np.ndarray, border: str) -> np.ndarray:
    """The entropy's rank among the 29 values that a 3x3 window can have: uint8 (height, width)."""
    ranks = np.empty(gray.shape, np.uint8)
    start = 0
    for strip in _strips(gray, 3, border):
        # (c_k - 8)^2 summed over the window modulo 256 differs for all 29 values, so bytes are enough.
        squares = [np.multiply(count, count) for count in _pair_counts(strip, 3, itself=1 - 8)]
        total = squares[0]
        for square in squares[1:]:
            np.add(total, square, out=total)
        rows = strip.shape[0] - 2
        cv2.LUT(_crop(total, strip, 1), _rank_tables()[0], ranks[start : start + rows])
        start += rows
    return ranks


@functools.cache
def _rank_tables() -> tuple[np.ndarray, np.ndarray]:
    """Tables of the 3x3 window: wrapped byte sum -> rank uint8 (256,), and rank -> bits float32 (256,)."""
    sums = {
        sum(size * (size - 8) ** 2 for size in sizes) % 256: -sum(size / 9 * np.log2(size / 9) for size in sizes)
        for sizes in _partitions(9, 9)
    }
    values = sorted({round(bits, 9): bits for bits in sums.values()}.items())
    ranks, bits = np.zeros(256, np.uint8), np.zeros(256, np.float32)
    for rank, (key, value) in enumerate(values):
        bits[rank] = value
        for byte, entropy in sums.items():
            if round(entropy, 9) == key:
                ranks[byte] = rank
    return ranks, bits


def _partitions(total: int, largest: int) -> list[list[int]]:
    """Every way to write `total` as a sum of group sizes of at most `largest`."""
    if total == 0:
        return [[]]
    return [[size, *rest] for size in range(min(total, largest), 0, -1) for rest in _partitions(total - size, size)]


def _strips(gray: np.ndarray, window: int, border: str) -> Iterator[np.ndarray]:
    """The (gray, mean) pairs, each packed in a uint16, in overlapping strips of padded rows."""
    radius = window // 2
    mean = cv2.blur(gray, (window, window), borderType=BORDERS[border])
    pairs = cv2.merge([mean, gray]).view(np.uint16)[..., 0]
    packed = cv2.copyMakeBorder(pairs, radius, radius, radius, radius, BORDERS[border], value=0)
    # A strip's planes then stay in the processor's second-level cache.
    rows = max(1, _STRIP_BYTES // packed.shape[1])
    for start in range(0, gray.shape[0], rows):
        yield packed[start : start + rows + 2 * radius]


def _pair_counts(packed: np.ndarray, window: int, itself: int = 1) -> list[np.ndarray]:
    """For each of the window's positions k, c_k: how many pairs of the window equal the pair at position k.

    Args:
        packed: uint16, a strip of `_strips`. window: its side. itself: what a count starts from, modulo 256.

    Returns:
        window ** 2 flat uint8 planes, a byte for every center from the strip's first to its last (see `_crop`).
    """
    radius = window // 2
    # Flat planes make every displacement one contiguous slice; rows run into each other only outside the window.
    width, flat = packed.shape[1], packed.reshape(-1)
    reach = range(-2 * radius, 2 * radius + 1)
    margin = 2 * radius * (width + 1)
    equal = {(0, 0): np.full(flat.size, itself % 256, np.uint8)}
    for dy in range(2 * radius + 1):
        for dx in reach:
            shift = dy * width + dx
            if dy > 0 or dx > 0:
                plane = np.empty(margin + flat.size, np.uint8)
                np.equal(flat[:-shift], flat[shift:], out=plane[margin:-shift].view(bool))
                equal[dy, dx] = plane[margin:]
                equal[-dy, -dx] = plane[margin - shift : -shift]

    rows = {dy: _window_sums([equal[dy, dx] for dx in reach], window) for dy in reach}
    columns = [_window_sums([rows[dy][x] for dy in reach], window) for x in range(window)]
    first = radius * (width + 1)
    counts = []
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            # Seen from position (y, x) the window spans displacements -radius - y .. radius - y, and x likewise.
            start = first + y * width + x
            counts.append(columns[radius - x][radius - y][start : start + flat.size - 2 * first])
    return counts


def _crop(flat: np.ndarray, strip: np.ndarray, radius: int) -> np.ndarray:
    """Lays a flat plane of `_pair_counts` out as the strip's rows without their padding."""
    height, width = strip.shape[0] - 2 * radius, strip.shape[1]
    whole = np.empty(height * width, flat.dtype)
    whole[: flat.size] = flat
    return whole.reshape(height, width)[:, : width - 2 * radius]


def _window_sums(planes: list[np.ndarray], window: int) -> list[np.ndarray]:
    """Sums of every `window` consecutive planes."""
    sums = []
    for start in range(len(planes) - window + 1):
        total = planes[start] + planes[start + 1]
        for plane in planes[start + 2 : start + window]:
            np.add(total, plane, out=total)
        sums.append(total)
    return sums


def _check(gray: np.ndarray, window: int, border: str) -> None:
    if border not in BORDERS:
        raise InputError(f"entropy border must be one of {', '.join(BORDERS)}. Received: {border!r}")
    if window % 2 == 0 or not 3 <= window <= 9:
        raise InputError(f"entropy window must be an odd number from 3 to 9. Received: {window!r}")
    if not isinstance(gray, np.ndarray) or gray.dtype != np.uint8 or gray.ndim != 2 or min(gray.shape) < window:
        received = f"{gray.dtype} {gray.shape}" if isinstance(gray, np.ndarray) else type(gray).__name__
        raise InputError(
            f"entropy needs a gray uint8 image (height, width) of at least {window} px. Received: {received}"
        )
