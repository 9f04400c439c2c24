"""How fast an object moves, by how much its boxes overlap over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_sge.data.dataset import NO_TRACK, FrameLabels

# Frames on either side that count (Zhu et al., "Flow-Guided Feature Aggregation", section 5.1).
WINDOW = 10
# Motion IoU above the first is slow, below the second fast, medium from one to the other.
SLOW, FAST = 0.9, 0.7


def motion_iou(labels: Sequence[FrameLabels]) -> list[np.ndarray]:
    """An object's mean IoU with itself in the frames t - 10 .. t + 10, t left out.

    Args:
        labels: every frame of one video, in order.

    Returns:
        For each frame float64 (n,) from 0 to 1, in the order of its boxes; NaN where there is no track, or it is in no
        other frame of the window, or names several boxes of one frame anywhere in the video and so no single object.
    """
    labels = list(labels)
    counts = [len(frame.boxes) for frame in labels]
    result = np.full(sum(counts), np.nan)
    if not len(result):
        return [np.empty(0) for _ in labels]
    boxes = np.concatenate([frame.boxes for frame in labels]).astype(np.float64)
    tracks = np.concatenate([frame.tracks for frame in labels])
    frames = np.repeat(np.arange(len(labels)), counts)
    for track in np.unique(tracks[tracks != NO_TRACK]):
        own = np.flatnonzero(tracks == track)
        times = frames[own] - frames[own[0]]
        if len(set(times.tolist())) == len(own):
            result[own] = _track_motion(boxes[own], times)
    return np.split(result, np.cumsum(counts)[:-1])


def _track_motion(boxes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n, 4) corners at ascending frames (n,) -> (n,)."""
    line = np.full((times[-1] + 1, 4), np.nan)
    line[times] = boxes
    total, seen = np.zeros(len(line)), np.zeros(len(line))
    for step in range(1, min(WINDOW, len(line) - 1) + 1):
        overlap = _iou(line[:-step], line[step:])
        there = ~np.isnan(overlap)
        overlap[~there] = 0
        for part in (slice(None, -step), slice(step, None)):
            total[part] += overlap
            seen[part] += there
    mean = np.divide(total, seen, out=np.full(len(line), np.nan), where=seen > 0)
    return mean[times]


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU pair by pair: (n, 4) corners with positive sides twice -> (n,); NaN where either is NaN."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return intersection / (areas[0] + areas[1] - intersection)
