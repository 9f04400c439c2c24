"""The stream on a real small .tflite: state, resets, bad frames, bad models, both precisions."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edge.boxes import AnchorMap
from edge.detector import Detector
from edge.draw import draw_detections
from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.metadata import StateTensor, append_metadata
from edge.model_zoo import DEFAULT_MODEL, default_model, list_models, model_path
from edge.preprocess import network_input, quantized_network_input, resize_frame
from edge.sinks.video import VideoSink
from edge.stream import MAX_GAP_SECONDS
from edge.video.open import open_source


@pytest.fixture
def detector(model_file) -> Detector:
    return Detector(model_file, score_threshold=0.5)


@pytest.fixture(scope="module")
def int8_file(flatbuffers, model_metadata, tmp_path_factory):
    state = dataclasses.replace(model_metadata.states[0], dtype="int8", scale=1 / 128)
    metadata = dataclasses.replace(model_metadata, precision="int8", states=(state,))
    path = tmp_path_factory.mktemp("models") / "tiny_int8.tflite"
    path.write_bytes(append_metadata(flatbuffers["int8"], metadata))
    return path


def test_result_is_what_it_says(detector, frames):
    result = detector(frames[0])
    assert result.frame_id == 0 and result.time == 0.0 and result.frame is frames[0]
    assert result.detections
    scores = [found.score for found in result.detections]
    assert scores == sorted(scores, reverse=True)
    for found in result.detections:
        assert found.label == detector.labels[found.class_id]
        assert 0.5 < found.score <= 1
        x1, y1, x2, y2 = found.box
        assert 0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 48
    assert set(result.timings) == {"preprocess", "entropy", "invoke", "postprocess", "total"}
    assert result.timings["total"] == pytest.approx(sum(v for k, v in result.timings.items() if k != "total"))


def test_step_equals_the_interpreter(detector, flatbuffers, frames):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(model_content=flatbuffers["float32"])
    step = interpreter.get_signature_runner("serving_default")
    state = np.zeros(detector.metadata.states[0].shape, np.float32)
    for frame in frames[:4]:
        resized, image = network_input(frame, 32, 32, 127.5, 127.5)
        attention = entropy_attention(resized, detector.metadata.entropy)[None, :, :, None]
        expected = step(image=image, attention=attention, state=state)
        state = expected["next_state"]
        codes, logits = detector.raw(frame)
        np.testing.assert_array_equal(codes, expected["boxes"])
        np.testing.assert_array_equal(logits, expected["scores"])
        np.testing.assert_array_equal(detector.state["state"], state)


def test_state_is_carried(detector, frames):
    first = detector.raw(frames[0])[1]
    again = detector.raw(frames[0])[1]
    assert np.abs(first - again).max() > 1e-3


def test_raw_is_a_frame_of_the_stream(detector, frames, model_file):
    expected, other = detector, Detector(model_file, score_threshold=0.5)
    first, second = (expected(frame) for frame in frames[:2])
    codes, logits = other.raw(frames[0])
    assert other.decode(codes, logits, *frames[0].shape[:2]) == first.detections
    received = other(frames[1])
    assert (received.reset, received.frame_id) == (None, 1) and received == second
    # Whatever its size.
    state = other.state["state"]
    other.raw(frames[0][:24])
    carried = other.state["state"]
    other.reset()
    other.raw(frames[0][:24])
    assert state.any() and not np.array_equal(carried, other.state["state"])


@pytest.mark.parametrize(
    "given",
    [
        lambda gray: gray,
        lambda gray: gray[:, :, None],
        lambda gray: cv2.cvtColor(gray, cv2.COLOR_GRAY2BGRA),
        lambda gray: np.asfortranarray(gray),
        lambda gray: np.repeat(gray, 2, axis=1)[:, ::2],
    ],
)
def test_gray_and_alpha_are_taken_everywhere(model_file, frames, given, tmp_path):
    gray = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames[:3]]
    bgr = [cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) for frame in gray]
    received, expected = (Detector(model_file, score_threshold=0.5) for _ in range(2))
    for frame, plain in zip(gray, bgr, strict=True):
        result = received(given(frame))
        assert result == expected(plain) and np.array_equal(result.frame, plain)
        drawn = [draw_detections(one, result) for one in (given(frame), plain)]
        np.testing.assert_array_equal(*drawn)
    np.testing.assert_array_equal(received.raw(given(gray[0]))[1], expected.raw(bgr[0])[1])
    with received.open("a") as first, expected.open("a") as second:
        assert first(given(gray[0])) == second(bgr[0])
    with VideoSink(tmp_path / "gray.mp4", 10) as sink:
        for frame in gray:
            sink.write(given(frame))
    with open_source(tmp_path / "gray.mp4") as source:
        assert len(list(source)) == 3


def test_reset_starts_over(detector, frames):
    fresh = [detector(frame) for frame in frames[:4]]
    detector.reset()
    assert not any(state.any() for state in detector.state.values())
    assert [detector(frame) for frame in frames[:4]] == fresh


def test_two_detectors_share_nothing(model_file, frames):
    alone = [Detector(model_file)]
    expected = [alone[0](frame) for frame in frames[:5]]
    first, second = Detector(model_file), Detector(model_file)
    received = []
    for frame, other in zip(frames[:5], reversed(frames[:5]), strict=True):
        received.append(first(frame))
        second(other)
    assert received == expected


def test_state_outlives_the_next_call(detector, frames):
    detector(frames[0])
    state = detector.state["state"]
    kept = state.copy()
    detector(frames[1])
    np.testing.assert_array_equal(state, kept)
    detector.state["state"][:] = 5
    assert np.abs(detector.state["state"]).max() <= 1


def test_stream_resets_and_carries_source_times(detector, clip, frames):
    first = list(detector.stream(clip))
    assert [result.frame_id for result in first] == list(range(len(frames)))
    assert [result.time for result in first] == pytest.approx([i / 10 for i in range(len(frames))], abs=1e-3)
    assert all(result.timings["decode"] > 0 for result in first)
    detector(frames[5])
    assert list(detector.stream(clip)) == first


def test_a_gap_in_time_forgets(detector, frames):
    fresh = detector(frames[1], time=0.0).detections
    detector.reset()
    detector(frames[0], time=10.0)
    carried = detector(frames[1], time=10.0 + MAX_GAP_SECONDS).detections
    assert carried != fresh
    late = detector(frames[1], time=12.1 + MAX_GAP_SECONDS)
    assert late.detections == fresh and late.frame_id == 2 and late.reset == "time_gap"
    back = detector(frames[1], time=0.5)
    assert back.detections == fresh and back.reset == "time_gap"


class PoisonedRuntime:
    """A runtime whose every output is NaN, as a broken accelerator's may be."""

    def __init__(self, runtime):
        self.runtime, self.quantization = runtime, runtime.quantization

    def __call__(self, inputs):
        return {name: np.full_like(value, np.nan) for name, value in self.runtime(inputs).items()}


