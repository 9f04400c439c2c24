"""A Keras model where a device has a .tflite: the same detector runs on both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import model_path
from edge.runtimes.runtime import Quantization

if TYPE_CHECKING:
    import keras

    from keras_sge.models import SGENet


def open_detector(model: str | Path | SGENet, threads: int = 1, score_threshold: float | None = None) -> Detector:
    """A `Detector` on a .tflite file or on Keras.

    Args:
        model: a .tflite or the name of a shipped one, a run folder or `.keras` file of `sge train`, an `.npz` of
            `sge weights`; or a network in memory, as its weights are now.
        threads: of the .tflite runtime. score_threshold: see `edge.Detector`.

    Raises:
        InputError: there is no such model, or it is not one of these.
    """
    if not isinstance(model, str | Path) or needs_keras(model):
        # A .tflite is measured without Keras, whose import takes seconds.
        from keras_sge.models import load_model, step_model_from
        from keras_sge.models.step_model import network_metadata

        clip_model = load_model(model) if isinstance(model, str | Path) else model
        return Detector.from_runtime(
            KerasRuntime(step_model_from(clip_model)),
            network_metadata(clip_model.config),
            score_threshold=score_threshold,
        )
    if Path(model).suffix in (".h5", ".yaml", ".yml"):
        raise InputError(f"{model} is no model. Expected a .tflite file, a .keras file or a run folder of `sge train`.")
    return Detector(model_path(model), threads, score_threshold)


def needs_keras(model: str | Path) -> bool:
    """Whether `model` names a network that Keras has to run: a run folder, a `.keras` or an `.npz` file."""
    return Path(model).is_dir() or Path(model).suffix in (".keras", ".npz")


class KerasRuntime:
    """One step of a Keras model as an `edge.StepRuntime`.

    Args:
        step_model: from `keras_sge.models.step_model_from`, batch 1.
    """

    name = "keras"
    note = ""

    def __init__(self, step_model: keras.Model):
        import keras

        self.version, self.accelerator = keras.__version__, keras.backend.backend()
        self._model = step_model
        self.quantization: Quantization = {}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One step; arrays by the model's input and output names."""
        return self._model.predict_on_batch(dict(inputs))

    def close(self) -> None:
        """Nothing is held that Python does not free."""
