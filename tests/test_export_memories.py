"""Every memory's deployed file: its own states, equal to Keras step by step, and in a stream."""

import cv2
import numpy as np
import pytest
from tiny import randomize, tiny_config

from edge.detector import Detector
from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.metadata import read_model
from keras_sge.config import EntropyConfig, MemoryConfig, ReductionConfig
from keras_sge.data import SyntheticSky
from keras_sge.evaluation.detector import KerasRuntime
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from quantization import CalibrationSource, Exporter

ONE, TWO = ["state"], ["state_h", "state_c"]
MEMORIES = {
    "lstm": (MemoryConfig("lstm", 200), TWO),
    "gru": (MemoryConfig("gru", 200), ONE),
    "conv_gru": (MemoryConfig("conv_gru", 120), ONE),
    "bottleneck_lstm": (MemoryConfig("bottleneck_lstm", 120), TWO),
    "squeezed_gru, gate": (MemoryConfig(filters=120, squeeze="gate"), ONE),
    "lstm inside the trunk": (MemoryConfig("lstm", 200, attach_to="conv4"), TWO),
}


def model_of(name):
    memory, states = MEMORIES[name]
    reduction = ReductionConfig(120) if memory.attach_to != "conv13" else None
    # Twice the attention, so that the factor in the network is exported as well.
    entropy = EntropyConfig(attach_to=memory.attach_to, gain=2)
    return randomize(SGENet(tiny_config(memory=memory, reduction=reduction, entropy=entropy))), states


@pytest.mark.parametrize("name", MEMORIES)
def test_the_file_equals_keras_and_streams(name, tmp_path):
    model, states = model_of(name)
    path = tmp_path / "model.tflite"
    Exporter(model).write(path)
    metadata = read_model(path)[1]
    assert [state.input for state in metadata.states] == states
    assert [state.output for state in metadata.states] == [f"next_{state}" for state in states]
    frames = SyntheticSky(videos=1, frames=4, size=64, seed=4).read(0)
    file = Detector(path)
    keras_step = Detector.from_runtime(KerasRuntime(step_model_from(model)), network_metadata(model.config))
    for frame in frames:
        for answer, expected in zip(file.raw(frame), keras_step.raw(frame), strict=True):
            np.testing.assert_allclose(answer, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    carried = file.state
    assert set(carried) == set(states)
    for state in states:
        np.testing.assert_allclose(carried[state], keras_step.state[state], atol=1e-4)
        assert np.abs(carried[state]).max() > 0.01
    # Every state says something: without it the next answer is another.
    inputs = {
        "image": (frames[:1, ..., ::-1] / 127.5 - 1).astype(np.float32),
        "attention": entropy_attention(frames[0], metadata.entropy)[None, ..., None],
        **carried,
    }
    expected = file.runtime(inputs)["scores"]
    for state in states:
        without = file.runtime({**inputs, state: np.zeros_like(carried[state])})["scores"]
        assert np.abs(without - expected).max() > 1e-4, state
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    assert len(list(file.stream(folder))) == len(frames)


@pytest.mark.parametrize("name", ["lstm inside the trunk", "bottleneck_lstm"])
def test_dynamic_is_for_every_memory(name, tmp_path):
    model, states = model_of(name)
    source = CalibrationSource(SyntheticSky(videos=1, frames=3, size=64, seed=4), "tests", clips=1)
    exporter = Exporter(model, "dynamic")
    exporter.calibrate(source)
    exporter.write(tmp_path / "model.tflite")
    assert [state.input for state in read_model(tmp_path / "model.tflite")[1].states] == states


@pytest.mark.parametrize("name", ["lstm", "bottleneck_lstm"])
def test_int8_of_an_lstm_is_refused(name):
    with pytest.raises(InputError, match=rf"GRU memories.*network\.memory\.kind={name}\."):
        Exporter(model_of(name)[0], "int8")
