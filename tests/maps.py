"""Clips of small feature maps for the cells' tests, and weights that make a cell speak."""

import keras
import numpy as np

ROWS, COLUMNS, CHANNELS, FILTERS = 5, 4, 6, 3


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def clip(time=4, batch=2, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (batch, time, ROWS, COLUMNS, CHANNELS)).astype(np.float32)


def randomize(layer, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if "seed_generator" not in weight.path:
            weight.assign(rng.normal(0, 0.6, weight.shape).astype(np.float32))
    return layer
