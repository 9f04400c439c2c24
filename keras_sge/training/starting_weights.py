"""What a training starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config import NetworkConfig, TrainingConfig
from keras_sge.data.clip_loader import normalise
from keras_sge.data.video_dataset import VideoDataset
from keras_sge.models import SGENet
from keras_sge.models.imagenet_weights import measure_batch_norm
from keras_sge.models.memory_parts import pass_through_weights
from keras_sge.models.network_metadata import entropy_settings
from keras_sge.models.read_weights import read_weights
from keras_sge.models.step_model import weight_name
from keras_sge.models.weights_file import assign_weights


def set_starting_weights(model: SGENet, training: TrainingConfig, videos: VideoDataset) -> None:
    """Takes over the weights of `training.start_from` that fit; what is new starts where the old network stands.

    A new memory lets its input pass through. A new attention, which shrinks conv13 to about half, is made up for in the
    1x1 reduction behind it.

    Args:
        model: freshly made. training: `start_from` and `start_layers` count. videos: to measure a folded trunk's
            statistics and the attention's mean on.

    Raises:
        InputError: `start_from` cannot be read, or nothing in it fits.
    """
    config = model.config
    start, loaded = _take_over(model, training, videos) if training.start_from else (None, [])
    if config.memory is None or config.memory.squeeze != "input":
        return
    if config.recurrent and not any(name.startswith("memory_candidate") for name in loaded):
        assign_weights(model, pass_through_weights(model))
    if config.entropy and "memory_squeeze/kernel" in loaded and start.entropy is None:
        squeeze = next(weight for weight in model.weights if weight_name(weight) == "memory_squeeze/kernel")
        squeeze.assign(squeeze / _mean_attention(model, videos))


def _take_over(model: SGENet, training: TrainingConfig, videos: VideoDataset) -> tuple[NetworkConfig | None, list[str]]:
    path = training.start_from
    start, weights = read_weights(path)
    if start and start.classes != model.config.classes:
        print(f"{path} knows other classes, or in another order: its class scores are not taken over")
        weights = {name: value for name, value in weights.items() if not name.startswith("scores")}
    loaded, _ = assign_weights(
        model, {name: value for name, value in weights.items() if name.startswith(training.start_layers)}
    )
    print(f"start from {path}: {len(loaded)} of {len(model.weights)} weights taken over")
    if not loaded:
        raise InputError(f"{path} has no weight that fits this network: is network.alpha the same?")
    if Path(path).suffix == ".tflite":
        measure_batch_norm(model, normalise(_sample_frames(model, videos)))
    return start, loaded


def _mean_attention(model: SGENet, videos: VideoDataset) -> float:
    settings = entropy_settings(model.config)
    return float(np.mean([entropy_attention(frame, settings) for frame in _sample_frames(model, videos)]))


def _sample_frames(model: SGENet, videos: VideoDataset) -> np.ndarray:
    """First frames of up to 64 videos, uint8 (n, height, width, 3) at the network's size."""
    picks = np.linspace(0, len(videos) - 1, min(64, len(videos))).astype(int)
    return np.stack([resize_frame(videos.read(int(index), 0, 1)[0], *model.config.input_size) for index in picks])
