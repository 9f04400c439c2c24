"""Reading a trained network back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras

from edge.errors import InputError
from keras_sge.models.sge_net import SGENet
from keras_sge.models.weight_name import weight_name
from keras_sge.models.weights_file import assign_weights, check_finite, read_weights_file


def load_clip_model(path: str | Path, compile: bool = False) -> SGENet:
    """The clip model of a `.keras` file, of a run folder, or of an `.npz` of weights.

    Args:
        path: the file, or a folder that holds `model.keras`. compile: whether the optimiser comes along, which an
            `.npz` does not hold.

    Raises:
        InputError: no such file, damaged, not an SGE-Net, or a weight is no finite number.
    """
    path = Path(path)
    if path.suffix == ".npz":
        config, weights = read_weights_file(path)
        model = SGENet(config)
        _, missing = assign_weights(model, weights)
        if missing:
            raise InputError(f"{path} lacks {len(missing)} of the network's weights, {missing[0]} among them.")
        return model
    file = path / "model.keras" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"no Keras model at {file}. Expected a .keras file or a run folder written by `sge train`.")
    if not zipfile.is_zipfile(file):
        raise InputError(f"{file} is not a .keras file, or it was cut short ({file.stat().st_size} bytes are here).")
    try:
        model = keras.saving.load_model(file, compile=compile)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(model, SGENet):
        raise InputError(f"{file} holds a {type(model).__name__}, expected an SGENet written by `sge train`.")
    check_finite(
        {weight_name(weight): weight for weight in model.weights},
        str(file),
        "Train again with a lower training.learning_rate or gradient_clip.",
    )
    return model
