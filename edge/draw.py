"""Boxes with readable labels on frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.detection import Detection
from edge.frame_result import FrameResult
from edge.preprocess import to_bgr

# BGR; neighbours in the list differ in hue and brightness. Classes beyond the last begin again.
COLOURS = (
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


def class_colour(class_id: int) -> tuple[int, int, int]:
    """The BGR colour of a class."""
    return COLOURS[class_id % len(COLOURS)]


def draw_boxes(
    frame: np.ndarray,
    boxes: Sequence[Sequence[float]] | np.ndarray,
    texts: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """Draws boxes with a text each.

    Args:
        frame: uint8 (height, width, 3) BGR, gray or BGRA, see `edge.preprocess.to_bgr`.
        boxes: (n, 4): x1, y1, x2, y2 in pixels.
        texts: n texts above the boxes; an empty one draws no label.
        colours: n BGR colours.

    Returns:
        A new BGR frame; line width and letters grow with its size.
    """
    canvas = to_bgr(frame).copy()
    line = max(1, round(min(frame.shape[:2]) / 250))
    # The best box comes first and is drawn last, on top.
    for box, text, colour in reversed(list(zip(boxes, texts, colours, strict=True))):
        x1, y1, x2, y2 = (round(float(side)) for side in box)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, line, cv2.LINE_AA)
        if text:
            _draw_label(canvas, text, x1, y1, colour)
    return canvas


def draw_detections(frame: np.ndarray, result: FrameResult, status: str = "") -> np.ndarray:
    """Draws a result's boxes with label, track number where there is one, and score, in a colour per class.

    Args:
        frame: uint8 (height, width, 3) BGR, gray or BGRA: the frame the result is about.
        status: a line for the upper left corner, for example the frame rate.

    Returns:
        A new frame.
    """
    found = result.detections
    canvas = draw_boxes(
        frame,
        [detection.box for detection in found],
        [_text(detection) for detection in found],
        [class_colour(detection.class_id) for detection in found],
    )
    if status:
        _draw_label(canvas, status, 0, 0, (40, 40, 40))
    return canvas


def _text(detection: Detection) -> str:
    number = "" if detection.track_id is None else f" #{detection.track_id}"
    return f"{detection.label}{number} {detection.score:.2f}"


def _draw_label(canvas: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """A line of text on a filled plate, its lower left corner at (x, y) where the frame has room for it."""
    height, width = canvas.shape[:2]
    size = min(max(min(height, width) / 900, 0.35), 2.0)
    thickness = max(1, round(size * 1.6))
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, size, thickness)
    pad = max(2, baseline // 2)
    plate = text_width + 2 * pad, text_height + baseline + 2 * pad
    left = max(0, min(x, width - plate[0]))
    top = y - plate[1] if y >= plate[1] else max(0, min(y, height - plate[1]))
    cv2.rectangle(canvas, (left, top), (left + plate[0], top + plate[1]), colour, cv2.FILLED)
    # ITU-R BT.601 luma of the plate decides between black and white letters.
    dark = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2] > 128
    ink = (0, 0, 0) if dark else (255, 255, 255)
    cv2.putText(canvas, text, (left + pad, top + pad + text_height), _FONT, size, ink, thickness, cv2.LINE_AA)
