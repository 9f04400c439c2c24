"""Weights by name: our own compact checkpoints, and what fits of anybody's."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.config.config import network_from_dict
from keras_sge.models.sge_net import SGENet
from keras_sge.models.topology import weight_name

_CONFIG_KEY = "config.json"


def save_weights(model: SGENet, path: str | Path) -> None:
    """Writes all weights as float16 with the network's configuration: `.npz`, entries `layer/weight`.

    Raises:
        InputError: a weight is not finite, or too large for half precision.
    """
    arrays = {weight_name(w): keras.ops.convert_to_numpy(w).astype(np.float16) for w in model.weights}
    check_finite(arrays, "in half precision", "Train again with a lower training.learning_rate or gradient_clip.")
    document = json.dumps(config_to_dict(model.config))
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **{_CONFIG_KEY: np.array(document)}, **arrays)


def read_weights_file(path: str | Path) -> tuple[NetworkConfig, dict[str, np.ndarray]]:
    """What `save_weights` wrote: the network and its weights, float32 by `layer/weight`.

    Raises:
        InputError: no such file, or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights at {path}.")
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        document = json.loads(str(arrays.pop(_CONFIG_KEY)))
        weights = {name: array.astype(np.float32) for name, array in arrays.items()}
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is damaged, or no weights of `sge weights` (records of `sge evaluate` are .npz too): {error}"
        ) from error
    check_finite(weights, str(path), "Write it again from a checkpoint that is whole.")
    return network_from_dict(document), weights


def stored_network(path: str | Path) -> NetworkConfig:
    """The network alone of what `save_weights` wrote, without reading the weights."""
    with np.load(path) as stored:
        return network_from_dict(json.loads(str(stored[_CONFIG_KEY])))


def check_finite(weights: Mapping[str, Any], where: str, advice: str) -> None:
    """Raises InputError where a weight is infinite or not a number; `where` begins the message, `advice` ends it."""
    wrong = [name for name, value in weights.items() if not np.isfinite(keras.ops.convert_to_numpy(value)).all()]
    if wrong:
        raise InputError(
            f"{where}: {len(wrong)} of {len(weights)} weights are no finite numbers, {wrong[0]} among them. {advice}"
        )


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
