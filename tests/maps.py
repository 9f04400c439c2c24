"""Clips of small feature maps for the cells' tests, weights that make a cell speak, and what equations are made of."""

import keras
import numpy as np

ROWS, COLUMNS, CHANNELS, FILTERS = 5, 4, 6, 3


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def clip(time=4, batch=2, seed=0, channels=CHANNELS):
    return np.random.default_rng(seed).normal(0, 1, (batch, time, ROWS, COLUMNS, channels)).astype(np.float32)


def randomize(layer, seed=1):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if "seed_generator" not in weight.path:
            weight.assign(rng.normal(0, 0.6, weight.shape).astype(np.float32))
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def depthwise(x, kernel):
    """`same`, 3x3."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1:3]
    return sum(
        padded[:, dy : dy + rows, dx : dx + columns] * kernel[dy, dx, :, 0] for dy in range(3) for dx in range(3)
    )
