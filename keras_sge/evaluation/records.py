"""What was found and what was there, frame by frame: in memory and as a file."""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.evaluation.protocol import current_words

_FORMAT = "keras-sge records 1"
# What numpy, zipfile and zlib raise on broken bytes.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    TypeError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
)
# Field -> number of dimensions and the kinds of dtype that it may have.
ARRAYS = {
    "boxes": (2, "f"),
    "scores": (1, "f"),
    "classes": (1, "iu"),
    "counts": (1, "iu"),
    "true_boxes": (2, "f"),
    "true_classes": (1, "iu"),
    "true_tracks": (1, "iu"),
    "true_motion": (1, "f"),
    "true_counts": (1, "iu"),
    "ignored": (2, "f"),
    "ignored_classes": (1, "iu"),
    "ignored_counts": (1, "iu"),
    "videos": (1, "iu"),
    "frame_ids": (1, "iu"),
    "video_ids": (1, "iu"),
    "blocks": (1, "iu"),
    "fps": (1, "f"),
    "video_names": (1, "U"),
    "sources": (1, "U"),
    "labels": (1, "U"),
}


@dataclass(frozen=True)
class FrameRecord:
    """One evaluated frame: boxes are (n, 4) corners in one unit, scores (n,), classes int (n,).

    A detection that finds no object and lies in an ignored region of its class is neither right nor wrong.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    ignored_classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class DetectionRecords(Sequence[FrameRecord]):
    """A sequence of `FrameRecord`, one for each scored frame in the order of running, kept as flat arrays.

    Attributes:
        labels: class names; classes index them.
        boxes: float32 (n, 4), corners in pixels of the video's frame. scores: float32 (n,). classes: int16 (n,).
        counts: int32 (frames,), detections of each frame; they lie behind each other.
        true_boxes, true_classes, true_counts: the same of the objects. true_tracks: int32 (m,), within the video.
        true_motion: float32 (m,), motion IoU, NaN where it has none.
        ignored, ignored_classes, ignored_counts: the same of the regions to ignore; None for none.
        unlabelled: frames that were run and not scored, because nobody has labelled them.
        videos: int32 (frames,), index into `video_ids`. frame_ids: int32 (frames,), from 0 in the video.
        video_ids, video_names, sources: of each video that was run; a source is the recording it was cut from.
        blocks: int16, the block of recordings that each video belongs to, see `keras_sge.data.splits`, -1 where it is
            not known. fps: float32, frames per second of each video, NaN where not known. None for none known.
        degrade: `PATTERN:SEED` of the degraded frames, see `keras_sge.data.degradation`, None for clean ones.
        protocol: what was run. runtime: what ran the network.
    """

    labels: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    counts: np.ndarray
    true_boxes: np.ndarray
    true_classes: np.ndarray
    true_tracks: np.ndarray
    true_motion: np.ndarray
    true_counts: np.ndarray
    videos: np.ndarray
    frame_ids: np.ndarray
    video_ids: np.ndarray
    video_names: tuple[str, ...]
    sources: tuple[str, ...]
    degrade: str | None
    protocol: str
    runtime: str
    # None becomes arrays without an entry.
    ignored: np.ndarray = None  # type: ignore[assignment]
    ignored_classes: np.ndarray = None  # type: ignore[assignment]
    ignored_counts: np.ndarray = None  # type: ignore[assignment]
    blocks: np.ndarray = None  # type: ignore[assignment]
    fps: np.ndarray = None  # type: ignore[assignment]
    unlabelled: int = 0

    def __post_init__(self) -> None:
        for name, array in _nothing_known(len(self.counts), len(self.video_ids)).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> FrameRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[FrameRecord]: ...
    def __getitem__(self, index: int | slice) -> FrameRecord | list[FrameRecord]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        found, true, ignored = (slice(ends[index], ends[index + 1]) for ends in self._ends)
        return FrameRecord(
            self.boxes[found],
            self.scores[found],
            self.classes[found].astype(np.int64),
            self.true_boxes[true],
            self.true_classes[true].astype(np.int64),
            self.ignored[ignored],
            self.ignored_classes[ignored].astype(np.int64),
        )

    @functools.cached_property
    def _ends(self) -> list[np.ndarray]:
        """Where the detections, objects and regions of each frame end, behind a 0."""
        counts = (self.counts, self.true_counts, self.ignored_counts)
        return [np.concatenate([[0], np.cumsum(number, dtype=np.int64)]) for number in counts]

    def save(self, path: str | Path) -> None:
        """Writes a compressed .npz.

        Raises:
            InputError: `path` does not end in .npz or cannot be written.
        """
        check_records_path(path)
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in ARRAYS}
        # An empty tuple of names must stay text.
        arrays |= {name: array.astype(str) for name, array in arrays.items() if ARRAYS[name][1] == "U"}
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                format=_FORMAT,
                degrade=self.degrade or "",
                protocol=self.protocol,
                runtime=self.runtime,
                unlabelled=self.unlabelled,
                **arrays,
            )

    def with_labels(self, labels: tuple[str, ...]) -> DetectionRecords:
        """The same with classes in the order of `labels`, which must be the same names."""
        number = np.array([labels.index(name) for name in self.labels], np.int16)
        classes = {name: number[getattr(self, name)] for name in ("classes", "true_classes", "ignored_classes")}
        return replace(self, labels=labels, **classes)

    @classmethod
    def load(cls, path: str | Path) -> DetectionRecords:
        """Reads what `save` wrote.

        Raises:
            InputError: no such file, not written by `save`, damaged, or its parts do not fit each other.
        """
        if not Path(path).is_file():
            raise InputError(f"no records file at {path}. Write one with `sge evaluate MODEL --records FILE.npz`.")
        try:
            with np.load(path, allow_pickle=False) as archive:
                if str(archive["format"]) != _FORMAT:
                    raise ValueError(f"its format is {str(archive['format'])!r}, expected {_FORMAT!r}")
                # Files from before regions were ignored and blocks were known have none.
                nothing = _nothing_known(len(archive["counts"]), len(archive["video_ids"]))
                known = {"unlabelled": 0, **nothing, **archive}
                values = {name: known[name] for name in ARRAYS}
                values |= {"protocol": current_words(str(archive["protocol"])), "runtime": str(archive["runtime"])}
                degrade, unlabelled = _degrade(archive["degrade"]), int(known["unlabelled"])
            _check(values)
        except _DAMAGE as error:
            raise InputError(
                f"{path} holds no readable records ({error}). Expected a file that `sge evaluate --records` wrote; "
                "write it again."
            ) from error
        values |= {name: tuple(values[name].tolist()) for name in ("labels", "video_names", "sources")}
        return cls(**values, degrade=degrade, unlabelled=unlabelled)


def _degrade(value: np.ndarray) -> str | None:
    """What `save` wrote; former files have a seed, -1 for none."""
    if value.dtype.kind == "U":
        return str(value) or None
    return f"singly:{int(value)}" if value >= 0 else None


def check_records_path(path: str | Path) -> None:
    """Raises InputError where `path` is no name for a records file."""
    if Path(path).suffix != ".npz":
        raise InputError(f"records are written as .npz. Received: {path}")


def _nothing_known(frames: int, videos: int) -> dict[str, np.ndarray]:
    return {
        "blocks": np.full(videos, -1, np.int16),
        "fps": np.full(videos, np.nan, np.float32),
        "ignored": np.zeros((0, 4), np.float32),
        "ignored_classes": np.zeros(0, np.int16),
        "ignored_counts": np.zeros(frames, np.int32),
    }


def _check(values: dict[str, np.ndarray]) -> None:
    """Raises ValueError where arrays do not fit each other."""
    for name, (dimensions, kinds) in ARRAYS.items():
        array = values[name]
        if array.ndim != dimensions or array.dtype.kind not in kinds:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
    for prefix, boxes in (("", "boxes"), ("true_", "true_boxes"), ("ignored_", "ignored")):
        counts, length = values[f"{prefix}counts"], len(values[f"{prefix}classes"])
        if values[boxes].shape != (length, 4) or (counts < 0).any() or counts.sum() != length:
            raise ValueError(f"{boxes}, {prefix}classes and {prefix}counts differ in length")
        if len(counts) != len(values["videos"]):
            raise ValueError(f"{prefix}counts and videos differ in length")
    groups = (
        ("classes", "scores"),
        ("true_classes", "true_tracks", "true_motion"),
        ("videos", "frame_ids"),
        ("video_ids", "video_names", "sources", "blocks", "fps"),
    )
    for first, *others in groups:
        if any(len(values[other]) != len(values[first]) for other in others):
            raise ValueError(f"{first}, {', '.join(others)} differ in length")
    classes = [(name, "labels") for name in ("classes", "true_classes", "ignored_classes")]
    for name, of in (*classes, ("videos", "video_ids")):
        if ((values[name] < 0) | (values[name] >= len(values[of]))).any():
            raise ValueError(f"{name} points past {of}")
    if not all(np.isfinite(values[name]).all() for name in ("boxes", "scores", "true_boxes", "ignored")):
        raise ValueError("a box or a score is not finite")
