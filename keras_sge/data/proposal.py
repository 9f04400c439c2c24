"""A configuration for a data set, with the reason for each of its settings."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import InputError
from keras_sge.boxes import anchor_maps
from keras_sge.config import AnchorConfig, Config, Fold, NetworkConfig, config_from_dict, config_to_dict
from keras_sge.config.document import format_value
from keras_sge.data.anchors import anchor_fit, propose_anchors
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.report import DataReport
from keras_sge.data.splits import fold_split

# Longer sides that are tried, in pixels; the first that shows small objects large enough is taken, without the finer
# map one up to the second number. Sides are whole cells of the trunk's coarsest map.
_SIDES, _LARGEST_WITHOUT_FINER_MAP, _CELL = (128, 160, 192, 224, 256, 320, 384, 448, 512, 640), 320, 32
# Pixels of the input that an object needs on the finest detection map, without and with the finer map.
_LEAST_PX = {False: 20, True: 10}
# Share of objects that may be smaller, in percent.
_SMALL_PERCENTILE = 10
# For each pixel of each frame, at alpha 0.5 with the trunk frozen up to conv6, on two x86-64 cores kept busy by nothing
# else. From one run: 910 steps of 32 frames of 192 x 128 px, compiled and validated, took 754 s of processor time (and
# 816 s by the clock beside other work). Nothing is timed here: half a second of a busy machine's products says too
# little of its training, five times more or less.
_SECONDS_PER_PIXEL = 5e-7
_ALPHA, _START, _FROZEN = 0.5, "quickstart_start.npz", "conv6"
_CLIP_LENGTH, _FRAMES_PER_STEP, _EPOCHS, _LEAST_STEPS = 8, 32, 10, 20
_VALIDATION_NAMES = ("val", "valid", "validation")
_HOLDOUT = Fold(0, 4)


@dataclass(frozen=True)
class Proposal:
    """What `propose_config` found.

    Attributes:
        config: the experiment. settings: those that were chosen, by section and key; the others are defaults.
        reasons: dotted key -> why it was chosen so; a sentence or more. title: what the data set holds.
    """

    config: Config
    settings: dict[str, dict[str, Any]]
    reasons: dict[str, str]
    title: str

    def text(self, first: Sequence[str] = ()) -> str:
        """YAML that `load_config` reads as `config`, each setting below its reason; `first` are comments above all."""
        lines = [f"# {line}" for line in (*first, *textwrap.wrap(self.title, 116))]
        for section, settings in self.settings.items():
            lines += ["", f"{section}:"]
            for key, value in settings.items():
                reason = self.reasons.get(f"{section}.{key}", "")
                lines += [f"  # {line}" for line in textwrap.wrap(reason, 114)]
                lines.append(f"  {key}: {format_value(value)}")
        return "\n".join(lines) + "\n"


def propose_config(
    dataset: VideoDataset, report: DataReport, path: str, split: str, splits: Sequence[str], minutes: float
) -> Proposal:
    """Chooses classes, input size, detection maps, anchors, clip length and budget for a data set.

    Args:
        dataset: its training videos. report: of `check_videos` on them. path: becomes `data.path`.
        split: the training videos' split. splits: names of all.
        minutes: what the training may take on two idle CPU cores.

    Raises:
        InputError: labels are wrong, there is no box, or `minutes` is not above 0.
    """
    if not minutes > 0:
        raise InputError(f"the minutes of a training must be above 0. Received: {minutes:g}")
    if report.problems:
        raise InputError(report.problems[0])
    if not len(report.boxes):
        raise InputError(f"{path}, {split} has no box: nothing can be learned from it. Give a split with objects.")
    chosen = _Choices()
    _choose_network(chosen, dataset, report)
    _choose_data(chosen, dataset, path, split, splits)
    _choose_training(chosen, dataset, minutes)
    config = config_from_dict(chosen.settings, "the proposal")
    sizes = ", ".join(f"{size} px" for size in list(report.frame_sizes)[:3])
    title = (
        f"Proposed for {path}, {split}: {report.clips:,} videos, {report.frames:,} frames ({sizes}), "
        f"boxes: {report.boxes_text()}."
    )
    return Proposal(config, chosen.settings, chosen.reasons, title)


class _Choices:
    """Settings and their reasons, in the order in which they are made."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, Any]] = {"network": {}, "data": {}, "training": {}}
        self.reasons: dict[str, str] = {}

    def __call__(self, key: str, value: Any, reason: str = "") -> None:
        section, name = key.split(".")
        self.settings[section][name] = value
        self.reasons[key] = reason


