"""Boxes made larger or smaller after training."""

from __future__ import annotations

import math

import keras
import numpy as np

from edge.errors import InputError
from keras_sge.models.sge_net import SGENet


def scale_boxes(model: SGENet, factor: float) -> None:
    """Multiplies width and height of every box that the network answers with, through its heads' biases.

    For annotators whose boxes are looser than those trained on: choose the factor on a development split.

    Args:
        model: is changed. factor: 0.5 .. 2; 1 changes nothing.

    Raises:
        InputError: another factor.
    """
    if not 0.5 <= factor <= 2:
        raise InputError(f"boxes are scaled by a factor from 0.5 to 2. Received: {factor}")
    # A code's third and fourth numbers are log size ratios, see `edge.boxes.encode_boxes`.
    shift = np.array([0, 0, 1, 1]) * math.log(factor) / model.config.anchors.variances[1]
    for layer in model.layers:
        if layer.name.startswith("boxes") and layer.name.endswith("_pointwise"):
            bias = keras.ops.convert_to_numpy(layer.bias)
            layer.bias.assign((bias.reshape(-1, 4) + shift).reshape(-1))
