"""From a step model to a flatbuffer."""

from __future__ import annotations

import tempfile

import keras
import tensorflow as tf

from quantization.bias_correction import corrected
from quantization.calibration import Calibration
from quantization.contract import Ranges, quantized_step

# Of precision `dynamic` the converter leaves smaller kernels as they are.
_LEAST_ROUNDED = 1024


def convert(step: keras.Model, precision: str = "float32", calibration: Calibration | None = None) -> bytes:
    """The flatbuffer of a float step, with its input and output names as the signature `serving_default`.

    Args:
        step: from `step_model_from`.
        precision: `float32`; `float16`, weights in half precision; `dynamic`, weights in int8, and the runtime rounds
            each convolution's input as it comes.
        calibration: from `calibrate`, for `float16` and `dynamic`: biases are corrected for what the rounding of
            kernels does.
    """
    if calibration is not None:
        kernels = ("float16", 0) if precision == "float16" else ("int8", _LEAST_ROUNDED)
        step = corrected(step, calibration.input_means, *kernels)
    converter, _folder = _converter(step)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def quantize(step: keras.Model, calibration: Calibration, float_io: bool = False) -> bytes:
    """The int8 flatbuffer of a float step: activations in the ranges seen, kernels of an own scale for each channel,
    biases corrected for what the rounding of kernels does.

    Args:
        step: from `step_model_from`, with `update="blend"`; it is left as it is. calibration: from `calibrate`.
        float_io: inputs and outputs in float32, rounded inside the file, for runtimes that take no integer tensors.
    """
    return quantize_as_is(corrected(step, calibration.input_means), calibration.ranges, float_io)


def quantize_as_is(step: keras.Model, ranges: Ranges, float_io: bool = False) -> bytes:
    """As `quantize`, with biases as they are: those of a quantization-aware run have learned what rounding does.

    Args:
        step: from `step_model_from`, with `update="blend"`. ranges: (low, high) by layer name. float_io: as above.
    """
    converter, _folder = _converter(quantized_step(step, ranges))
    # The converter takes the scales of activations from the graph's FakeQuantize and those of weights from the weights.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if not float_io:
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def _converter(step: keras.Model) -> tuple[tf.lite.TFLiteConverter, tempfile.TemporaryDirectory]:
    """A converter for builtin operators, and the folder that must live until it has converted."""
    names = [tensor.name for tensor in step.inputs]
    signature = {tensor.name: tf.TensorSpec(tensor.shape, tf.float32, tensor.name) for tensor in step.inputs}

    @tf.function(input_signature=[signature], autograph=False)
    def serve(inputs):
        return step({name: inputs[name] for name in names})

    # Not `step.export`: it saves every layer's own functions as well, which takes longer than all the rest.
    module = tf.Module()
    module.weights = [weight.value for weight in step.weights]
    folder = tempfile.TemporaryDirectory()
    tf.saved_model.save(module, folder.name, signatures={"serving_default": serve.get_concrete_function()})
    converter = tf.lite.TFLiteConverter.from_saved_model(folder.name, signature_keys=["serving_default"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter, folder
