"""Weights by name: our own compact checkpoints, and a start from what somebody else trained."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.config.config import validate
from keras_sge.models.imagenet_weights import read_mobilenet_h5, read_mobilenet_tflite
from keras_sge.models.load_clip_model import load_clip_model
from keras_sge.models.sge_net import SGENet
from keras_sge.models.step_model import weight_name

_CONFIG_KEY = "config.json"


def save_weights(model: SGENet, path: str | Path) -> None:
    """Writes all weights as float16 with the network's configuration: `.npz`, entries `layer/weight`."""
    arrays = {weight_name(w): keras.ops.convert_to_numpy(w).astype(np.float16) for w in model.weights}
    document = json.dumps(config_to_dict(model.config))
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **{_CONFIG_KEY: np.array(document)}, **arrays)


def load_saved_network(path: str | Path) -> SGENet:
    """The clip model of a file written by `save_weights`.

    Raises:
        InputError: no such file, or not one of ours.
    """
    model = SGENet(stored_network(path))
    _, missing = assign_weights(model, read_weights(path))
    if missing:
        raise InputError(f"{path} lacks {len(missing)} of the network's weights, {missing[0]} among them.")
    return model


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Weights by `layer/weight`, float32, to start a training from.

    Args:
        path: a run folder or `.keras` file of `sge train`, an `.npz` of `save_weights`, or a public MobileNetV1
            ImageNet classifier, which gives the trunk: TensorFlow's quantised `.tflite`, or the `.h5` of
            `keras.applications`.

    Raises:
        InputError: none of these.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _read_npz(path)[1]
    if path.suffix == ".tflite":
        return read_mobilenet_tflite(path)
    if path.suffix in (".h5", ".hdf5"):
        return read_mobilenet_h5(path)
    return {weight_name(w): keras.ops.convert_to_numpy(w) for w in load_clip_model(path).weights}


def stored_network(path: str | Path) -> NetworkConfig:
    """The network whose weights a run folder, a `.keras` or an `.npz` holds; errors as `read_weights`."""
    path = Path(path)
    if path.suffix == ".npz":
        return validate(NetworkConfig, json.loads(_read_npz(path)[0]), "network")
    return load_clip_model(path).config


def assign_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """Sets every weight of `model` whose name and shape `weights` holds.

    Returns:
        The names set and the names left as they were, in the model's order.
    """
    loaded, left = [], []
    for weight in model.weights:
        name = weight_name(weight)
        fits = name in weights and tuple(weights[name].shape) == tuple(weight.shape)
        (loaded if fits else left).append(name)
        if fits:
            weight.assign(weights[name])
    return loaded, left


def measure_batch_norm(model: SGENet, images: np.ndarray) -> None:
    """Gives folded batch norms the statistics of real images, so that training may go on from them.

    A folded batch norm says what to add, not what to expect. With the mean and variance of its input filled in and
    gamma and beta adjusted, it computes what it did before, and batch statistics find it where it belongs.

    Args:
        model: a clip model whose trunk came from a folded file. images: float32 (n, height, width, 3) in -1 .. 1.
    """
    inputs = next(tensor for tensor in model.inputs if tensor.name == "image")
    norms = [layer for layer in model.layers if re.fullmatch(r"conv\d+(_\w+)?_bn", layer.name)]
    probe = keras.Model(inputs, [norm.input for norm in norms])
    for norm, values in zip(norms, probe.predict(images[:, None], verbose=0), strict=True):
        mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
        beta = keras.ops.convert_to_numpy(norm.beta)
        norm.gamma.assign(np.sqrt(variance + norm.epsilon))
        norm.beta.assign(beta + mean)
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _read_npz(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    if not path.is_file():
        raise InputError(f"no weights at {path}.")
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return str(arrays.pop(_CONFIG_KEY)), {name: array.astype(np.float32) for name, array in arrays.items()}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a checkpoint of keras-sge, or it is damaged: {error}") from error
