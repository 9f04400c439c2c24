"""A trained network as a .tflite of one time step with explicit state (see docs/state-contract.md)."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import Metadata, append_metadata
from edge.runtime import Runtime
from keras_sge.config import config_to_dict
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.network_metadata import network_metadata

PRECISIONS = ("float32", "float16")
# How much a written file may differ from Keras over the check's frames, see `relative_difference`.
TOLERANCE = {"float32": 1e-3, "float16": 3e-2}
_CHECKED_FRAMES = 5


def export(
    clip_model: SGENet,
    path: str | Path,
    precision: str = "float32",
    entropy: str = "host",
    details: dict[str, object] | None = None,
) -> Metadata:
    """Writes one step of `clip_model`, batch 1, static shapes, builtin operators only, and checks it against Keras.

    Args:
        clip_model: the trained network. path: the file to write.
        precision: `float32`, or `float16` for half the size (weights are kept in half precision).
        entropy: `host`, the attention is an input, or `graph`, the file computes the entropy map itself.
        details: facts for people that go into the metadata.

    Returns:
        The metadata inside the file.

    Raises:
        InputError: an unknown precision, or the written file differs from Keras by more than `TOLERANCE`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision!r}")
    step = step_model_from(clip_model, entropy=entropy)
    facts = {
        "config": config_to_dict(clip_model.config),
        "exported_with": {name: importlib.metadata.version(name) for name in ("keras-sge", "tensorflow", "keras")},
        **(details or {}),
    }
    metadata = network_metadata(clip_model.config, precision, entropy, facts)
    flatbuffer = convert(step, precision)
    error = relative_difference(step, flatbuffer, metadata)
    if not error <= TOLERANCE[precision]:
        allowed = TOLERANCE[precision]
        raise InputError(f"the converted file differs from Keras by {error:.2%}; {allowed:.2%} is allowed.")
    metadata = dataclasses.replace(metadata, details={**facts, "relative_difference_to_keras": float(error)})
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(append_metadata(flatbuffer, metadata))
    return metadata


def convert(step: keras.Model, precision: str = "float32") -> bytes:
    """The flatbuffer of a step model, with its input and output names as the signature `serving_default`."""
    names = [tensor.name for tensor in step.inputs]
    signature = {tensor.name: tf.TensorSpec(tensor.shape, tf.float32, tensor.name) for tensor in step.inputs}

    @tf.function(input_signature=[signature])
    def serve(inputs):
        return step({name: inputs[name] for name in names})

    archive = keras.export.ExportArchive()
    archive.track(step)
    archive.add_endpoint("serve", serve)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if precision == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def relative_difference(step: keras.Model, flatbuffer: bytes, metadata: Metadata, seed: int = 0) -> float:
    """The worst output's mean difference between Keras and the file, as a fraction of that output's mean size, over a
    few random frames with carried state."""
    runtime = Runtime(flatbuffer, metadata)
    rng = np.random.default_rng(seed)
    shapes = {tensor.name: tuple(tensor.shape) for tensor in step.inputs}
    states = [
        {state.input: np.full(state.shape, state.reset, np.float32) for state in metadata.states} for _ in range(2)
    ]
    worst = 0.0
    for _ in range(_CHECKED_FRAMES):
        pixels = rng.integers(0, 256, shapes["image"])
        inputs = {"image": (pixels / 127.5 - 1).astype(np.float32)}
        if "attention" in shapes:
            inputs["attention"] = rng.uniform(0.5, 0.96, shapes["attention"]).astype(np.float32)
        expected = step.predict_on_batch({**inputs, **states[0]})
        received = runtime({**inputs, **states[1]})
        states = [{s.input: outputs[s.output] for s in metadata.states} for outputs in (expected, received)]
        for name, values in expected.items():
            worst = max(worst, float(np.abs(values - received[name]).mean() / np.abs(values).mean()))
    return worst