@pytest.mark.filterwarnings("error")
def test_a_poisoned_state_is_replaced(detector, frames, monkeypatch):
    expected = detector(frames[0])
    with monkeypatch.context() as patch:
        patch.setattr(detector._engine, "runtime", PoisonedRuntime(detector.runtime))
        poisoned = detector(frames[0])
    assert not poisoned.detections and not detector.state["state"].any()
    cured = detector(frames[0])
    assert (poisoned.reset, cured.reset) == (None, "not_finite")
    assert cured.detections == expected.detections
    assert detector(frames[0]).reset is None


@pytest.mark.parametrize(
    ("frame", "received"),
    [
        (None, "NoneType"),
        ("frame.jpg", "str"),
        (np.zeros((48, 64, 3), np.float32), "float32"),
        (np.zeros((48, 64), np.uint16), "uint16"),
        (np.zeros((48, 64, 2), np.uint8), r"\(48, 64, 2\)"),
        (np.zeros((48, 64, 5), np.uint8), r"\(48, 64, 5\)"),
        (np.zeros((1, 48, 64, 3), np.uint8), r"\(1, 48, 64, 3\)"),
        (np.zeros((0, 64, 3), np.uint8), r"\(0, 64, 3\)"),
    ],
)
def test_bad_frames(detector, frames, frame, received):
    with pytest.raises(InputError, match=rf"received .*{received}.*expected a uint8 array") as error:
        detector(frame)
    assert "\n" not in str(error.value)
    assert detector(frames[0]).frame_id == 0


