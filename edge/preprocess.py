"""A frame's way to the network: to BGR, resized, normalized or quantized, with its entropy attention."""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np

from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.metadata import Metadata
from edge.scene_cut import thumbnail

# By the number of channels.
_CONVERSIONS = {1: cv2.COLOR_GRAY2BGR, 4: cv2.COLOR_BGRA2BGR}


@dataclass(frozen=True)
class PreparedFrame:
    """A frame that is ready for the network; it belongs to no stream yet.

    Attributes:
        frame: uint8 (height, width, 3) BGR: the frame itself, or what was made of one that was gray or BGRA.
        inputs: the network's inputs without the states, by name.
        thumbnail: for `edge.scene_cut`; None where cuts are not detected.
        timings: milliseconds of the stages so far.
    """

    frame: np.ndarray
    inputs: dict[str, np.ndarray]
    thumbnail: np.ndarray | None
    timings: dict[str, float]


class Preprocessor:
    """Prepares frames for one network. Several threads may call it at once.

    Args:
        metadata: of the model. quantization: of its runtime: whether `image` and `attention` are int8, and how.
    """

    def __init__(self, metadata: Metadata, quantization: dict[str, tuple[float, int]]):
        self._metadata, self._quantization = metadata, quantization
        # Image arrays that are free again; a new one for every frame would cost its pages.
        self._images: deque[np.ndarray] = deque()

    def __call__(self, frame: np.ndarray, detect_cuts: bool = False, decode_ms: float | None = None) -> PreparedFrame:
        """Prepares a frame.

        Args:
            frame: uint8, any size: (height, width, 3) BGR as OpenCV gives it, or gray or BGRA, see `to_bgr`.
            detect_cuts: also make the thumbnail that `edge.scene_cut` compares.
            decode_ms: what getting the frame took, for the timings; None leaves it out.

        Raises:
            InputError: `frame` is not such an array.
        """
        frame = to_bgr(frame)
        timings = {} if decode_ms is None else {"decode": decode_ms}
        start = perf_counter()
        image = self._free_image()
        size = self._metadata.height, self._metadata.width, self._metadata.mean, self._metadata.scale
        if "image" in self._quantization:
            resized, _ = quantized_network_input(frame, *size, self._quantization["image"], out=image)
        else:
            resized, _ = network_input(frame, *size, out=image)
        small = thumbnail(resized) if detect_cuts else None
        timings["preprocess"] = (perf_counter() - start) * 1e3
        inputs = {"image": image}
        if self._metadata.entropy is not None:
            start = perf_counter()
            attention = entropy_attention(resized, self._metadata.entropy)[None, :, :, None]
            if "attention" in self._quantization:
                attention = quantize(attention, *self._quantization["attention"])
            inputs["attention"] = attention
            timings["entropy"] = (perf_counter() - start) * 1e3
        return PreparedFrame(frame, inputs, small, timings)

    def recycle(self, prepared: PreparedFrame) -> None:
        """Reuses a prepared frame's image array; it must not be used again."""
        self._images.append(prepared.inputs["image"])

    def _free_image(self) -> np.ndarray:
        try:
            return self._images.popleft()
        except IndexError:
            dtype = np.int8 if "image" in self._quantization else np.float32
            return np.empty((1, self._metadata.height, self._metadata.width, 3), dtype)


def to_bgr(frame: np.ndarray) -> np.ndarray:
    """A frame as everything here takes it, from what cameras and OpenCV give.

    Args:
        frame: uint8 (h, w, 3) BGR, (h, w) or (h, w, 1) gray, (h, w, 4) BGRA, whose alpha is left out.

    Returns:
        uint8 (h, w, 3) BGR; `frame` itself where it is that.

    Raises:
        InputError: `frame` is none of these, or empty.
    """
    expected = (
        "expected a uint8 array of shape (height, width, 3) in BGR order, as cv2.imread gives it, or gray "
        "(height, width) or (height, width, 1), or BGRA (height, width, 4)."
    )
    if not isinstance(frame, np.ndarray):
        # cv2.imread and VideoCapture.read answer None for what they cannot read.
        raise InputError(f"received {type(frame).__name__} as a frame; {expected}")
    channels = 1 if frame.ndim == 2 else frame.shape[-1]
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or channels not in (1, 3, 4) or frame.size == 0:
        raise InputError(f"received a frame of dtype {frame.dtype} and shape {frame.shape}; {expected}")
    return frame if channels == 3 else cv2.cvtColor(frame, _CONVERSIONS[channels])


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes without letterbox: the sides scale on their own, as the paper's and SSD's inputs do.

    Shrinking first halves (a 2x2 mean, which OpenCV does fast) while at least half a side is to go, then interpolates:
    close to INTER_AREA's picture, without bilinear's aliasing, at 1.4 ms instead of 9.9 for 1080p to 192 on one thread.

    Args:
        frame: uint8 (h, w, c) or (h, w).
        height, width: of the result.

    Returns:
        uint8 (height, width, c); `frame` itself where it has this size.
    """
    while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
        frame = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_LINEAR)
    if frame.shape[:2] == (height, width):
        return frame
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)


def network_input(
    frame: np.ndarray, height: int, width: int, mean: float, scale: float, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Resizes and normalizes one frame.

    Args:
        frame: uint8 (h, w, 3), BGR.
        height, width, mean, scale: of the model's metadata; a value x becomes (x - mean) / scale.
        out: float32 (1, height, width, 3) to write to, or None for a new one.

    Returns:
        The resized frame, uint8 (height, width, 3) BGR, and the float32 (1, height, width, 3) RGB input.
    """
    resized = resize_frame(frame, height, width)
    rgb = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    if out is None:
        out = np.empty((1, height, width, 3), np.float32)
    np.multiply(rgb, np.float32(1 / scale), out=out[0])
    np.subtract(out, np.float32(mean / scale), out=out)
    return resized, out


def quantized_network_input(
    frame: np.ndarray,
    height: int,
    width: int,
    mean: float,
    scale: float,
    quantization: tuple[float, int],
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`network_input` for files that take int8: one table lookup, no float in between.

    Args:
        frame, height, width, mean, scale: see `network_input`.
        quantization: scale and zero point of the file's image tensor.
        out: int8 (1, height, width, 3) to write to, or None for a new one.

    Returns:
        The resized frame, uint8 (height, width, 3) BGR, and the int8 (1, height, width, 3) RGB input.
    """
    resized = resize_frame(frame, height, width)
    rgb = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    if out is None:
        out = np.empty((1, height, width, 3), np.int8)
    cv2.LUT(rgb, _pixel_codes(mean, scale, *quantization), out[0])
    return resized, out


@functools.lru_cache(maxsize=8)
def _pixel_codes(mean: float, scale: float, tensor_scale: float, zero_point: int) -> np.ndarray:
    codes = (np.arange(256) - mean) / scale / tensor_scale + zero_point
    # At the usual scale 1/127.5 every code ends in .5: rounding all halves down keeps the 256 values apart.
    return np.clip(np.ceil(np.round(codes, 3) - 0.5), -128, 127).astype(np.int8)


# Between real numbers and the integers of a quantized tensor: real = (raw - zero point) * scale.


def quantize(values: np.ndarray, scale: float, zero_point: int, dtype: np.dtype | type = np.int8) -> np.ndarray:
    """Real values as the nearest integers of `dtype`; what lies outside becomes its first or last value."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(raw: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Integers as float32; a tensor without a scale, as float ones are, stays as it is."""
    return (raw.astype(np.float32) - zero_point) * np.float32(scale) if scale else raw
