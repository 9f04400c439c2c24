"""Records of several runs as one: the folds of a cross-validation, each measured on videos of its own."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from keras_sge.evaluation.records import ARRAYS, DetectionRecords


def pool_records(parts: Sequence[DetectionRecords]) -> DetectionRecords:
    """The records of several runs as one, as those of all folds of a cross-validation.

    Args:
        parts: at least one, of different videos, with the same class names in any order and the same degraded frames.

    Raises:
        InputError: the parts do not fit each other, or have a video in common.
    """
    first, labels = parts[0], parts[0].labels
    names = [name for part in parts for name in part.video_names]
    differing = [
        what
        for what, same in (
            ("classes", all(set(part.labels) == set(labels) for part in parts)),
            ("degraded frames", all(part.degrade == first.degrade for part in parts)),
        )
        if not same
    ]
    if differing:
        raise InputError(f"records that differ in their {', '.join(differing)} cannot be pooled. Evaluate them alike.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the video {twice} is in two of the records to pool. Expected each video once.")
    parts = [part.with_labels(labels) for part in parts]
    offsets = np.cumsum([0, *(len(part.video_ids) for part in parts)])
    values: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name, (_, kind) in ARRAYS.items()
        if kind != "U"
    }
    values["videos"] = np.concatenate([part.videos + offset for part, offset in zip(parts, offsets, strict=False)])
    return replace(
        first,
        **values,
        video_names=tuple(names),
        sources=tuple(source for part in parts for source in part.sources),
        unlabelled=sum(part.unlabelled for part in parts),
        protocol=" + ".join(_without_fold(parts)),
        runtime=" + ".join(dict.fromkeys(part.runtime for part in parts)),
    )


def load_pooled(paths: str) -> DetectionRecords:
    """The records of one file, or of several whose names are joined by commas, pooled.

    Raises:
        InputError: see `DetectionRecords.load` and `pool_records`.
    """
    names = [paths] if Path(paths).is_file() else paths.split(",")
    return pool_records([DetectionRecords.load(name) for name in names])


def are_records(paths: str) -> bool:
    """Whether text names records, one file or several joined by commas, rather than a network's weights."""
    names = [paths] if Path(paths).is_file() else paths.split(",")
    return all(Path(name).suffix == ".npz" and zipfile.is_zipfile(name) and _has_frames(name) for name in names)


def _has_frames(name: str) -> bool:
    with zipfile.ZipFile(name) as archive:
        return "frame_ids.npy" in archive.namelist()


def _without_fold(parts: Sequence[DetectionRecords]) -> list[str]:
    """How the parts were run: folds of one split together, where nothing else differs."""
    found = [re.search(r"; fold (\d+)/(\d+), held back", part.protocol) for part in parts]
    if len(parts) == 1 or not all(found):
        return list(dict.fromkeys(part.protocol for part in parts))
    folds = ", ".join(f"{match[1]}/{match[2]}" for match in found if match)
    return list(
        dict.fromkeys(
            part.protocol.replace(match[0], f"; folds {folds}, each held back from its own training")
            for part, match in zip(parts, found, strict=True)
            if match
        )
    )