def test_frames_of_any_layout(detector, frames):
    expected = detector(np.ascontiguousarray(frames[0][:, ::-1])).detections
    detector.reset()
    assert detector(frames[0][:, ::-1]).detections == expected
    detector(np.zeros((1, 1, 3), np.uint8))
    detector(np.zeros((32, 32, 3), np.uint8)[:, :])


@pytest.mark.parametrize(
    "arguments",
    [{"threads": 0}, {"score_threshold": 1.5}, {"iou_threshold": -0.1}, {"max_detections": 0}],
)
def test_bad_arguments(model_file, arguments):
    with pytest.raises(InputError, match="Received"):
        Detector(model_file, **arguments)


def test_arguments_replace_the_defaults(model_file, frames):
    everything = Detector(model_file, score_threshold=0.0, iou_threshold=1.0, max_detections=1000)(frames[0])
    assert len(everything.detections) > 100
    assert len(Detector(model_file, score_threshold=0.0, max_detections=3)(frames[0]).detections) == 3
    assert not Detector(model_file, score_threshold=1.0)(frames[0]).detections


def test_int8_follows_float(model_file, int8_file, frames):
    real, quantized = Detector(model_file), Detector(int8_file)
    assert quantized.state["state"].dtype == np.int8
    for frame in frames[:3]:
        expected, received = real.raw(frame), quantized.raw(frame)
        for a, b in zip(expected, received, strict=True):
            assert b.dtype == np.float32
            assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
    assert np.corrcoef(quantized.state["state"].ravel(), real.state["state"].ravel())[0, 1] > 0.97


def test_fresh_state_is_the_reset_value(flatbuffers, int8_file, model_metadata, tmp_path):
    state = dataclasses.replace(model_metadata.states[0], dtype="int8", scale=1 / 128, reset=-128)
    path = tmp_path / "model.tflite"
    path.write_bytes(append_metadata(flatbuffers["int8"], dataclasses.replace(model_metadata, states=(state,))))
    assert (Detector(path).state["state"] == -128).all()
    assert (Detector(int8_file).state["state"] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entropy": None}, "inputs are attention, image, state"),
        ({"states": ()}, "inputs are attention, image, state"),
        ({"height": 48}, "input image has shape"),
        ({"labels": ("one",)}, "output scores has shape"),
        ({"anchors": (AnchorMap(8, 8, ((0.2, 0.2), (0.3, 0.15))),)}, "output boxes has shape"),
        ({"signature": "other"}, "cannot run this model"),
        ({"states": (StateTensor("state", "next_state", (1, 2, 2, 8)),)}, "input state has shape"),
        ({"states": (StateTensor("state", "next_state", (1, 4, 4, 8), "int8", 1 / 128),)}, "dtype, zero point"),
        ({"states": (StateTensor("state", "missing", (1, 4, 4, 8)),)}, "outputs are boxes, next_state, scores"),
    ],
)
def test_file_that_contradicts_its_metadata(flatbuffers, model_metadata, tmp_path, change, message):
    path = tmp_path / "model.tflite"
    path.write_bytes(append_metadata(flatbuffers["float32"], dataclasses.replace(model_metadata, **change)))
    with pytest.raises(InputError, match=message):
        Detector(path)


