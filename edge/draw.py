"""Boxes with readable labels on frames, and frames side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.preprocess import to_bgr
from edge.results import Detection, FrameResult

# BGR; neighbours in the list differ in hue and brightness. They repeat for classes beyond the last.
COLORS = (
    (60, 180, 255),
    (90, 220, 60),
    (255, 140, 40),
    (200, 80, 240),
    (40, 60, 230),
    (230, 230, 50),
    (150, 150, 255),
    (80, 150, 30),
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Pixels: a frame whose shorter side has fewer is enlarged, or its labels would hide what they name.
LEAST_SIDE = 320
_CAPTION_COLOR = (40, 40, 40)


def class_color(class_id: int) -> tuple[int, int, int]:
    """The BGR color of a class."""
    return COLORS[class_id % len(COLORS)]


def draw_boxes(
    frame: np.ndarray,
    boxes: Sequence[Sequence[float]] | np.ndarray,
    texts: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """Draws boxes with a text each. No text hides another: the first boxes get the best positions, and where a crowd
    leaves none, a box has no text.

    Args:
        frame: uint8 (height, width, 3) BGR, gray or BGRA, see `edge.preprocess.to_bgr`.
        boxes: (n, 4): x1, y1, x2, y2 in pixels; best first.
        texts: n texts beside the boxes; an empty one draws no label, one wider than the frame loses its beginning.
        colors: n BGR colors.

    Returns:
        A new BGR frame; line width and letters grow with its size.
    """
    canvas = to_bgr(frame).copy()
    height, width = frame.shape[:2]
    line = max(1, round(min(height, width) / 250))
    # So that the whole line of a box at the border is visible.
    most = np.tile([width - 1 - line // 2, height - 1 - line // 2], 2)
    corners = np.clip(np.reshape(boxes, (-1, 4)).round().astype(int), line // 2, most)
    entries = list(zip(corners, texts, colors, strict=True))
    # The best box is drawn last, on top; all labels are above all boxes.
    for box, _, color in reversed(entries):
        cv2.rectangle(canvas, tuple(box[:2].tolist()), tuple(box[2:].tolist()), color, line, cv2.LINE_AA)
    taken = np.empty((0, 4), int)
    for box, text, color in entries:
        if not text:
            continue
        text, size = _fitting(text, canvas)
        place = _free_place(box, size, (width, height), taken, corners)
        if place is not None:
            taken = np.vstack([taken, place])
            _draw_plate(canvas, text, place, color)
    return canvas


def draw_detections(frame: np.ndarray, result: FrameResult, scale: float | None = None) -> np.ndarray:
    """Draws a result's boxes with label, track number where there is one, and score, in a color per class.

    Args:
        frame: uint8 (height, width, 3) BGR, gray or BGRA: the frame the result is about.
        scale: of the picture against the frame, above 0; None takes 1, or for a frame of less than `LEAST_SIDE` pixels
            the whole number that brings its shorter side there.

    Returns:
        A new picture.
    """
    frame = to_bgr(frame)
    height, width = frame.shape[:2]
    if scale is None:
        scale = -(-LEAST_SIDE // min(height, width))
    if scale != 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    found = result.detections
    return draw_boxes(
        frame,
        [[scale * side for side in detection.box] for detection in found],
        [_text(detection) for detection in found],
        [class_color(detection.class_id) for detection in found],
    )


def with_caption(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text in a strip of its own below it; a text that is too wide loses its beginning."""
    text, (_, height) = _fitting(text, picture)
    strip = np.empty((height, *picture.shape[1:]), np.uint8)
    strip[:] = _CAPTION_COLOR
    _draw_plate(strip, text, (0, 0, strip.shape[1], height), _CAPTION_COLOR, like=picture)
    return np.vstack([picture, strip])


