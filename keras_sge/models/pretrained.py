"""Public MobileNetV1 ImageNet classifiers, by the names of this package's trunk.

Besides the trunk (conv1 to conv13) they hold its last block, `conv14`, and the classifier, `logits`; both come along.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from edge.errors import InputError
from keras_sge.config.maps import TRUNK_BLOCKS
from keras_sge.models.mobilenet_v1 import folded_norm
from keras_sge.models.sge_net import SGENet
from keras_sge.models.step_model import copy_weights
from keras_sge.models.tflite_graph import Convolution, TfliteGraph
from keras_sge.models.topology import block_name, norm_name, topology

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def read_mobilenet_tflite(path: str | Path) -> dict[str, np.ndarray]:
    """The weights of one of TensorFlow's classifiers as a file, whose batch norm is folded; any alpha.

    The folded bias becomes beta, with a gamma, mean and variance that pass the convolution through unchanged; see
    `measure_batch_norm` before training goes on from them.

    Returns:
        float32 arrays by `layer/weight`, such as `conv2_depthwise/kernel` (3, 3, channels, 1).

    Raises:
        InputError: not a TFLite file, or no MobileNetV1.
    """
    graph = TfliteGraph(path)
    trunk, weights = mobilenet_trunk(graph), {}
    for name, conv in zip(_trunk_names(), trunk, strict=True):
        weights[f"{name}/kernel"] = conv.kernel
        weights |= folded_norm(name, conv.bias)
    for conv in graph.convolutions:
        maker = graph.maker(conv.reads)
        if maker is not None and maker.name in ("AVERAGE_POOL_2D", "MEAN"):
            weights |= {"logits/kernel": conv.kernel, "logits/bias": conv.bias}
    return weights


def mobilenet_trunk(graph: TfliteGraph) -> list[Convolution]:
    """conv1, and of each block the depthwise and the 1x1 convolution, of a file that begins with a whole MobileNetV1.

    They are found by what reads what. The first sees a picture in -1 .. 1, whatever the file's own sees.

    Raises:
        InputError: the file begins with something else.
    """
    expected = [("conv", 3, 2)]
    for _, stride in TRUNK_BLOCKS:
        expected += [("depthwise", 3, stride), ("conv", 1, 1)]
    found: list[Convolution] = []
    ahead = graph.readers[graph.inputs[0]]
    for number, (kind, size, stride) in enumerate(expected, start=1):
        # Heads read maps as well.
        ahead = [conv for conv in ahead if conv.kind == kind]
        if len(ahead) != 1 or (ahead[0].size, ahead[0].stride, ahead[0].same, ahead[0].relu6) != (
            *(size, (stride, stride)),
            *(True, True),
        ):
            raise InputError(
                f"{graph.path} holds no MobileNetV1: number {number} of its convolutions is not one {kind} of "
                f"{size}x{size} with stride {stride}, padding `same` and ReLU6."
            )
        found.append(ahead[0])
        ahead = graph.readers[ahead[0].makes]
    return [_of_pictures(graph, found[0]), *found[1:]]


def _of_pictures(graph: TfliteGraph, conv: Convolution) -> Convolution:
    """A file's first convolution for a picture in -1 .. 1; of a quantized file it sees -1 .. 0.992."""
    image = graph.inputs[0]
    found, dtype = graph.scale_and_zero(image), graph.dtype(image)
    if found is None or dtype not in ("uint8", "int8"):
        return conv
    scale, zero = float(found[0][0]), float(found[1][0]) + (128 if dtype == "int8" else 0)
    # It sees scale * (pixel - zero), the network (pixel - 127.5) / 127.5.
    bias = conv.bias + np.float32(scale * (127.5 - zero)) * conv.kernel.sum(axis=(0, 1, 2))
    return dataclasses.replace(conv, kernel=conv.kernel * np.float32(127.5 * scale), bias=bias)


def _trunk_names() -> list[str]:
    """The layers of a whole MobileNetV1's trunk, conv1 to conv14, in their order."""
    halves = [(number, half) for number in range(2, 2 + len(TRUNK_BLOCKS)) for half in ("depthwise", "pointwise")]
    return [block_name(1), *(block_name(number, half) for number, half in halves)]


