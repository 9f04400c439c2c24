"""Track numbers: which detections of a stream's frames are the same object."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.boxes import iou_matrix
from edge.results import Detection

# Boxes are enlarged by this share of their sides, each way, before their overlap is taken: small, fast objects
# otherwise miss their own last box.
MARGIN = 0.5
# Overlap from which a detection may continue a track, and what it counts when the class differs: a small object's class
# flickers, two objects that touch rarely swap theirs.
LEAST_OVERLAP = 0.15
OTHER_CLASS = 0.6
# Share of the difference between measured and expected velocity that one frame adds.
VELOCITY_GAIN = 0.4
# Seconds between frames without a time, and the least that counts as one.
STEP_SECONDS = 1 / 30
LEAST_STEP_SECONDS = 1e-3


@dataclass
class _Track:
    """box: (4,) corners when last seen. velocity: (2,) pixels per second. seen: seconds."""

    number: int
    class_id: int
    box: np.ndarray
    velocity: np.ndarray
    seen: float
    hits: int = 1


class Tracker:
    """Numbers the tracks of one stream: overlap, class and constant velocity, in two stages.

    Each track is moved on by its velocity. First detections of `start_score` or more, then the weaker ones, continue
    the free tracks that they overlap, best overlap first; a strong detection left over starts a track, a weak one keeps
    no number. A track that is not seen for `patience` seconds is forgotten. Equal input gives equal numbers.

    The two stages are those of Zhang et al., "ByteTrack", the enlarged boxes those of Yang et al., "Hard to Track
    Objects with Irregular Motions and Similar Appearances? Make It Easier by Buffering the Matching Space".

    Args:
        start_score: from which score a detection starts a track; by default each one does that the detector gives.
        patience: seconds for which a track is remembered unseen.
        last_number: the highest number given before, where a record of earlier tracks goes on.

    Example:
        tracker = Tracker(detector.metadata.score_threshold)
        for result in detector.stream(source):
            if result.another_scene:
                tracker.forget()
            detections = tracker(result.detections, result.time)
    """

    def __init__(self, start_score: float = 0.0, patience: float = 1.0, last_number: int = 0):
        self._start_score, self._patience, self._last_number = start_score, patience, last_number
        self.reset()

    def reset(self) -> None:
        """Starts over, as a new tracker: the next track is number 1, or the one after `last_number`."""
        self.forget()
        self._next_number = self._last_number + 1

    def forget(self) -> None:
        """Ends all tracks, for another scene; numbers go on and are not used again.

        A reset of the network's state is no reason by itself, see `edge.FrameResult.another_scene`.
        """
        self._tracks: list[_Track] = []
        self._now: float | None = None
        self._given: float | None = None

    def __call__(self, detections: Sequence[Detection], time: float | None = None) -> tuple[Detection, ...]:
        """The next frame's detections in their order, with `track_id` set.

        Args:
            time: the frame's, in seconds; None, and times that do not move on, count as 1/30 s after the last frame's.
                One that is more than `patience` before the last one's is of another recording, and ends all tracks.
        """
        if time is not None:
            if self._given is not None and time < self._given - self._patience:
                self.forget()
            self._given = time
        now = self._now = self._moved_on(time)
        self._tracks = [track for track in self._tracks if now - track.seen <= self._patience]
        boxes = np.array([detection.box for detection in detections], np.float64).reshape(-1, 4)
        classes = np.array([detection.class_id for detection in detections], np.int64)
        strong = np.array([detection.score >= self._start_score for detection in detections], bool)
        numbers: list[int | None] = [None] * len(detections)
        affinity = self._affinity(boxes, classes, now)
        taken = np.zeros(len(self._tracks), bool)
        for stage in (strong, ~strong):
            for row, column in _pairs(affinity, stage, taken):
                track = self._tracks[column]
                _continue(track, boxes[row], int(classes[row]), now)
                numbers[row] = track.number
        for row in np.flatnonzero(strong).tolist():
            if numbers[row] is None:
                numbers[row] = self._next_number
                self._tracks.append(_Track(self._next_number, int(classes[row]), boxes[row], np.zeros(2), now))
                self._next_number += 1
        return tuple(
            dataclasses.replace(detection, track_id=number)
            for detection, number in zip(detections, numbers, strict=True)
        )

    def _moved_on(self, time: float | None) -> float:
        if self._now is None:
            return 0.0 if time is None else time
        # Nearly equal times would make a velocity out of rounding.
        return time if time is not None and time - self._now > LEAST_STEP_SECONDS else self._now + STEP_SECONDS

    def _affinity(self, boxes: np.ndarray, classes: np.ndarray, now: float) -> np.ndarray:
        """(detections, tracks): overlap of the enlarged boxes, less where the class differs."""
        if not len(boxes) or not self._tracks:
            return np.zeros((len(boxes), len(self._tracks)))
        moved = np.array([track.box + np.tile(track.velocity * (now - track.seen), 2) for track in self._tracks])
        overlap = iou_matrix(_enlarge(boxes), _enlarge(moved))
        same = classes[:, None] == np.array([track.class_id for track in self._tracks])[None]
        return np.where(same, overlap, OTHER_CLASS * overlap)


def _continue(track: _Track, box: np.ndarray, class_id: int, now: float) -> None:
    measured = (_center(box) - _center(track.box)) / (now - track.seen)
    # Before the second step nothing is known of the velocity.
    gain = 1.0 if track.hits == 1 else VELOCITY_GAIN
    track.velocity = track.velocity + gain * (measured - track.velocity)
    track.box, track.class_id, track.seen = box, class_id, now
    track.hits += 1


def _pairs(affinity: np.ndarray, rows: np.ndarray, taken: np.ndarray) -> list[tuple[int, int]]:
    """Greedy matching of the rows that are True with the columns that are free, best first; marks columns as taken."""
    matched = []
    free_rows = rows.copy()
    candidates = np.argwhere((affinity >= LEAST_OVERLAP) & rows[:, None] & ~taken[None])
    order = np.argsort(-affinity[candidates[:, 0], candidates[:, 1]], kind="stable")
    for row, column in candidates[order].tolist():
        if free_rows[row] and not taken[column]:
            free_rows[row], taken[column] = False, True
            matched.append((row, column))
    return matched


def _enlarge(boxes: np.ndarray) -> np.ndarray:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return boxes + MARGIN * sides * np.array([-1.0, -1.0, 1.0, 1.0])


def _center(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2
