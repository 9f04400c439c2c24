"""How tensorflow-model-optimization quantizes each kind of layer of the one-step network."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from quantization.qat.model_optimization import tfmot


class OutputRange(tfmot.quantization.keras.QuantizeConfig):
    """A layer whose output is rounded to 256 steps of a fixed range, or is left as it is.

    Args:
        low, high: the range, which includes 0; None leaves the output alone.
    """

    def __init__(self, low: float | None = None, high: float | None = None):
        self.low, self.high = low, high

    def get_weights_and_quantizers(self, layer):
        return []

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        pass

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        if self.low is None:
            return []
        return [tfmot.quantization.keras.quantizers.FixedQuantizer(8, self.low, self.high, narrow_range=False)]

    def get_config(self):
        return {"low": self.low, "high": self.high}


class ConvolutionRange(OutputRange):
    """A convolution: its kernel has a scale for each output channel, its output is as in `OutputRange`."""

    def get_weights_and_quantizers(self, layer):
        return [(getattr(layer, _kernel_name(layer)), ChannelQuantizer(_kernel_name(layer) == "depthwise_kernel"))]

    def set_quantize_weights(self, layer, quantize_weights):
        setattr(layer, _kernel_name(layer), quantize_weights[0])


class ChannelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Rounds a kernel to -127 .. 127 steps of its own largest value in each output channel.

    Args:
        depthwise: whether the kernel is (rows, columns, channels, 1) and not (rows, columns, inputs, channels).
    """

    def __init__(self, depthwise: bool = False):
        self.depthwise = depthwise

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        kernel = tf.squeeze(inputs, -1) if self.depthwise else inputs
        # A channel of zeros would have no range at all.
        limit = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(kernel), axis=range(kernel.shape.rank - 1)), 1e-6))
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -limit, limit, narrow_range=True)
        return rounded[..., None] if self.depthwise else rounded

    def get_config(self):
        return {"depthwise": self.depthwise}


class AsAnnotated(tfmot.quantization.keras.QuantizeScheme):
    """A scheme in which every layer is quantized as its own annotation says and the graph stays as it is."""

    def get_layout_transformer(self):
        return _Unchanged()

    def get_quantize_registry(self):
        return _NoDefaults()


class _Unchanged(tfmot.quantization.keras.QuantizeLayoutTransform):
    def apply(self, model, layer_quantize_map):
        return model, layer_quantize_map


class _NoDefaults(tfmot.quantization.keras.QuantizeRegistry):
    def supports(self, layer):
        return False

    def get_quantize_config(self, layer):
        raise ValueError(f"the layer {layer.name} carries no annotation.")


def _kernel_name(layer: tf_keras.layers.Layer) -> str:
    return "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"


CUSTOM_OBJECTS = {kind.__name__: kind for kind in (OutputRange, ConvolutionRange, ChannelQuantizer)}
