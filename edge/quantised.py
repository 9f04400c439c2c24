"""Between real numbers and the integers of a quantised tensor: real = (raw - zero point) * scale."""

from __future__ import annotations

import numpy as np


def to_raw(values: np.ndarray, scale: float, zero_point: int, dtype: np.dtype | type = np.int8) -> np.ndarray:
    """Real values as the nearest integers of `dtype`; what lies outside becomes its first or last value."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype)


def to_real(raw: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Integers as float32; a tensor without a scale, as float ones are, stays as it is."""
    return (raw.astype(np.float32) - zero_point) * np.float32(scale) if scale else raw
