"""How steadily objects are found and named along their tracks: what a viewer sees, and mAP does not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from keras_sge.data.dataset import NO_TRACK
from keras_sge.evaluation.matches import match
from keras_sge.evaluation.records import DetectionRecords

# Of a detection that counts as an answer; chosen on no data set.
ANSWER_SCORE = 0.3
# Figure -> what it is, as a table's column says it.
STABILITY = {
    "label_switches": "label switches per 100 frames",
    "losses": "losses per 100 frames",
    "seconds_to_right": "seconds until right",
    "wrong_tracks": "wrong tracks",
    "never_right": "never right",
}
STABILITY_PROTOCOL = (
    f"stability: an object's answer is the best detection of any class with a score of {ANSWER_SCORE} or above, from "
    "the best down each given to the free object that it overlaps most, at IoU 0.5 or above; of tracks, all frames of "
    "all tracks together: answers of another class than the last one's and frames without an answer behind one with, "
    "per 100 labelled frames; mean time from the first labelled frame to the first answer of the right class, a track "
    "that never has one counting with its whole length; shares of tracks with the wrong class in more than half of "
    "their answers, and of tracks without a right one"
)


@dataclass(frozen=True)
class TrackRecords:
    """What became of each labelled track, arrays of one entry a track.

    Attributes:
        videos: index of its video. frames: how many of its frames are labelled and scored.
        switches: how often its answer has another class than the answer before, however long ago that was.
        losses: how often a frame without an answer follows one with.
        seconds: from its first frame to the first answer of the right class, or to its end where there is none; NaN
            where the frames per second are not known.
        wrong: whether more than half of its answers have the wrong class. never_right: whether all have, or there is
            none.
    """

    videos: np.ndarray
    frames: np.ndarray
    switches: np.ndarray
    losses: np.ndarray
    seconds: np.ndarray
    wrong: np.ndarray
    never_right: np.ndarray

    def terms(self, figure: str) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator of each track: a figure of `STABILITY` is the ratio of their sums."""
        ones = np.ones(len(self.frames))
        return {
            "label_switches": (100.0 * self.switches, self.frames.astype(np.float64)),
            "losses": (100.0 * self.losses, self.frames.astype(np.float64)),
            "seconds_to_right": (self.seconds, ones),
            "wrong_tracks": (self.wrong.astype(np.float64), ones),
            "never_right": (self.never_right.astype(np.float64), ones),
        }[figure]


def stability_figures(records: DetectionRecords) -> dict[str, float]:
    """The figures of `STABILITY` over all tracks; NaN where there is no track, or no time to measure with."""
    tracks, figures = track_records(records), {}
    for figure in STABILITY:
        over, under = (term.sum() for term in tracks.terms(figure))
        figures[figure] = float(over / under) if under else float("nan")
    return figures


def track_records(records: DetectionRecords) -> TrackRecords:
    """What became of each track, in the order of videos and track numbers; objects without one are left out."""
    frame_of = np.repeat(np.arange(len(records)), records.true_counts)
    video, frame = records.videos[frame_of], records.frame_ids[frame_of]
    order = np.lexsort((frame, records.true_tracks, video))
    order = order[records.true_tracks[order] != NO_TRACK]
    video, frame, track = video[order], frame[order], records.true_tracks[order]
    answer = answers(records)[order]
    found, right = answer >= 0, answer == records.true_classes[order]
    same = np.zeros(len(order), bool)
    same[1:] = (video[1:] == video[:-1]) & (track[1:] == track[:-1])
    number, count = np.cumsum(~same) - 1, int(np.count_nonzero(~same))
    first = np.flatnonzero(~same)

    def per_track(marks: np.ndarray) -> np.ndarray:
        return np.bincount(number[marks], minlength=count)

    lost = same & ~found
    lost[1:] &= found[:-1]
    # The answer before, within the track.
    answered_at = np.flatnonzero(found)
    before, after = answered_at[:-1], answered_at[1:]
    switched = after[(number[before] == number[after]) & (answer[before] != answer[after])]
    answered, named = per_track(found), per_track(right)
    length = frame[np.append(first[1:], len(order)) - 1] - frame[first] + 1 if count else np.zeros(0)
    begin = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(begin, number[right], frame[right] - frame[first][number[right]])
    return TrackRecords(
        videos=video[first],
        frames=np.bincount(number, minlength=count),
        switches=np.bincount(number[switched], minlength=count),
        losses=per_track(lost),
        seconds=np.where(named > 0, begin, length) / records.fps[video[first]].astype(np.float64),
        wrong=2 * (answered - named) > answered,
        never_right=named == 0,
    )


def answers(records: DetectionRecords) -> np.ndarray:
    """int64 (m,): the class that each object is answered with, -1 for none; see `STABILITY_PROTOCOL`."""
    frames = []
    for frame in records:
        sure = frame.scores >= ANSWER_SCORE
        nothing = frame.ignored[:0], frame.ignored_classes[:0]
        alike = np.zeros(int(sure.sum()), np.int64), np.zeros(len(frame.true_classes), np.int64)
        frames.append(
            dataclasses.replace(
                frame,
                boxes=frame.boxes[sure],
                scores=frame.scores[sure],
                classes=alike[0],
                true_classes=alike[1],
                ignored=nothing[0],
                ignored_classes=nothing[1],
            )
        )
    # Every class is one: an answer is right or wrong, but it is the object's.
    matches = match(frames)
    classes = records.classes[records.scores >= ANSWER_SCORE].astype(np.int64)
    answer, matched = np.full(len(records.true_classes), -1, np.int64), matches.matched >= 0
    answer[matches.matched[matched]] = classes[matches.position[matched]]
    return answer
