"""What a training starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config import TrainingConfig
from keras_sge.data.clip_loader import normalise
from keras_sge.data.video_dataset import VideoDataset
from keras_sge.models import SGENet
from keras_sge.models.memory_parts import pass_through_weights
from keras_sge.models.weights_file import assign_weights, measure_batch_norm, read_weights


def set_starting_weights(model: SGENet, training: TrainingConfig, videos: VideoDataset) -> None:
    """Takes over the weights of `training.start_from` that fit, and lets a memory that is new pass its input through.

    Args:
        model: freshly made. training: `start_from` and `start_layers` count. videos: for a folded trunk.

    Raises:
        InputError: `start_from` cannot be read, or nothing in it fits.
    """
    loaded = _take_over(model, training.start_from, training.start_layers, videos) if training.start_from else []
    if model.config.recurrent and model.config.memory.squeeze == "input":
        is_new = not any(name.startswith("memory_candidate") for name in loaded)
        assign_weights(model, pass_through_weights(model) if is_new else {})


def _take_over(model: SGENet, path: str, layers: str, videos: VideoDataset) -> list[str]:
    weights = {name: value for name, value in read_weights(path).items() if name.startswith(layers)}
    loaded, _ = assign_weights(model, weights)
    print(f"start from {path}: {len(loaded)} of {len(model.weights)} weights taken over")
    if not loaded:
        raise InputError(f"{path} has no weight that fits this network: is network.alpha the same?")
    if Path(path).suffix == ".tflite":
        picks = np.linspace(0, len(videos) - 1, min(64, len(videos))).astype(int)
        images = [resize_frame(videos.read(int(index), 0, 1)[0], *model.config.input_size) for index in picks]
        measure_batch_norm(model, normalise(np.stack(images)))
    return loaded
