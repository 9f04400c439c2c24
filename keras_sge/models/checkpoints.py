"""Reading a trained network back."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import keras
import numpy as np

from edge.errors import InputError
from keras_sge.config import NetworkConfig
from keras_sge.models.pretrained import read_mobilenet_h5, read_mobilenet_tflite
from keras_sge.models.sge_net import SGENet
from keras_sge.models.topology import topology, weight_name
from keras_sge.models.weights import assign_weights, check_finite, read_weights_file


def load_model(path: str | Path, compile: bool = False) -> SGENet:
    """The clip model of a `.keras` file, of a run folder, or of an `.npz` of weights.

    Args:
        path: the file, or a folder that holds `model.keras`. compile: whether the optimizer comes along, which an
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


def read_weights(path: str | Path) -> tuple[NetworkConfig | None, dict[str, np.ndarray]]:
    """The network that a file or run folder holds and its weights, float32 by `layer/weight`.

    Args:
        path: a run folder or `.keras` file of `sge train`, an `.npz` of `sge weights`, or a public MobileNetV1 ImageNet
            classifier, which gives the trunk and no network of ours, None: TensorFlow's quantized `.tflite`, or the
            `.h5` of `keras.applications`.

    Raises:
        InputError: none of these.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        return read_weights_file(path)
    if suffix == ".tflite":
        return None, read_mobilenet_tflite(path)
    if suffix in (".h5", ".hdf5"):
        return None, read_mobilenet_h5(path)
    model = load_model(path)
    return model.config, {weight_name(w): keras.ops.convert_to_numpy(w) for w in model.weights}


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
    for head in topology(model.config).heads("boxes"):
        layer = model.get_layer(head.name)
        bias = keras.ops.convert_to_numpy(layer.bias)
        layer.bias.assign((bias.reshape(-1, 4) + shift).reshape(-1))
