"""From a step model to a flatbuffer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from quantization.int8 import Ranges, quantized_step


def convert(step: keras.Model, precision: str = "float32") -> bytes:
    """The flatbuffer of a float step, with its input and output names as the signature `serving_default`.

    Args:
        step: from `step_model_from`.
        precision: `float32`; `float16`, weights in half precision; `dynamic`, weights in int8, and the runtime rounds
            each convolution's input as it comes.
    """
    with _converter(step) as converter:
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def convert_int8(step: keras.Model, ranges: Ranges, float_io: bool = False) -> bytes:
    """The int8 flatbuffer of a float step: activations in the ranges given, kernels of an own scale for each channel.

    Args:
        step: from `step_model_from`, with `update="blend"`; it is left as it is.
        ranges: (low, high) of every quantized layer's output by layer name, see `quantization.int8`.
        float_io: inputs and outputs in float32, rounded inside the file, for runtimes that take no integer tensors.
    """
    with _converter(quantized_step(step, ranges)) as converter:
        # It takes the scales of activations from the graph's FakeQuantize and those of weights from the weights.
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if not float_io:
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()


@contextmanager
def _converter(step: keras.Model) -> Iterator[tf.lite.TFLiteConverter]:
    """A converter for builtin operators. It reads a folder that lives as long as the block."""
    names = [tensor.name for tensor in step.inputs]
    signature = {tensor.name: tf.TensorSpec(tensor.shape, tf.float32, tensor.name) for tensor in step.inputs}
    values = [(variable, variable.numpy()) for variable in step.variables]

    @tf.function(input_signature=[signature], autograph=False)
    def serve(inputs):
        # Weights as constants: variables would be saved, restored twice and frozen, three times the work of the rest.
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in values]):
            return step({name: inputs[name] for name in names})

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": serve.get_concrete_function()})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        yield converter
