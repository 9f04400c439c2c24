"""What a data set holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.video.orientation import UPRIGHT
from keras_sge.data.dataset import NO_TRACK, VideoDataset
from keras_sge.data.motion import FAST, SLOW, motion_iou
from keras_sge.progress import Progress, no_progress

_PERCENTILES = (5, 25, 50, 75, 95)


def check_videos(
    dataset: VideoDataset,
    read_frames: bool = True,
    progress: Progress = no_progress,
) -> DataReport:
    """Parses the labels of every video and, if asked, decodes its first and its last frame.

    Args:
        dataset: any videos. read_frames: whether frames are decoded. progress: around the videos' indices.

    Returns:
        The figures; a mistake ends a video's check and stands in `problems`, it does not end the others'.
    """
    frames = empty = tracks = untracked = turned = unlabelled = ignored = 0
    frame_sizes: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    boxes, classes, motion = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.int32)], [np.zeros(0)]
    problems, wrong = [], set()
    for index in progress(range(len(dataset))):
        try:
            video, labels = dataset.videos[index], list(dataset.labels(index))
            frames += len(labels)
            unlabelled += len(video.unlabelled)
            empty += sum(not len(frame.boxes) for frame in labels) - len(video.unlabelled)
            ignored += sum(len(frame.ignored) for frame in labels)
            changes.update(change for frame in labels for change in frame.changes)
            turned += video.orientation != UPRIGHT
            frame_sizes[f"{video.width} x {video.height}"] += 1
            numbers = np.concatenate([frame.tracks for frame in labels])
            tracks += len(np.unique(numbers[numbers != NO_TRACK]))
            untracked += int((numbers == NO_TRACK).sum())
            corners = np.concatenate([frame.boxes for frame in labels])
            boxes.append((corners / np.tile([video.width, video.height], 2)).astype(np.float32))
            classes.append(np.concatenate([frame.classes for frame in labels]))
            motion += motion_iou(labels)
            for frame in {0, video.length - 1} if read_frames else ():
                dataset.read(index, frame, frame + 1)
        except (InputError, OSError) as error:
            problems.append(str(error))
            wrong.add(index)
    return DataReport(
        classes=dataset.classes,
        clips=len(dataset),
        frames=frames,
        empty_frames=empty,
        unlabelled_frames=unlabelled,
        ignored_regions=ignored,
        changes=dict(sorted(changes.items())),
        turned_clips=turned,
        tracks=tracks,
        untracked=untracked,
        frame_sizes=dict(frame_sizes.most_common()),
        boxes=np.concatenate(boxes),
        box_classes=np.concatenate(classes),
        motion=np.concatenate(motion),
        problems=tuple(problems),
        wrong_videos=frozenset(wrong),
        notes=dataset.notes,
    )


@dataclass(frozen=True)
class DataReport:
    """The figures of one split; videos whose labels are wrong are counted in `clips` only.

    Attributes:
        classes: class names. clips, frames, empty_frames: how many; empty are labelled frames without an object.
        unlabelled_frames: that nobody has labelled. ignored_regions: such as COCO's crowds.
        changes: what became of entries of the files that were not taken as they are -> how many.
        turned_clips: whose labels were made for the frames as they are stored, and were turned upright with them.
        tracks: objects with an identity of their own within a video. untracked: boxes whose labels name none.
        frame_sizes: "WIDTH x HEIGHT" -> videos.
        boxes: float32 (n, 4), x1, y1, x2, y2 as fractions of the frame.
        box_classes: int32 (n,), indices into `classes`.
        motion: float64 (n,), motion IoU; NaN where it is unknown.
        problems: what is wrong, each with its place.
        wrong_videos: indices of the videos that `problems` are of.
        notes: what the reader has decided, see `VideoDataset.notes`.
    """

    classes: tuple[str, ...]
    clips: int
    frames: int
    empty_frames: int
    unlabelled_frames: int
    ignored_regions: int
    changes: dict[str, int]
    turned_clips: int
    tracks: int
    untracked: int
    frame_sizes: dict[str, int]
    boxes: np.ndarray
    box_classes: np.ndarray
    motion: np.ndarray
    problems: tuple[str, ...]
    wrong_videos: frozenset[int]
    notes: tuple[str, ...] = ()

    @property
    def relative_sizes(self) -> np.ndarray:
        """float64 (n,): sqrt(box area) / sqrt(frame area), 0 to 1."""
        return np.sqrt(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1, dtype=np.float64))

    @property
    def boxes_by_class(self) -> dict[str, int]:
        """Class name -> boxes."""
        counts = np.bincount(self.box_classes, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def size_percentiles(self) -> dict[str, float | None]:
        """Percentile -> `relative_sizes`; None where there is no box."""
        if not len(self.boxes):
            return {str(percentile): None for percentile in _PERCENTILES}
        values = np.percentile(self.relative_sizes, _PERCENTILES).tolist()
        return {str(percentile): round(value, 4) for percentile, value in zip(_PERCENTILES, values, strict=True)}

    @property
    def speed(self) -> dict[str, float | None]:
        """Shares of slow, medium and fast boxes among those whose motion is known; None where there are none."""
        known = self.motion[~np.isnan(self.motion)]
        if not len(known):
            return {"slow": None, "medium": None, "fast": None}
        slow, fast = float(np.mean(known > SLOW)), float(np.mean(known < FAST))
        return {"slow": slow, "medium": float(np.mean((known >= FAST) & (known <= SLOW))), "fast": fast}

    def boxes_text(self) -> str:
        """How many boxes, and of how many tracks."""
        if not self.tracks:
            return f"{len(self.boxes):,} without tracks"
        untracked = f", {self.untracked:,} of them without a track" if self.untracked else ""
        return f"{len(self.boxes):,} of {self.tracks:,} tracks{untracked}"

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON takes them."""
        return {
            "clips": self.clips,
            "frames": self.frames,
            "empty_frames": self.empty_frames,
            "unlabelled_frames": self.unlabelled_frames,
            "ignored_regions": self.ignored_regions,
            "changes": self.changes,
            "turned_clips": self.turned_clips,
            "boxes": len(self.boxes),
            "tracks": self.tracks,
            "untracked": self.untracked,
            "boxes_by_class": self.boxes_by_class,
            "frame_sizes": self.frame_sizes,
            "size_percentiles": self.size_percentiles,
            "speed": self.speed,
            "speed_unknown": int(np.isnan(self.motion).sum()),
            "notes": list(self.notes),
            "problems": list(self.problems),
        }

    def text(self) -> str:
        """The figures for people: lines, then a Markdown table of the classes."""
        unknown = int(np.isnan(self.motion).sum())
        sizes = ", ".join(f"{video_size} ({videos:,})" for video_size, videos in self.frame_sizes.items())
        lines = [
            f"clips        {self.clips:,}",
            f"frames       {self.frames:,}, of which {self.empty_frames:,} without an object"
            + (f" and {self.unlabelled_frames:,} unlabelled" if self.unlabelled_frames else ""),
            f"frame sizes  {sizes or 'none'} px (clips)"
            + (f"; labels of {self.turned_clips:,} turned upright with their frames" if self.turned_clips else ""),
            f"boxes        {self.boxes_text()}"
            + (f"; {self.ignored_regions:,} regions to ignore" if self.ignored_regions else ""),
            *([f"changed      {_counts(self.changes)}"] if self.changes else []),
            "box size     " + (_shares(self.size_percentiles, "{} %: {:.3f}") or "no boxes"),
            "             percentiles of sqrt(box area) / sqrt(frame area)",
            "speed        "
            + (_shares(self.speed, "{} {:.1%}") or "unknown")
            + (f"; unknown for {unknown:,} boxes" if unknown else ""),
            f"             by motion IoU, over 10 frames either way: slow above {SLOW}, fast below {FAST}",
            "",
            "| class | boxes | share |",
            "|---|---:|---:|",
        ]
        total = max(1, len(self.boxes))
        lines += [f"| {name} | {count:,} | {count / total:.1%} |" for name, count in self.boxes_by_class.items()]
        return "\n".join(lines)


def _counts(changes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} entries {change}" for change, count in changes.items())


def _shares(values: dict[str, float | None], form: str) -> str:
    return ", ".join(form.format(name, value) for name, value in values.items() if value is not None)