def test_garbage_behind_a_good_digest(model_metadata, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(append_metadata(b"\x1c\0\0\0TFL3" + bytes(64), model_metadata))
    # In a process of its own: a runtime may also die of it.
    code = f"from edge.errors import InputError\nfrom edge.detector import Detector\ntry: Detector({str(path)!r})\n"
    code += "except InputError as error: print('refused', error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("refused"), done.stderr


@pytest.mark.parametrize("content", [None, b"no library"])
def test_delegate_that_cannot_be_loaded(model_file, tmp_path, content):
    library = tmp_path / "delegate.so"
    if content:
        library.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot load the delegate .*delegate\.so"):
        Detector(model_file, delegate=str(library))


def test_runtime_missing(model_file, monkeypatch):
    monkeypatch.setattr("edge.runtimes.litert.RUNTIMES", (("no_such_runtime", "no-such-runtime"),))
    with pytest.raises(InputError, match=r"pip install '?ai-edge-litert"):
        Detector(model_file)


def test_model_zoo(model_file, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.model_zoo.models_folder", lambda: tmp_path)
    assert list_models() == []
    with pytest.raises(InputError, match="ships none"):
        default_model()
    with pytest.raises(InputError, match="ships no models"):
        model_path("tiny_int8")
    for name in ("tiny_int8", "tiny_float32"):
        (tmp_path / f"{name}.tflite").write_bytes(model_file.read_bytes())
    assert list_models() == ["tiny_float32", "tiny_int8"]
    assert default_model() == "tiny_float32"
    (tmp_path / f"{DEFAULT_MODEL}.tflite").write_bytes(model_file.read_bytes())
    assert default_model() == DEFAULT_MODEL
    assert Detector("tiny_int8").metadata.name == "tiny"
    with pytest.raises(InputError, match="Did you mean tiny_int8"):
        model_path("tiny_in8")
    with pytest.raises(InputError, match="received the folder"):
        model_path(tmp_path)


def test_network_input_normalizes_rgb():
    frame = np.zeros((8, 8, 3), np.uint8)
    frame[..., 0], frame[..., 2] = 255, 51
    resized, image = network_input(frame, 4, 4, 127.5, 127.5)
    assert resized.shape == (4, 4, 3) and resized.dtype == np.uint8
    assert image.shape == (1, 4, 4, 3) and image.dtype == np.float32
    np.testing.assert_allclose(image[0, 0, 0], [-0.6, -1, 1], atol=1e-6)
    buffer = np.empty((1, 4, 4, 3), np.float32)
    assert network_input(frame, 4, 4, 127.5, 127.5, out=buffer)[1] is buffer


def test_quantized_input_keeps_all_256_values():
    frame = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    _, real = network_input(frame, 16, 16, 127.5, 127.5)
    _, codes = quantized_network_input(frame, 16, 16, 127.5, 127.5, (float(np.float32(1 / 127.5)), 0))
    assert codes.dtype == np.int8 and codes.shape == (1, 16, 16, 3)
    assert len(np.unique(codes)) == 256
    np.testing.assert_allclose(codes / 127.5, real, atol=0.51 / 127.5)


@pytest.mark.parametrize("size", [(48, 64), (33, 200), (1080, 1920), (31, 32), (32, 32), (2, 3)])
def test_resize_gives_the_size_and_keeps_flat_colors(size):
    frame = np.full((*size, 3), (10, 200, 77), np.uint8)
    resized = resize_frame(frame, 32, 32)
    assert resized.shape == (32, 32, 3)
    assert (resized == (10, 200, 77)).all()


def test_shrinking_does_not_alias():
    # One-pixel stripes: plain bilinear sampling would give black, white or moire instead of gray.
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    resized = resize_frame(stripes, 40, 40).astype(int)
    assert np.abs(resized - 127).max() <= 2
