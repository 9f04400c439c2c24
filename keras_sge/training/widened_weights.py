"""A trained detector's layers for a memory with more channels than what they were trained behind."""

from __future__ import annotations

import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_sge.models.weight_name import weight_name

# What may read the memory's map on conv13.
_BEHIND_MEMORY = re.compile(r"((boxes|scores)\d+_(depthwise|depthwise_bn|pointwise)|extra1_reduce|top_down_pointwise)/")


def widened_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of the layers behind a memory that the start holds for fewer channels, made to fit; none where all fit.

    The first channels are the old ones. What lies beyond starts as the model has it, but for the 1x1 kernels, which at
    first take nothing from the channels that are new: the layers' answers are the old ones.

    Args:
        model: freshly made, on alpha and classes of `weights`. weights: by `layer/weight`.
    """
    result = {}
    for weight in model.weights:
        name, wanted = weight_name(weight), tuple(weight.shape)
        old = weights.get(name)
        if old is None or old.shape == wanted or not _BEHIND_MEMORY.match(name):
            continue
        if old.ndim == len(wanted) and all(had <= has for had, has in zip(old.shape, wanted, strict=True)):
            new = keras.ops.convert_to_numpy(weight).copy()
            if "depthwise" not in name and new.ndim == 4:
                new[:] = 0
            new[tuple(slice(size) for size in old.shape)] = old
            result[name] = new
    return result