def read_mobilenet_h5(path: str | Path) -> dict[str, np.ndarray]:
    """The weights of `keras.applications.MobileNet`: a `.weights.h5` of Keras 3 or a file with layer names; any alpha.

    Returns:
        float32 arrays by `layer/weight`, batch norm as it was trained.

    Raises:
        InputError: not an HDF5 file, or no MobileNetV1.
    """
    import h5py

    path = Path(path)
    if not path.is_file() or not h5py.is_hdf5(path):
        raise InputError(f"{path} is not an HDF5 file. Expected the weights of keras.applications.MobileNet.")
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: np.asarray(item)}) if isinstance(item, h5py.Dataset) else None
        )
    numbered = any(name.startswith("layers/") for name in arrays)
    rename = _keras3_name if numbered else _layer_name
    weights = {rename(name): array for name, array in arrays.items()}
    weights = {name: array.astype(np.float32) for name, array in weights.items() if name}
    if f"{block_name(1)}/kernel" not in weights or f"{norm_name(block_name(13))}/gamma" not in weights:
        raise InputError(
            f"{path} holds no MobileNetV1. Expected the weights of keras.applications.MobileNet; "
            f"found {len(arrays)} arrays, {', '.join(sorted(arrays)[:3]) or 'none'} among them."
        )
    return weights


def folded_norms(model: SGENet) -> list[str]:
    """Names of the batch norms that do nothing but add, as `folded_norm` has them."""

    def is_folded(norm):
        gamma, mean, variance = map(keras.ops.convert_to_numpy, (norm.gamma, norm.moving_mean, norm.moving_variance))
        # A fresh one's gamma is 1.
        return ((gamma > 1) & (gamma < 1.0015) & (mean == 0) & (variance == 1)).all()

    norms = [row.norm for row in topology(model.config) if row.norm]
    return [name for name in norms if is_folded(model.get_layer(name))]


def measure_batch_norm(model: SGENet, inputs: Mapping[str, np.ndarray]) -> None:
    """Gives folded batch norms the statistics of real images, so that training may go on from them.

    A folded batch norm says what to add, not what to expect. With the mean and variance of its input filled in and
    gamma and beta adjusted, it computes what it did before, and batch statistics find it where it belongs. Others stay
    as they are.

    Args:
        model: a clip model, for clips of any length.
        inputs: single frames as the model takes clips: `image` float32 (n, 1, height, width, 3) in -1 .. 1 and, with
            entropy, `attention` (n, 1, rows, columns, 1).
    """
    names = folded_norms(model)
    single = SGENet(model.config, clip_length=1)
    copy_weights(model, single)
    probe = keras.Model(single.inputs, [single.get_layer(name).input for name in names])
    measured = probe.predict({tensor.name: inputs[tensor.name] for tensor in single.inputs}, verbose=0)
    for norm, values in zip(map(model.get_layer, names), measured, strict=True):
        mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
        beta = keras.ops.convert_to_numpy(norm.beta)
        norm.gamma.assign(np.sqrt(variance + norm.epsilon))
        norm.beta.assign(beta + mean)
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _keras3_name(name: str) -> str | None:
    """`layers/conv2d_2/vars/0`: layers of one kind are numbered as the network makes them."""
    found = re.fullmatch(r"layers/(conv2d|depthwise_conv2d|batch_normalization)(?:_(\d+))?/vars/(\d)", name)
    if not found:
        return None
    kind, number, part = found[1], int(found[2] or 0), int(found[3])
    if kind == "conv2d":
        if number == 14:
            return ("logits/kernel", "logits/bias")[part]
        return f"{block_name(number + 1)}/kernel"
    if kind == "depthwise_conv2d":
        return f"{block_name(number + 2, 'depthwise')}/kernel"
    # After conv1's, each block has one for its depthwise and one for its pointwise convolution.
    block, pointwise = divmod(number - 1, 2)
    layer = block_name(block + 2, "pointwise" if pointwise else "depthwise") if number else block_name(1)
    return f"{norm_name(layer)}/{_NORM[part]}"


def _layer_name(name: str) -> str | None:
    """`conv_pw_3_bn/conv_pw_3_bn/gamma:0`: layers by name."""
    layer, weight = name.split(":")[0].split("/")[-2:] if "/" in name else ("", "")
    weight = "kernel" if weight == "depthwise_kernel" else weight
    if layer == "conv_preds":
        return f"logits/{weight}"
    found = re.fullmatch(r"conv1(_bn)?|conv_(dw|pw)_(\d+)(_bn)?", layer)
    if not found:
        return None
    if found[2] is None:
        return f"{layer}/{weight}"
    side = "depthwise" if found[2] == "dw" else "pointwise"
    return f"conv{int(found[3]) + 1}_{side}{found[4] or ''}/{weight}"