def resize_to_fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture, shrunk or enlarged to fit (width, height), its own sides' ratio kept."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def letterbox(picture: np.ndarray, size: tuple[int, int], fill: int = 0) -> np.ndarray:
    """The picture, resized to fit (width, height), in the middle of bars of one gray value."""
    inner = resize_to_fit(picture, size)
    height, width = inner.shape[:2]
    canvas = np.full((size[1], size[0], 3), fill, np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    canvas[top : top + height, left : left + width] = inner
    return canvas


def picture_grid(pictures: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Pictures in one, row by row, in cells of the largest one's size on white.

    Args:
        pictures: uint8 (height, width, 3), BGR, of any sizes, at least one. columns: at least 1. gap: pixels between.
    """
    height, width = (max(picture.shape[axis] for picture in pictures) + gap for axis in (0, 1))
    rows, columns = -(-len(pictures) // columns), min(columns, len(pictures))
    sheet = np.full((rows * height - gap, columns * width - gap, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _text(detection: Detection) -> str:
    number = "" if detection.track_id is None else f" #{detection.track_id}"
    return f"{detection.label}{number} {detection.score:.2f}"


def _letters(picture: np.ndarray) -> tuple[float, int, int]:
    """Size and thickness of a picture's letters, and the room around them in pixels."""
    size = min(max(min(picture.shape[:2]) / 900, 0.4), 2.0)
    return size, max(1, round(size * 1.6)), max(2, round(size * 6))


def _fitting(text: str, picture: np.ndarray) -> tuple[str, tuple[int, int]]:
    """The text, or what of its end the picture has room for, and (width, height) of its plate."""
    size, thickness, pad = _letters(picture)
    cut = text
    while True:
        (width, _), _ = cv2.getTextSize(cut, _FONT, size, thickness)
        # Every text of a picture has the height of the same letters.
        (_, height), baseline = cv2.getTextSize("Ag", _FONT, size, thickness)
        if width + 2 * pad <= picture.shape[1] or len(text) < 2:
            return cut, (width + 2 * pad, height + baseline + pad)
        text = text[1:]
        cut = f"..{text}"


def _free_place(
    box: np.ndarray, size: tuple[int, int], frame: tuple[int, int], taken: np.ndarray, boxes: np.ndarray
) -> np.ndarray | None:
    """Where a label of (width, height) goes: the place beside or in its box that hides no other label and the least of
    all boxes; None where every place is taken.

    Args:
        frame: (width, height). taken: (k, 4), the labels so far. boxes: (n, 4), all of them.
    """
    (x1, y1, x2, y2), (width, height) = box.tolist(), size
    right, below = x2 - width + 1, y2 - height + 1
    corners = [
        (x1, y1 - height), (x1, y2 + 1), (right, y1 - height), (right, y2 + 1),
        (x2 + 1, y1), (x1 - width, y1), (x2 + 1, below), (x1 - width, below),
        (x1, y1), (x1, below), (right, y1), (right, below),
    ]  # fmt: skip
    left_top = np.clip(corners, 0, np.maximum(np.subtract(frame, size), 0))
    places = np.hstack([left_top, left_top + size])
    free = places[_overlaps(places, taken).sum(1) == 0]
    if not len(free):
        return None
    return free[_overlaps(free, boxes).sum(1).argmin()]


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len(a), len(b)): pixels that two rectangles have in common."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return np.maximum(sides, 0).prod(2)


def _draw_plate(
    canvas: np.ndarray,
    text: str,
    place: Sequence[int] | np.ndarray,
    color: tuple[int, int, int],
    like: np.ndarray | None = None,
) -> None:
    """A line of text on a filled plate at x1, y1, x2, y2; letters are those of the picture `like`, or of the canvas."""
    size, thickness, pad = _letters(canvas if like is None else like)
    left, top, right, bottom = (int(side) for side in place)
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), color, cv2.FILLED)
    # ITU-R BT.601 luma of the plate decides between black and white letters.
    dark = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 128
    ink = (0, 0, 0) if dark else (255, 255, 255)
    (_, _), baseline = cv2.getTextSize("Ag", _FONT, size, thickness)
    origin = left + pad, bottom - baseline - pad // 2
    cv2.putText(canvas, text, origin, _FONT, size, ink, thickness, cv2.LINE_AA)