def _choose_network(chosen: _Choices, dataset: VideoDataset, report: DataReport) -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in report.boxes_by_class.items())
    chosen("network.name", "sge", "Becomes part of files' names.")
    chosen("network.classes", list(dataset.classes), f"As the labels name them. Boxes: {counts}.")

    (width, height), _ = Counter((video.width, video.height) for video in dataset.videos).most_common(1)[0]
    relative = float(np.percentile(report.relative_sizes, _SMALL_PERCENTILE))
    rows, columns, finer, small = _input_size(width, height, relative)
    enough = "" if small >= _LEAST_PX[finer] else ", which is little, but larger inputs take long"
    chosen(
        "network.input_size",
        [rows, columns],
        f"[height, width] of what the network sees; frames are {width} wide, {height} high. One object in ten is "
        f"smaller than {relative:.3f} of the frame (sides of squares of equal area): {small:.0f} px here{enough}. Time "
        "grows with height times width; another size asks for other anchors: `sge data anchors`.",
    )
    chosen(
        "network.finer_map",
        finer,
        f"A detection map of stride 8, for objects below about {_LEAST_PX[False]} px of the input; "
        + ("there are such." if finer else "they are larger here, and it would take time."),
    )
    chosen(
        "network.alpha",
        _ALPHA,
        "Half of MobileNet's channels, of which weights come with the package; 1, the paper's, takes several times as "
        "long.",
    )
    video = _is_video(dataset)
    chosen(
        "network.memory",
        {"kind": "squeezed_gru" if video else "reduction", "filters": 256, "squeeze_activation": "tanh"},
        "The paper's memory, with its input bounded so that int8 can carry it."
        if video
        else "Without a state: most videos are single pictures, from which no memory can be learned.",
    )
    chosen("network.top_down", True, "The memory reaches the map of small objects too; helps most on degraded frames.")
    chosen(
        "network.entropy",
        {"window": 3, "border": "reflect_101", "opening": 3},
        "The paper's attention: textured places count more. null leaves it out.",
    )
    extras = [] if finer else [[128, 256]]
    chosen(
        "network.extras",
        extras,
        "Channels of the detection maps behind the trunk's, as in the shipped networks"
        + (": none beside the finer map." if finer else "."),
    )
    anchors = AnchorConfig(sizes=(41.0, 70.0, 95.0, 140.0), ratios=(1.5, 2.7))
    network = config_from_dict({"network": {**chosen.settings["network"], "anchors": config_to_dict(anchors)}}).network
    anchors, recall = _anchors(report, network)
    chosen(
        "network.anchors",
        {"sizes": _short(anchors.sizes), "ratios": _short(anchors.ratios)},
        f"Sizes in px of the input and aspect ratios, searched for these boxes: {recall:.3f} of them are overlapped by "
        "an anchor at IoU 0.5 or more, and only those can be learned well.",
    )


def _short(values: Sequence[float]) -> list[float]:
    """Whole numbers without a point."""
    return [int(value) if value == int(value) else value for value in values]


def _anchors(report: DataReport, network: NetworkConfig) -> tuple[AnchorConfig, float]:
    anchors = propose_anchors(report.boxes, network)
    document = config_to_dict(network)
    proposed = config_from_dict({"network": {**document, "anchors": config_to_dict(anchors)}}).network
    return anchors, anchor_fit(report.boxes, anchor_maps(proposed)).recall


def _input_size(width: int, height: int, relative: float) -> tuple[int, int, bool, float]:
    """Height, width, whether there is a finer map, and a small object's size in pixels.

    Args:
        width, height: of most frames. relative: a small object's side, of the frame's, both as squares of equal area.
    """
    # More pixels than the frame has show nothing more.
    tried = [side for side in _SIDES if side < max(width, height) + _CELL] or [_SIDES[0]]
    found = (0, 0, False, 0.0)
    for finer in (False, True):
        for side in tried:
            if not finer and side > _LARGEST_WITHOUT_FINER_MAP:
                break
            sides = (max(_CELL, round(side * part / max(width, height) / _CELL) * _CELL) for part in (height, width))
            rows, columns = sides
            small = relative * float(np.sqrt(rows * columns))
            found = rows, columns, finer, small
            if small >= _LEAST_PX[finer]:
                return found
    return found


