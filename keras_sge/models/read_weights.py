"""Weights to start a training from, whoever trained them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_sge.config import NetworkConfig
from keras_sge.models.imagenet_weights import read_mobilenet_h5, read_mobilenet_tflite
from keras_sge.models.load_clip_model import load_clip_model
from keras_sge.models.step_model import weight_name
from keras_sge.models.weights_file import read_weights_file


def read_weights(path: str | Path) -> tuple[NetworkConfig | None, dict[str, np.ndarray]]:
    """The network that a file or run folder holds and its weights, float32 by `layer/weight`.

    Args:
        path: a run folder or `.keras` file of `sge train`, an `.npz` of `sge weights`, or a public MobileNetV1 ImageNet
            classifier, which gives the trunk and no network of ours, None: TensorFlow's quantised `.tflite`, or the
            `.h5` of `keras.applications`.

    Raises:
        InputError: none of these.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        return read_weights_file(path)
    if suffix == ".tflite":
        return None, read_mobilenet_tflite(path)
    if suffix in (".h5", ".hdf5"):
        return None, read_mobilenet_h5(path)
    model = load_clip_model(path)
    return model.config, {weight_name(w): keras.ops.convert_to_numpy(w) for w in model.weights}
