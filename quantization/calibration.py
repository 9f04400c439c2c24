"""The clips that calibration draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import Metadata
from edge.runtimes.runtime import Quantization
from keras_sge.config import NetworkConfig
from keras_sge.data import VideoDataset, synthetic_split
from keras_sge.progress import Progress, no_progress
from quantization.bias_correction import convolutions
from quantization.contract import Ranges, quantized_layers, settled_ranges


@dataclass(frozen=True)
class CalibrationSource:
    """Training videos and how they are drawn from.

    Attributes:
        videos: of the training split; what a model is judged on has no business here.
        name: what the file's metadata calls them.
        clips: how many videos are run. seed: of the draw, see `calibrate`.
    """

    videos: VideoDataset
    name: str
    clips: int = 32
    seed: int = 0


def synthetic_source(network: NetworkConfig, clips: int = 32, seed: int = 0) -> CalibrationSource:
    """The built-in synthetic training videos, in the network's own frame size."""
    videos = synthetic_split("train", max(network.input_size), videos=max(clips, 1))
    return CalibrationSource(videos, "built-in synthetic set, train", clips, seed)


CLIP_FRAMES = 30


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found.

    Attributes:
        ranges: (low, high) of every quantized layer's output, by layer name, 0 within.
        input_means: float64 (channels,), the mean of every convolution's input, by layer name.
        clips: (video index, first frame, end) of every clip.
        seed: that the clips were drawn from.
    """

    ranges: Ranges
    input_means: dict[str, np.ndarray]
    clips: tuple[tuple[int, int, int], ...]
    seed: int

    @property
    def frames(self) -> int:
        """How many frames were run."""
        return sum(stop - start for _, start, stop in self.clips)


def calibrate(
    step: keras.Model,
    metadata: Metadata,
    videos: VideoDataset,
    clips: int = 32,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Calibration:
    """Rolls the float step along clips as a device would and records what flows through every tensor of the later int8
    file.

    The state of each clip's first frame is zero and is carried from there, so the ranges are those of a memory at work.

    Args:
        step: from `step_model_from`, in the form that will be quantized. metadata: of the float step.
        videos: training videos. clips: how many videos are run, one clip of up to 30 frames in each.
        seed: of the choice of videos and of where a clip starts. progress: around the clips.

    Raises:
        InputError: `clips` is below 1, or there are no videos.
    """
    chosen = draw_clips(videos, clips, seed)
    observer = _Observer(step)
    detector = Detector.from_runtime(observer, metadata)
    for index, start, stop in progress(chosen):
        detector.reset()
        for frame in videos.read(index, start, stop):
            detector.raw(frame)
    return Calibration(settled_ranges(step, observer.seen), observer.input_means, chosen, seed)


def draw_clips(videos: VideoDataset, clips: int, seed: int) -> tuple[tuple[int, int, int], ...]:
    """(video index, first frame, end) of `clips` different videos, or of all where there are fewer."""
    if clips < 1 or not len(videos):
        raise InputError(f"calibration needs at least one clip and one video. Received: {clips} and {len(videos)}")
    rng = np.random.default_rng(seed)
    drawn = []
    for index in rng.permutation(len(videos))[:clips]:
        start = int(rng.integers(max(1, videos.videos[index].length - CLIP_FRAMES + 1)))
        drawn.append((int(index), start, min(start + CLIP_FRAMES, videos.videos[index].length)))
    return tuple(drawn)


class _Observer:
    """An `edge.StepRuntime` like `KerasRuntime` that keeps the ranges of quantized layers' outputs and the means of
    convolutions' inputs."""

    name = "keras"
    version = keras.__version__
    accelerator = keras.backend.backend()
    note = ""

    def __init__(self, step: keras.Model):
        self._model = keras.Model(
            step.input,
            [
                dict(step.output),
                {layer.name: layer.output for layer in quantized_layers(step)},
                {layer.name: layer.input for layer in convolutions(step)},
            ],
        )
        self.quantization: Quantization = {}
        self.seen: dict[str, tuple[float, float]] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._frames = 0

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs, values, convolved = self._model.predict_on_batch(dict(inputs))
        self._frames += 1
        for name, value in values.items():
            low, high = self.seen.get(name, (0.0, 0.0))
            self.seen[name] = min(low, float(value.min())), max(high, float(value.max()))
        for name, value in convolved.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.mean(axis=(0, 1, 2), dtype=np.float64)
        return outputs

    def close(self) -> None:
        """Nothing is held that Python does not free."""

    @property
    def input_means(self) -> dict[str, np.ndarray]:
        return {name: value / self._frames for name, value in self._sums.items()}
