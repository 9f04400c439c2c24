"""A small real model for the device's tests: 32x32 input, two labels, two detection maps, one recurrent state."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.anchors import AnchorMap
from edge.metadata import EntropySettings, Metadata, StateTensor, append_metadata
from edge.quiet import quiet_opencv

SIDE, STRIDE, CHANNELS = 32, 8, 8
LABELS = ("square", "disc")
ANCHORS = (AnchorMap(8, 8, ((0.2, 0.2), (0.3, 0.15))), AnchorMap(4, 4, ((0.4, 0.4), (0.6, 0.3))))
STATE_SHAPE = (1, SIDE // STRIDE, SIDE // STRIDE, CHANNELS)


@pytest.fixture(scope="session", autouse=True)
def quiet_ffmpeg():
    """As in a program that only uses the package: FFmpeg is silent before OpenCV opens its first video."""
    with quiet_opencv():
        yield


@pytest.fixture(scope="session")
def flatbuffers() -> dict[str, bytes]:
    """The network as float32 and as int8 flatbuffers, without metadata."""
    tf = pytest.importorskip("tensorflow")
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


@pytest.fixture(scope="session")
def model_metadata() -> Metadata:
    """The float model's metadata, without a digest."""
    return Metadata(
        name="tiny",
        labels=LABELS,
        height=SIDE,
        width=SIDE,
        precision="float32",
        anchors=ANCHORS,
        entropy=EntropySettings(stride=STRIDE),
        states=(StateTensor("state", "next_state", STATE_SHAPE),),
        details={"config": "tests", "training": {"steps": 0}},
    )


@pytest.fixture(scope="session")
def model_file(flatbuffers, model_metadata, tmp_path_factory) -> Path:
    """The float32 model as `sge export` would leave it."""
    path = tmp_path_factory.mktemp("models") / "tiny_float32.tflite"
    path.write_bytes(append_metadata(flatbuffers["float32"], model_metadata))
    return path


@pytest.fixture(scope="session")
def frames() -> list[np.ndarray]:
    """Twelve 48x64 BGR frames: a bright square and a disc moving over noise."""
    generator = np.random.default_rng(3)
    pictures = []
    for step in range(12):
        frame = generator.integers(40, 90, (48, 64, 3), np.uint8)
        cv2.rectangle(frame, (3 * step, 8), (3 * step + 12, 20), (230, 60, 60), -1)
        cv2.circle(frame, (60 - 3 * step, 34), 7, (60, 230, 230), -1)
        pictures.append(frame)
    return pictures


@pytest.fixture(scope="session")
def clip(frames, tmp_path_factory) -> Path:
    """The frames as an mp4 of 10 frames a second."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="session")
def cut_clip(tmp_path_factory) -> Path:
    """An avi of 60 frames of which the last third of the bytes is missing."""
    path = tmp_path_factory.mktemp("clips") / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    generator = np.random.default_rng(1)
    for _ in range(60):
        writer.write(generator.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path
