"""Calibration: the float step is rolled along clips, and what flows through its tensors is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import Metadata
from keras_sge.config import NetworkConfig
from keras_sge.data import VideoDataset, synthetic_split
from keras_sge.evaluation.detector import KerasRuntime
from keras_sge.progress import Progress, no_progress
from quantization.bias_correction import convolutions
from quantization.int8 import Ranges, quantized_layers, settled_ranges

CLIP_FRAMES = 30

# (video index, first frame, end)
Clip = tuple[int, int, int]


@dataclass(frozen=True)
class CalibrationSource:
    """Training videos and how they are drawn from.

    Attributes:
        videos: of the training split; what a model is judged on has no business here.
        name: what the file's metadata calls them.
        clips: how many videos are run, at least 1; one clip of up to 30 frames in each.
        seed: of the choice of videos and of where a clip starts.
    """

    videos: VideoDataset
    name: str
    clips: int = 32
    seed: int = 0

    @classmethod
    def synthetic(cls, network: NetworkConfig, clips: int = 32, seed: int = 0) -> CalibrationSource:
        """The built-in synthetic training videos, in the network's own frame size."""
        videos = synthetic_split("train", max(network.input_size), videos=max(clips, 1))
        return cls(videos, "built-in synthetic set, train", clips, seed)

    def draw(self) -> tuple[Clip, ...]:
        """(video index, first frame, end) of `clips` different videos, or of all where there are fewer.

        Raises:
            InputError: `clips` is below 1, or there are no videos.
        """
        if self.clips < 1 or not len(self.videos):
            raise InputError(
                f"calibration needs at least one clip and one video. Received: {self.clips} and {len(self.videos)}"
            )
        rng = np.random.default_rng(self.seed)
        drawn = []
        for index in rng.permutation(len(self.videos))[: self.clips]:
            length = self.videos.videos[index].length
            start = int(rng.integers(max(1, length - CLIP_FRAMES + 1)))
            drawn.append((int(index), start, min(start + CLIP_FRAMES, length)))
        return tuple(drawn)


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found.

    Attributes:
        source: the videos that it ran.
        clips: (video index, first frame, end) of every clip.
        ranges: (low, high) of every quantized layer's output, by layer name, 0 within.
        input_means: float64 (channels,), the mean of every convolution's input, by layer name.
    """

    source: CalibrationSource
    clips: tuple[Clip, ...]
    ranges: Ranges
    input_means: dict[str, np.ndarray]

    @property
    def frames(self) -> int:
        """How many frames were run."""
        return sum(stop - start for _, start, stop in self.clips)

    def facts(self) -> dict[str, Any]:
        """For the metadata: `source`, `clips`, `frames` and `seed`."""
        return {
            "source": self.source.name,
            "clips": len(self.clips),
            "frames": self.frames,
            "seed": self.source.seed,
        }


def calibrate(
    step: keras.Model, metadata: Metadata, source: CalibrationSource, progress: Progress = no_progress
) -> Calibration:
    """Rolls the float step along clips as a device would and records what flows through every tensor of the later int8
    file.

    The state of each clip's first frame is zero and is carried from there, so the ranges are those of a memory at work.

    Args:
        step: from `step_model_from`, in the form that will be quantized.
        metadata: of the float step.
        source: training videos.
        progress: around the clips.

    Raises:
        InputError: `source.clips` is below 1, or there are no videos.
    """
    clips = source.draw()
    observer = _Observer(step)
    detector = Detector.from_runtime(observer, metadata)
    for index, start, stop in progress(clips):
        detector.reset()
        for frame in source.videos.read(index, start, stop):
            detector.raw(frame)
    # What lies beyond a limit becomes it behind the file anyhow.
    for name, limits in (("boxes", metadata.box_limits), ("scores", metadata.score_limits)):
        if limits:
            observer.seen[name] = min(low for low, _ in limits), max(high for _, high in limits)
    return Calibration(source, clips, settled_ranges(step, observer.seen), observer.input_means)


class _Observer(KerasRuntime):
    """Runs the step and keeps the ranges of quantized layers' outputs and the means of convolutions' inputs."""

    def __init__(self, step: keras.Model):
        outputs = dict(step.output)
        quantized = {layer.name: layer.output for layer in quantized_layers(step)}
        convolved = {layer.name: layer.input for layer in convolutions(step)}
        super().__init__(keras.Model(step.input, [outputs, quantized, convolved]))
        self.seen: dict[str, tuple[float, float]] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._frames = 0

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs, quantized, convolved = self._model.predict_on_batch(dict(inputs))
        self._frames += 1
        for name, value in quantized.items():
            low, high = self.seen.get(name, (0.0, 0.0))
            self.seen[name] = min(low, float(value.min())), max(high, float(value.max()))
        for name, value in convolved.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.mean(axis=(0, 1, 2), dtype=np.float64)
        return outputs

    @property
    def input_means(self) -> dict[str, np.ndarray]:
        """float64 (channels,), the mean over all frames of every convolution's input, by layer name."""
        return {name: value / self._frames for name, value in self._sums.items()}
