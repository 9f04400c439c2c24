"""The stream: frames in, detections out, the recurrent state carried from each frame to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np

from edge.anchors import anchor_boxes
from edge.detection import Detection
from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.metadata import Metadata, read_model
from edge.model_zoo import model_path
from edge.postprocess import select_detections
from edge.preprocess import network_input, quantised_network_input
from edge.runtime import Runtime
from edge.video_source import VideoSource, open_source

# After a longer hole in the source the remembered scene is no longer the one in view.
MAX_GAP_SECONDS = 2.0


class Detector:
    """Finds objects in one stream of frames. One detector serves one stream; two never share state.

    Args:
        model: path of a .tflite written by `sge export`, or the name of a shipped one.
        threads: of the runtime, at least 1.
        score_threshold, iou_threshold, max_detections: None takes the model's own.
        delegate: path of an external delegate's library (GPU or NPU), None for the CPU.

    Attributes:
        metadata: the model's `edge.metadata.Metadata`. labels: its class names; `Detection.class_id` indexes them.
        runtime: the `edge.runtime.Runtime` in use.

    Raises:
        InputError: no such model, a damaged one, one this runtime or delegate cannot run, or an argument out of range.

    Example:
        detector = Detector("model.tflite")
        result = detector(cv2.imread("frame.jpg"))
        for detection in result.detections:
            print(detection.label, detection.score, detection.box)
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        threads: int = 1,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        delegate: str | None = None,
    ):
        flatbuffer, metadata = read_model(model_path(model))
        runtime = Runtime(flatbuffer, metadata, threads, delegate)
        self._set_up(runtime, metadata, score_threshold, iou_threshold, max_detections)

    @classmethod
    def from_runtime(
        cls,
        runtime: Any,
        metadata: Metadata,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ) -> Detector:
        """A detector on anything with the face of `edge.runtime.Runtime`; Keras models are evaluated this way."""
        detector = cls.__new__(cls)
        detector._set_up(runtime, metadata, score_threshold, iou_threshold, max_detections)
        return detector

    def _set_up(
        self,
        runtime: Any,
        metadata: Metadata,
        score_threshold: float | None,
        iou_threshold: float | None,
        max_detections: int | None,
    ) -> None:
        self.runtime, self.metadata, self.labels = runtime, metadata, metadata.labels
        self._score_threshold = _fraction("score_threshold", score_threshold, metadata.score_threshold)
        self._iou_threshold = _fraction("iou_threshold", iou_threshold, metadata.iou_threshold)
        self._limit = metadata.max_detections if max_detections is None else max_detections
        if self._limit < 1:
            raise InputError(f"max_detections must be at least 1. Received: {self._limit}")
        self._anchors = anchor_boxes(metadata.anchors)
        self._image = np.empty((1, metadata.height, metadata.width, 3), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forgets the stream: a fresh state, and the next frame is number 0."""
        self._state = self._fresh_state()
        self._next_id = 0
        self._last_time: float | None = None

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the recurrent states by input name, raw as the file holds them; empty for a single-frame model."""
        return {name: value.copy() for name, value in self._state.items()}

    def __call__(self, frame: np.ndarray, frame_id: int | None = None, time: float | None = None) -> FrameResult:
        """Detects in the stream's next frame.

        Args:
            frame: uint8 (height, width, 3), BGR as OpenCV gives it, any size.
            frame_id: its number; None counts on from the last.
            time: its time in seconds. More than `MAX_GAP_SECONDS` after the last frame's, or before it, the state is
                reset first. None says nothing about time, and 0.0 is reported.

        Raises:
            InputError: `frame` is not such an array.
        """
        return self._step(frame, frame_id, time, {})

    def stream(self, source: str | int | os.PathLike[str] | VideoSource) -> Iterator[FrameResult]:
        """Resets, then detects in every frame of a source.

        Args:
            source: whatever `edge.open_source` takes, or what it gave; the latter stays open afterwards.

        Raises:
            InputError: the source cannot be read, or was found to be cut short after its last frame.
        """
        self.reset()
        if not isinstance(source, VideoSource):
            with open_source(source) as opened:
                yield from self.stream(opened)
            return
        frames = iter(source)
        while True:
            start = perf_counter()
            item = next(frames, None)
            if item is None:
                return
            frame_id, time, frame = item
            yield self._step(frame, frame_id, time, {"decode": (perf_counter() - start) * 1e3})

    def raw(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's own answer to the next frame: float32 codes (n, 4), logits (n, c + 1). The state moves on."""
        _check_frame(frame)
        return self._invoke(self._inputs(frame, {}))

    def _fresh_state(self) -> dict[str, np.ndarray]:
        return {state.input: np.full(state.shape, state.reset, state.dtype) for state in self.metadata.states}

    def _step(
        self, frame: np.ndarray, frame_id: int | None, time: float | None, timings: dict[str, float]
    ) -> FrameResult:
        _check_frame(frame)
        if time is not None:
            if self._last_time is not None and not 0 <= time - self._last_time <= MAX_GAP_SECONDS:
                self._state = self._fresh_state()
            self._last_time = time
        if frame_id is None:
            frame_id = self._next_id
        inputs = self._inputs(frame, timings)
        start = perf_counter()
        codes, logits = self._invoke(inputs)
        invoked = perf_counter()
        boxes, scores, classes = select_detections(
            codes,
            logits,
            self._anchors,
            self.metadata.variances,
            self._score_threshold,
            self._iou_threshold,
            self._limit,
        )
        height, width = frame.shape[:2]
        pixels = boxes * np.array([width, height, width, height], np.float32)
        detections = tuple(
            Detection(self.labels[class_id], class_id, score, tuple(box))
            for class_id, score, box in zip(classes.tolist(), scores.tolist(), pixels.tolist(), strict=True)
        )
        timings["invoke"] = (invoked - start) * 1e3
        timings["postprocess"] = (perf_counter() - invoked) * 1e3
        timings["total"] = sum(timings.values())
        self._next_id = frame_id + 1
        return FrameResult(frame_id, time or 0.0, detections, timings, frame)

    def _inputs(self, frame: np.ndarray, timings: dict[str, float]) -> dict[str, np.ndarray]:
        metadata = self.metadata
        start = perf_counter()
        size = metadata.height, metadata.width, metadata.mean, metadata.scale
        if "image" in self.runtime.quantization:
            resized, image = quantised_network_input(frame, *size, self.runtime.quantization["image"])
        else:
            resized, image = network_input(frame, *size, out=self._image)
        timings["preprocess"] = (perf_counter() - start) * 1e3
        if metadata.entropy is None:
            return {"image": image}
        start = perf_counter()
        attention = entropy_attention(resized, metadata.entropy)[None, :, :, None]
        if "attention" in self.runtime.quantization:
            attention = _quantise(attention, *self.runtime.quantization["attention"])
        timings["entropy"] = (perf_counter() - start) * 1e3
        return {"image": image, "attention": attention}

    def _invoke(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        outputs = self.runtime({**inputs, **self._state})
        # The runtime's results are copies, so the bytes go straight back, whatever their dtype.
        self._state = {state.input: outputs[state.output] for state in self.metadata.states}
        codes, logits = (self._real(outputs, name) for name in ("boxes", "scores"))
        return codes.reshape(-1, 4), logits.reshape(-1, len(self.labels) + 1)

    def _real(self, outputs: dict[str, np.ndarray], name: str) -> np.ndarray:
        if name not in self.runtime.quantization:
            return outputs[name]
        scale, zero_point = self.runtime.quantization[name]
        return (outputs[name].astype(np.float32) - zero_point) * np.float32(scale)


def _quantise(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    return np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)


def _fraction(name: str, value: float | None, default: float) -> float:
    value = default if value is None else value
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be within 0..1. Received: {value}")
    return float(value)


def _check_frame(frame: np.ndarray) -> None:
    expected = "expected a uint8 array of shape (height, width, 3) in BGR order, as cv2.imread gives it."
    if not isinstance(frame, np.ndarray):
        # cv2.imread and VideoCapture.read answer None for what they cannot read.
        raise InputError(f"received {type(frame).__name__} as a frame; {expected}")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise InputError(f"received a frame of dtype {frame.dtype} and shape {frame.shape}; {expected}")
