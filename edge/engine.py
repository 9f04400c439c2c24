"""One interpreter and what is done around it, without any memory of a stream."""

from __future__ import annotations

import threading
from collections import deque
from time import perf_counter
from typing import Any

import numpy as np

from edge.boxes import anchor_boxes
from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.metadata import Metadata
from edge.postprocess import select_detections
from edge.preprocess import PreparedFrame, dequantize, network_input, quantize, quantized_network_input, to_bgr
from edge.results import Detection
from edge.scene_cut import thumbnail


class Engine:
    """The stages of one frame: `prepare`, `invoke`, `detections`. Several threads may call them at once.

    Args:
        runtime: anything with the face of `edge.runtimes.litert.Runtime`. metadata: of the model.
        score_threshold, iou_threshold, max_detections: None takes the model's own.

    Raises:
        InputError: an argument out of range.
    """

    def __init__(
        self,
        runtime: Any,
        metadata: Metadata,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ):
        self.runtime, self.metadata = runtime, metadata
        self._quantization = runtime.quantization
        self._score_threshold = _fraction("score_threshold", score_threshold, metadata.score_threshold)
        self._iou_threshold = _fraction("iou_threshold", iou_threshold, metadata.iou_threshold)
        self._limit = metadata.max_detections if max_detections is None else max_detections
        if self._limit < 1:
            raise InputError(f"max_detections must be at least 1. Received: {self._limit}")
        self._anchors = anchor_boxes(metadata.anchors)
        # Image arrays that are free again; a new one for every frame would cost its pages.
        self._images: deque[np.ndarray] = deque()
        self._busy = threading.Lock()

    def fresh_state(self) -> dict[str, np.ndarray]:
        """The states of a stream's first frame by input name, raw as the file holds them."""
        return {state.input: np.full(state.shape, state.reset, state.dtype) for state in self.metadata.states}

    def prepare(self, frame: np.ndarray, look_for_cuts: bool = False, decode_ms: float | None = None) -> PreparedFrame:
        """Everything before the network: resizing, normalizing, entropy.

        Args:
            frame: uint8, any size: (height, width, 3) BGR as OpenCV gives it, or gray or BGRA, see
                `edge.preprocess.to_bgr`.
            look_for_cuts: also make the thumbnail that `edge.scene_cut` compares.
            decode_ms: what getting the frame took, for the timings.

        Raises:
            InputError: `frame` is not such an array.
        """
        frame = to_bgr(frame)
        metadata, quantization = self.metadata, self._quantization
        timings = {} if decode_ms is None else {"decode": decode_ms}
        start = perf_counter()
        try:
            image = self._images.popleft()
        except IndexError:
            dtype = np.int8 if "image" in quantization else np.float32
            image = np.empty((1, metadata.height, metadata.width, 3), dtype)
        size = metadata.height, metadata.width, metadata.mean, metadata.scale
        if "image" in quantization:
            resized, _ = quantized_network_input(frame, *size, quantization["image"], out=image)
        else:
            resized, _ = network_input(frame, *size, out=image)
        small = thumbnail(resized) if look_for_cuts else None
        timings["preprocess"] = (perf_counter() - start) * 1e3
        inputs = {"image": image}
        if metadata.entropy is not None:
            start = perf_counter()
            attention = entropy_attention(resized, metadata.entropy)[None, :, :, None]
            if "attention" in quantization:
                attention = quantize(attention, *quantization["attention"])
            inputs["attention"] = attention
            timings["entropy"] = (perf_counter() - start) * 1e3
        return PreparedFrame(frame, inputs, small, timings)

    def give_back(self, prepared: PreparedFrame) -> None:
        """Reuses a prepared frame's arrays; it must not be used again."""
        self._images.append(prepared.inputs["image"])

    def invoke(
        self, prepared: PreparedFrame, state: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """The network's answer: float32 codes (n, 4), logits (n, c + 1), and the next state. `prepared` is used up."""
        with self._busy:
            outputs = self.runtime({**prepared.inputs, **state})
        self.give_back(prepared)
        # The runtime's results are copies, so the bytes go straight back, whatever their dtype.
        next_state = {item.input: outputs[item.output] for item in self.metadata.states}
        codes, logits = (self._real(outputs, name) for name in ("boxes", "scores"))
        return codes.reshape(-1, 4), logits.reshape(-1, len(self.metadata.labels) + 1), next_state

    def detections(self, codes: np.ndarray, logits: np.ndarray, height: int, width: int) -> tuple[Detection, ...]:
        """Detections in a frame of `height` x `width` pixels, best score first."""
        boxes, scores, classes = select_detections(
            codes,
            logits,
            self._anchors,
            self.metadata.variances,
            self._score_threshold,
            self._iou_threshold,
            self._limit,
            self.metadata.box_voting,
        )
        pixels = boxes * np.array([width, height, width, height], np.float32)
        return tuple(
            Detection(self.metadata.labels[class_id], class_id, score, tuple(box))
            for class_id, score, box in zip(classes.tolist(), scores.tolist(), pixels.tolist(), strict=True)
        )

    def _real(self, outputs: dict[str, np.ndarray], name: str) -> np.ndarray:
        return dequantize(outputs[name], *self._quantization.get(name, (0.0, 0)))


def _fraction(name: str, value: float | None, default: float) -> float:
    value = default if value is None else value
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be within 0..1. Received: {value}")
    return float(value)
