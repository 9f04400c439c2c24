"""Takes out of the biases what rounding the kernels puts into the answers."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def convolutions(step: keras.Model) -> list[keras.layers.Layer]:
    """The step's convolutions, in the graph's order."""
    return [layer for layer in step.layers if isinstance(layer, _CONVOLUTIONS)]


def corrected(step: keras.Model, input_means: Mapping[str, np.ndarray], least_size: int = 0) -> keras.Model:
    """A copy of the step with corrected biases, see `correct_biases`."""
    copy = keras.models.clone_model(step)
    copy.set_weights(step.get_weights())
    correct_biases(copy, input_means, least_size)
    return copy


def correct_biases(step: keras.Model, input_means: Mapping[str, np.ndarray], least_size: int = 0) -> None:
    """Shifts each convolution's bias by the mean error of its rounded kernel (Nagel et al. 2019, section 4.2).

    An input behind a ReLU has a mean far from zero, so a rounded kernel moves an output channel by the same amount
    everywhere: on the shipped networks most of what int8 weights cost. Kernels keep their values; the step is then no
    longer the float network, and equals it once its kernels are rounded.

    Args:
        step: from `step_model_from`; its biases, or the means of the batch norms behind, are changed in place.
        input_means: float (channels,), of each convolution's input over real frames, by layer name.
        least_size: kernels of fewer weights are not rounded and need no correction.
    """
    norms = {id(layer.input): layer for layer in step.layers if isinstance(layer, keras.layers.BatchNormalization)}
    for layer in convolutions(step):
        kernel, *bias = layer.get_weights()
        if kernel.size < least_size:
            continue
        error = _mean_output(layer, rounded_kernel(layer) - kernel, input_means[layer.name])
        if id(layer.output) in norms:
            norm = norms[id(layer.output)]
            norm.moving_mean.assign_add(error)
        elif bias:
            layer.set_weights([kernel, bias[0] - error])


def rounded_kernel(layer: keras.layers.Layer) -> np.ndarray:
    """A convolution's kernel as the converter rounds it: 255 steps, symmetric, an own scale for each output channel.

    A batch norm behind scales whole channels and so changes nothing in the rounding.
    """
    kernel = layer.get_weights()[0]
    axes = (0, 1, 3) if _is_depthwise(layer) else (0, 1, 2)
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    return np.where(scale > 0, np.round(kernel / np.where(scale > 0, scale, 1)) * scale, 0).astype(np.float32)


def _mean_output(layer: keras.layers.Layer, kernel: np.ndarray, means: np.ndarray) -> np.ndarray:
    if _is_depthwise(layer):
        return kernel[..., 0].sum(axis=(0, 1)) * means
    return np.einsum("hwio,i->o", kernel, means)


def _is_depthwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)
