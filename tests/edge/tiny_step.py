"""The small real model of the device's tests, made with TensorFlow; as a program, writes it for machines without.

python tests/edge/tiny_step.py FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from edge.boxes import AnchorMap

SIDE, STRIDE, CHANNELS = 32, 8, 8
LABELS = ("square", "disc")
ANCHORS = (AnchorMap(8, 8, ((0.2, 0.2), (0.3, 0.15))), AnchorMap(4, 4, ((0.4, 0.4), (0.6, 0.3))))
STATE_SHAPE = (1, SIDE // STRIDE, SIDE // STRIDE, CHANNELS)


def tiny_flatbuffers() -> dict[str, bytes]:
    """The network as float32 and as int8 flatbuffers, without metadata."""
    import tensorflow as tf

    generator = np.random.default_rng(7)

    def kernel(side: int, inputs: int, outputs: int, gain: float = 1.0):
        values = generator.normal(0, gain / np.sqrt(side * side * inputs), (side, side, inputs, outputs))
        return tf.constant(values, tf.float32)

    first, second, candidate = kernel(5, 3, 8, 2.0), kernel(3, 8, 8, 2.0), kernel(1, 8, CHANNELS, 2.0)
    recurrent = kernel(3, CHANNELS, CHANNELS, 3.0)
    heads = [(kernel(1, 8, 8, 0.5), kernel(1, 8, 6, 4.0)) for _ in ANCHORS]

    class Step(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32, "image"),
                tf.TensorSpec((1, SIDE // STRIDE, SIDE // STRIDE, 1), tf.float32, "attention"),
                tf.TensorSpec(STATE_SHAPE, tf.float32, "state"),
            ]
        )
        def step(self, image, attention, state):
            fine = tf.nn.relu(tf.nn.conv2d(image, first, 4, "SAME"))
            coarse = tf.nn.relu(tf.nn.conv2d(fine, second, 2, "SAME")) * attention
            memory = tf.tanh(tf.nn.conv2d(coarse, candidate, 1, "SAME") + tf.nn.conv2d(state, recurrent, 1, "SAME"))
            boxes, scores = [], []
            for features, (box, score) in zip((fine, memory), heads, strict=True):
                boxes.append(tf.reshape(tf.nn.conv2d(features, box, 1, "SAME"), (-1, 4)))
                scores.append(tf.reshape(tf.nn.conv2d(features, score, 1, "SAME"), (-1, len(LABELS) + 1)))
            return {"boxes": tf.concat(boxes, 0), "scores": tf.concat(scores, 0), "next_state": memory}

    def examples():
        for _ in range(8):
            state = generator.uniform(-1, 127 / 128, STATE_SHAPE).astype(np.float32)
            # The whole range of tanh, so that the state's input gets the scale of its output: 1/128.
            state.flat[:2] = -1, 127 / 128
            image = generator.uniform(-1, 1, (1, SIDE, SIDE, 3)).astype(np.float32)
            attention = generator.uniform(0, 1, (1, SIDE // STRIDE, SIDE // STRIDE, 1)).astype(np.float32)
            yield "serving_default", {"image": image, "attention": attention, "state": state}

    module = Step()

    def convert(int8: bool) -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.step.get_concrete_function()], module)
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()

    return {"float32": convert(int8=False), "int8": convert(int8=True)}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, content in tiny_flatbuffers().items():
        (target / f"{name}.tflite").write_bytes(content)
