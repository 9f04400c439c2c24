"""What sinks are given in tests, and the lines that they write."""

from __future__ import annotations

import numpy as np

from edge.results import Detection, FrameResult, StreamEvent
from edge.sinks.json_lines import read_json_lines

EVENT = StreamEvent("lost", 1.25, 3, "gone")


def result(frame_id=0, size=(48, 64), time=None):
    """A frame with one disc."""
    detections = (Detection("disc", 1, 0.5, (4.0, 20.0, 30.0, 40.0)),)
    return FrameResult(
        frame_id, frame_id / 10 if time is None else time, detections, {}, np.full((*size, 3), 90, np.uint8)
    )


def lines(path):
    """The file's documents without its headers."""
    return [line for line in read_json_lines(path) if "format" not in line]
