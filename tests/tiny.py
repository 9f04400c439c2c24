"""A network and a training small enough for tests, with weights that make its outputs speak."""

import contextlib
import csv
import math

import keras
import numpy as np

from keras_sge.boxes import attention_map_size
from keras_sge.config import (
    AnchorConfig,
    Config,
    DataConfig,
    EntropyConfig,
    HeadsConfig,
    MemoryConfig,
    NetworkConfig,
    TrainingConfig,
)

CLASSES = ("airplane", "bird", "drone", "helicopter")
# The fewest layers, where memory and entropy do not matter: Keras takes longer to build a network than to run it.
SINGLE = {"memory": None, "entropy": None, "extras": (), "anchors": AnchorConfig(sizes=(12.0, 24.0, 40.0))}

# A network as TensorFlow's Object Detection API makes them, with the fewest maps.
API = {
    "memory": None,
    "entropy": None,
    "last_block": "conv14",
    "extras_kind": "conv3x3",
    "heads": HeadsConfig("conv1x1", "sigmoid"),
    "anchors": AnchorConfig(
        boxes=(((6.4, 6.4), (18.0, 9.0)), ((22.0, 22.0), (31.0, 15.5), (25.0, 25.0)), ((44.0, 44.0),))
    ),
}


def tiny_config(**changes):
    settings = {
        "name": "tiny",
        "classes": CLASSES,
        "input_size": (64, 64),
        "alpha": 0.1,
        "memory": MemoryConfig(filters=120),
        "entropy": EntropyConfig(),
        "anchors": AnchorConfig(sizes=(12.0, 24.0, 40.0, 56.0)),
        "extras": ((64, 128),),
    }
    return NetworkConfig(**{**settings, **changes})


def randomize(model, seed=0):
    """Draws every weight, batch norm's statistics included: a fresh network's outputs are too near 0 to compare."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        kind, shape = weight.path.split("/")[-1], tuple(weight.shape)
        if kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.7, 1.4, shape)
        elif kind in ("beta", "bias", "moving_mean"):
            value = rng.normal(0, 0.2, shape)
        else:
            fan_in = shape[0] * shape[1] * (1 if "depthwise" in weight.path else shape[2])
            value = rng.normal(0, math.sqrt(2 / fan_in), shape)
        weight.assign(value.astype(np.float32))
    return model


def random_clip(config, frames, batch=1, seed=0):
    """Network inputs: images that change from frame to frame, attention where the network takes it."""
    rng = np.random.default_rng(seed)
    height, width = config.input_size
    inputs = {"image": rng.uniform(-1, 1, (batch, frames, height, width, 3)).astype(np.float32)}
    if config.entropy:
        cells = attention_map_size(config)
        inputs["attention"] = rng.uniform(0.5, 0.96, (batch, frames, *cells, 1)).astype(np.float32)
    return inputs


def outputs_of(model, inputs):
    """The outputs by name as arrays, without the seconds that Keras takes to compile `predict`."""
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(inputs, training=False).items()}


def experiment(network=None, **training):
    """Two epochs of two steps on a few synthetic videos."""
    settings = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 2, "clip_length": 3, "validation_steps": 1}
    settings |= {"evaluation_epochs": 0, "evaluation_frames": 3}
    data = DataConfig(videos=3, validation_videos=2, frames=6)
    return Config(tiny_config(**(network or {})), data, TrainingConfig(**{**settings, **training}))


@contextlib.contextmanager
def eager(on=True):
    """Training steps are run as they are written: to trace one takes ten seconds, which a few steps do not win back."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(on)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def epochs_logged(folder):
    """The epochs in a run's log."""
    return [int(row["epoch"]) for row in csv.DictReader((folder / "log.csv").open())]


def weights_by_name(model):
    """Every weight as an array, by its path."""
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def assert_same_weights(model, other, **tolerance):
    """Equal to the bit, or within a tolerance of `numpy.testing.assert_allclose`."""
    ours, theirs = weights_by_name(model), weights_by_name(other)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_allclose(theirs[path], value, err_msg=path, **(tolerance or {"rtol": 0}))
