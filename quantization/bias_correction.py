"""Takes out of the biases what rounding the kernels puts into the answers."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
# Of precision `dynamic` the converter leaves kernels of fewer weights as they are.
_LEAST_ROUNDED = 1024


def convolutions(step: keras.Model) -> list[keras.layers.Layer]:
    """The step's convolutions, in the graph's order."""
    return [layer for layer in step.layers if isinstance(layer, _CONVOLUTIONS)]


def corrected(step: keras.Model, input_means: Mapping[str, np.ndarray], precision: str = "int8") -> keras.Model:
    """A copy of the step with corrected biases, see `correct_biases`."""
    copy = keras.models.clone_model(step)
    copy.set_weights(step.get_weights())
    correct_biases(copy, input_means, precision)
    return copy


def correct_biases(step: keras.Model, input_means: Mapping[str, np.ndarray], precision: str = "int8") -> None:
    """Shifts each convolution's bias by the mean error of its rounded kernel (Nagel et al. 2019, section 4.2).

    An input behind a ReLU has a mean far from zero, so a rounded kernel moves an output channel by the same amount
    everywhere: on the shipped networks most of what int8 weights cost. Kernels keep their values; the step is then no
    longer the float network, and equals it once its kernels are rounded.

    Args:
        step: from `step_model_from`; its biases, or the means of the batch norms behind, are changed in place.
        input_means: float (channels,), of each convolution's input over real frames, by layer name.
        precision: of the file: `int8`, `dynamic` or `float16`.
    """
    norms = batch_norms(step)
    least_size = _LEAST_ROUNDED if precision == "dynamic" else 0
    for layer in convolutions(step):
        kernel, *bias = layer.get_weights()
        if kernel.size < least_size:
            continue
        norm = norms.get(layer.name)
        error = _mean_output(layer, rounded_kernel(layer, norm, precision) - kernel, input_means[layer.name])
        if norm is not None:
            norm.moving_mean.assign_add(error)
        elif bias:
            layer.set_weights([kernel, bias[0] - error])


def batch_norms(step: keras.Model) -> dict[str, keras.layers.BatchNormalization]:
    """The batch norms that stand behind convolutions, by the convolution's name."""
    behind = {id(layer.input): layer for layer in step.layers if isinstance(layer, keras.layers.BatchNormalization)}
    return {layer.name: behind[id(layer.output)] for layer in convolutions(step) if id(layer.output) in behind}


def rounded_kernel(
    layer: keras.layers.Layer, norm: keras.layers.BatchNormalization | None = None, precision: str = "int8"
) -> np.ndarray:
    """A convolution's kernel as the converter rounds it, after it has multiplied the batch norm behind into it.

    `int8` and `dynamic`: 255 steps, symmetric, an own scale for each output channel. `float16`: 11 significant bits.
    """
    kernel = layer.get_weights()[0]
    if precision == "float16":
        if norm is None:
            return kernel.astype(np.float16).astype(np.float32)
        scale = np.broadcast_to(_scale(norm)[:, None] if _is_depthwise(layer) else _scale(norm), kernel.shape)
        whole = (kernel * scale).astype(np.float16).astype(np.float32)
        # A channel of scale 0 answers with its offset alone, whatever its kernel is.
        return np.divide(whole, scale, out=kernel.copy(), where=scale != 0)
    # A batch norm scales whole channels, which changes nothing in this rounding.
    axes = (0, 1, 3) if _is_depthwise(layer) else (0, 1, 2)
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    return np.where(scale > 0, np.round(kernel / np.where(scale > 0, scale, 1)) * scale, 0).astype(np.float32)


def _scale(norm: keras.layers.BatchNormalization) -> np.ndarray:
    deviation = np.sqrt(keras.ops.convert_to_numpy(norm.moving_variance) + norm.epsilon)
    return (keras.ops.convert_to_numpy(norm.gamma) if norm.scale else 1.0) / deviation


def _mean_output(layer: keras.layers.Layer, kernel: np.ndarray, means: np.ndarray) -> np.ndarray:
    if _is_depthwise(layer):
        return kernel[..., 0].sum(axis=(0, 1)) * means
    return np.einsum("hwio,i->o", kernel, means)


def _is_depthwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)
