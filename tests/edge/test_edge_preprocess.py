"""Frames on their way to the network: resized, normalized, quantized, of every layout."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.detector import Detector
from edge.draw import draw_detections
from edge.preprocess import network_input, quantized_network_input, resize_frame
from edge.sinks.video import VideoSink
from edge.video.open import open_source


@pytest.fixture
def detector(model_file) -> Detector:
    return Detector(model_file, score_threshold=0.5)


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


def test_frames_of_any_layout(detector, frames):
    expected = detector(np.ascontiguousarray(frames[0][:, ::-1])).detections
    detector.reset()
    assert detector(frames[0][:, ::-1]).detections == expected
    detector(np.zeros((1, 1, 3), np.uint8))
    detector(np.zeros((32, 32, 3), np.uint8)[:, :])


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
