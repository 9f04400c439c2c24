"""A small real model for the device's tests: 32x32 input, two labels, two detection maps, one recurrent state."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_step import ANCHORS, LABELS, SIDE, STATE_SHAPE, STRIDE, tiny_flatbuffers

from edge.metadata import EntropySettings, Metadata, StateTensor, append_metadata
from edge.quiet import quiet_opencv


@pytest.fixture(scope="session", autouse=True)
def quiet_ffmpeg():
    """As in a program that only uses the package: FFmpeg is silent before OpenCV opens its first video."""
    with quiet_opencv():
        yield


@pytest.fixture(scope="session")
def flatbuffers() -> dict[str, bytes]:
    """The network as float32 and as int8 flatbuffers, without metadata.

    Where SGE_EDGE_TEST_MODELS names a folder, they are read from there: a device's environment has no TensorFlow.
    """
    if folder := os.environ.get("SGE_EDGE_TEST_MODELS"):
        return {name: (Path(folder) / f"{name}.tflite").read_bytes() for name in ("float32", "int8")}
    pytest.importorskip("tensorflow")
    return tiny_flatbuffers()


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
