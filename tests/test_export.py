"""The deployed file against Keras."""

import re

import numpy as np
import pytest
from tiny import CLASSES, randomize, tiny_config

from edge.detector import Detector
from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.metadata import read_model
from edge.preprocess import resize_frame
from edge.runtimes.litert import Runtime
from keras_sge.boxes import anchor_maps
from keras_sge.cli.main import main
from keras_sge.data import SyntheticSky
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import entropy_settings, state_tensors
from quantization import Exporter, validation
from quantization import exporter as exporting


@pytest.fixture(scope="module")
def frames():
    return SyntheticSky(videos=1, frames=60, size=80, seed=4).read(0)


def answers_of(detector, frames):
    return [np.concatenate([part.ravel() for part in detector.raw(frame)]) for frame in frames]


def keras_answers(model, frames):
    """Preprocessing as training does it, and the state carried by hand."""
    config, step = model.config, step_model_from(model)
    state = np.zeros(step.input["state"].shape, np.float32)
    answers = []
    for frame in frames:
        resized = resize_frame(frame, *config.input_size)
        attention = entropy_attention(resized, entropy_settings(config))
        answer = step.predict_on_batch(
            {
                "image": (resized[None, ..., ::-1] / 127.5 - 1).astype(np.float32),
                "attention": attention[None, ..., None],
                "state": state,
            }
        )
        state = answer["next_state"]
        answers.append(np.concatenate([answer["boxes"].ravel(), answer["scores"].ravel()]))
    return answers


@pytest.fixture(scope="module")
def expected(tiny_net, frames):
    answers = keras_answers(tiny_net, frames)
    assert np.std(answers[-1]) > 0.3
    # The frames differ, and so must the answers: a file that ignores its inputs would pass otherwise.
    assert np.abs(answers[-1] - answers[0]).max() > 0.1
    return answers


def test_float32_equals_keras_over_sixty_frames(tiny_tflite, frames, expected):
    for number, answer in enumerate(answers_of(Detector(tiny_tflite), frames)):
        np.testing.assert_allclose(answer, expected[number], atol=1e-4, err_msg=f"frame {number}")


def test_float16_is_near_and_half_as_large(tiny_net, tiny_tflite, frames, expected, tmp_path):
    path = tmp_path / "half.tflite"
    result = Exporter(tiny_net, "float16").write(path)
    assert result.metadata.precision == "float16" and result.bytes == path.stat().st_size
    assert re.match(rf"{re.escape(str(path))}: \d\.\d\d MB, float16, within \S+ of Keras, relative", str(result))
    for answer, wanted in zip(answers_of(Detector(path), frames), expected, strict=True):
        assert np.abs(answer - wanted).max() <= 2e-2 * np.abs(wanted).max()
    flatbuffers = [read_model(file)[0] for file in (path, tiny_tflite)]
    assert len(flatbuffers[0]) < 0.85 * len(flatbuffers[1])


def test_file_with_the_map_inside_agrees(tiny_net, frames, expected, tmp_path):
    path = tmp_path / "whole.tflite"
    assert Exporter(tiny_net, entropy="graph").write(path).metadata.entropy is None
    for answer, wanted in zip(answers_of(Detector(path), frames[:10]), expected, strict=False):
        np.testing.assert_allclose(answer, wanted, atol=1e-3)
    assert_plain_operators(path)


def assert_plain_operators(path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=read_model(path)[0],
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    names = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert {"CONV_2D", "DEPTHWISE_CONV_2D"} <= names
    bad = [
        name
        for name in names
        if name.startswith("Flex") or "CUSTOM" in name.upper() or "VAR" in name or name in ("WHILE", "IF", "CALL_ONCE")
    ]
    assert not bad
    assert all((np.array(tensor["shape_signature"]) >= 0).all() for tensor in interpreter.get_tensor_details())


def test_builtin_operators_only(tiny_tflite):
    assert_plain_operators(tiny_tflite)


def test_two_detectors_on_one_file_share_no_state(tiny_tflite, frames):
    alone = answers_of(Detector(tiny_tflite), frames[:6])
    first, second = Detector(tiny_tflite), Detector(tiny_tflite)
    for number in range(6):
        answer = answers_of(first, [frames[number]])[0]
        answers_of(second, [frames[-1 - number]])
        np.testing.assert_array_equal(answer, alone[number])
    assert not np.array_equal(first.state["state"], second.state["state"])


def test_metadata_says_what_a_device_needs(tiny_net, tiny_tflite):
    config, metadata = tiny_net.config, read_model(tiny_tflite)[1]
    assert metadata.labels == CLASSES
    assert (metadata.height, metadata.width, metadata.precision) == (64, 64, "float32")
    assert metadata.anchors == anchor_maps(config)
    assert metadata.entropy == entropy_settings(config)
    assert metadata.states == state_tensors(config)
    assert metadata.states[0].shape == (1, 2, 2, 12)
    assert metadata.details["config"]["alpha"] == config.alpha
    assert metadata.details["relative_difference_to_keras"] < 1e-3
    assert set(metadata.details["exported_with"]) == {"keras-sge", "tensorflow", "keras"}


def test_box_voting_is_decided_at_export(tiny_keras, tiny_tflite, tmp_path):
    path = tmp_path / "voting.tflite"
    assert main(["export", str(tiny_keras), "--out", str(path), "--box-voting"]) == 0
    (first, voting), (second, plain) = read_model(path), read_model(tiny_tflite)
    assert first == second
    assert voting.box_voting and not plain.box_voting


def test_single_frame_network_has_no_state(frames, tmp_path):
    model = randomize(SGENet(tiny_config(memory=None, entropy=None), clip_length=2))
    metadata = Exporter(model, details={"note": "tests"}).write(tmp_path / "single.tflite").metadata
    assert metadata.states == () and metadata.entropy is None and metadata.details["note"] == "tests"
    detector = Detector(tmp_path / "single.tflite")
    once, again = answers_of(detector, [frames[0], frames[0]])
    np.testing.assert_array_equal(once, again)


def test_unknown_precision_is_refused(tiny_net, tmp_path):
    with pytest.raises(InputError, match=r"float32, float16.*Received: 'int3'"):
        Exporter(tiny_net, "int3")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("difference", [0.5, float("nan")])
def test_a_file_that_differs_is_not_written(tiny_net, tmp_path, monkeypatch, tiny_tflite, difference):
    monkeypatch.setattr(exporting, "convert", lambda *_: read_model(tiny_tflite)[0])

    class Off(Runtime):
        def __call__(self, inputs):
            return {name: value * (1 + difference) for name, value in super().__call__(inputs).items()}

    monkeypatch.setattr(validation, "Runtime", Off)
    with pytest.raises(InputError, match="differs from Keras"):
        Exporter(tiny_net).write(tmp_path / "no.tflite")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_keeps_the_file_that_was_there(tiny_net, tmp_path, monkeypatch):
    path = tmp_path / "kept.tflite"
    path.write_bytes(b"before")

    def fail(*_):
        raise RuntimeError("converter")

    monkeypatch.setattr(exporting, "convert", fail)
    with pytest.raises(RuntimeError, match="converter"):
        Exporter(tiny_net).write(path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.tflite"]


def test_missing_folder_is_refused(tiny_net, tmp_path, monkeypatch, tiny_tflite):
    monkeypatch.setattr(exporting, "convert", lambda *_: read_model(tiny_tflite)[0])
    with pytest.raises(InputError, match="no folder"):
        Exporter(tiny_net).write(tmp_path / "nowhere" / "no.tflite")
