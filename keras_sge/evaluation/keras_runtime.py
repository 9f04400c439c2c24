"""A Keras model where a device has a .tflite: the same detector runs on both."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np


class KerasRuntime:
    """One step of a Keras model behind the face of `edge.runtime.Runtime`.

    Args:
        step_model: from `keras_sge.models.step_model_from`, batch 1.
    """

    name = "keras"
    version = keras.__version__

    def __init__(self, step_model: keras.Model):
        self._model = step_model
        self.quantization: dict[str, tuple[float, int]] = {}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step; arrays by the model's input and output names."""
        return self._model.predict_on_batch(dict(inputs))