def _choose_data(chosen: _Choices, dataset: VideoDataset, path: str, split: str, splits: Sequence[str]) -> None:
    chosen("data.path", path, "As seen from where `sge train` is run.")
    chosen("data.train_split", split)
    held_out = next((name for name in _VALIDATION_NAMES if name in splits and name != split), None)
    if held_out is not None:
        chosen("data.validation_split", held_out, "What is measured on while training, and never learned.")
        return
    try:
        fold_split(dataset, _HOLDOUT)
    except InputError:
        chosen("training.validation_steps", 0, "Too few recordings to hold some back: nothing is measured on the way.")
        return
    chosen(
        "data.fold",
        _HOLDOUT.index,
        f"There is no validation split: part {_HOLDOUT.index} of {_HOLDOUT.folds} of the recordings, whole runs of "
        "neighbours, is held back and measured on. null trains on all.",
    )
    chosen("data.folds", _HOLDOUT.folds)


def _choose_training(chosen: _Choices, dataset: VideoDataset, minutes: float) -> None:
    length = _clip_length(dataset) if _is_video(dataset) else 1
    batch = _FRAMES_PER_STEP // length
    rows, columns = chosen.settings["network"]["input_size"]
    step = batch * length * rows * columns * _SECONDS_PER_PIXEL
    steps = max(1, int(minutes * 60 / step))
    epochs = max(1, min(_EPOCHS, steps // _LEAST_STEPS))
    chosen(
        "training.start_from",
        _START,
        "Comes with the package: a detector of flying things, whose trunk sees edges and shapes of others as well. Or "
        "a run or file of your own.",
    )
    chosen("training.freeze_until", _FROZEN, "The trunk's first layers stay as they are; null trains them too.")
    chosen("training.epochs", epochs, "The network is written, and figures are logged, after each.")
    chosen(
        "training.steps_per_epoch",
        max(1, steps // epochs),
        f"For about {minutes:g} minutes in all, at {step:.2g} s a step on two CPU cores that do nothing else; busy "
        "cores and other machines differ by several times. `sge train` says in its first minute how long yours takes: "
        "stop it and change this number by what it says.",
    )
    fps = float(np.median([video.fps for video in dataset.videos]))
    if length > 1:
        chosen(
            "training.clip_length",
            length,
            f"Frames of a clip, {length / fps:.2g} s at {fps:g} frames per second: the past that the memory learns to "
            f"use. Videos have {int(np.median([video.length for video in dataset.videos]))} frames in the median.",
        )
        if epochs > 1:
            chosen(
                "training.single_frame_epochs",
                epochs // 2,
                "First the detector learns on single frames, then its memory on clips: a memory beside a detector that "
                "knows nothing learns to ignore it.",
            )
    else:
        chosen("training.clip_length", 1, "Most videos are single pictures.")
    chosen("training.batch_size", batch, f"Clips of a step, {batch * length} frames.")
    chosen("training.learning_rate", 1e-3, "Lower it if the loss is lost; it falls to zero along a cosine.")
    chosen("training.momentum", 0.9)
    if chosen.settings["training"].get("validation_steps") is None:
        chosen("training.validation_steps", 8, "Batches whose loss is looked at after each epoch.")
    chosen(
        "training.augmentation",
        {"flip": 0.5, "degrade": 0.25},
        "Half of the clips are mirrored: flip 0 where left and right differ, as of text. A quarter of the frames are "
        "blurred, noisy or blocked, so that the memory has something to make up for.",
    )


def _is_video(dataset: VideoDataset) -> bool:
    return float(np.median([video.length for video in dataset.videos])) > 1


def _clip_length(dataset: VideoDataset) -> int:
    """A power of two, so that a step has the same number of frames at any length."""
    median = float(np.median([video.length for video in dataset.videos]))
    return next(length for length in (_CLIP_LENGTH, 4, 2) if length <= max(2, median))
