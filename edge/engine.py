"""A network that several streams share, and the stages before and behind it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from edge.boxes import AnchorMap
from edge.errors import InputError
from edge.metadata import Metadata
from edge.postprocess import Postprocessor
from edge.preprocess import PreparedFrame, Preprocessor, dequantize
from edge.runtimes.runtime import StepRuntime
from edge.track_averager import TrackAverager


class Engine:
    """The three stages of a frame: `prepare`, `invoke`, `detections`. It has no memory of a stream.

    Several threads may call the stages at once; the network runs one frame at a time.

    Args:
        runtime: of the network; closed with the engine. metadata: of the model.
        score_threshold, iou_threshold, max_detections: None takes the model's own.

    Attributes:
        runtime, metadata: as given.
        prepare: frame -> `PreparedFrame`, see `edge.preprocess.Preprocessor`.
        detections: codes, logits, height, width -> detections, see `edge.postprocess.Postprocessor`.

    Raises:
        InputError: an argument out of range.
    """

    def __init__(
        self,
        runtime: StepRuntime,
        metadata: Metadata,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ):
        self.runtime, self.metadata = runtime, metadata
        self.prepare = Preprocessor(metadata, runtime.quantization)
        self.detections = Postprocessor(metadata, score_threshold, iou_threshold, max_detections)
        self._quantization = runtime.quantization
        self._limits = {
            name: _by_map(limits, metadata.anchors)
            for name, limits in (("boxes", metadata.box_limits), ("scores", metadata.score_limits))
            if limits
        }
        self._busy, self._closed = threading.Lock(), False

    def fresh_state(self) -> dict[str, np.ndarray]:
        """The states of a stream's first frame by input name, raw as the file holds them."""
        return {state.input: np.full(state.shape, state.reset, state.dtype) for state in self.metadata.states}

    def averager(self) -> TrackAverager:
        """What averages classes along tracks in one stream, with the limits of `detections`."""
        limits = self.detections.score_threshold, self.detections.iou_threshold, self.detections.max_detections
        return TrackAverager(self.metadata, *limits)

    def invoke(
        self, prepared: PreparedFrame, state: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Runs the network on a prepared frame, which is used up.

        Returns:
            float32 box codes (n, 4) and float32 logits (n, columns) of `edge.scores`, within the metadata's limits, and
            the next state by input name.

        Raises:
            InputError: the engine is closed.
        """
        with self._busy:
            if self._closed:
                raise InputError("the detector is closed. Make another one.")
            outputs = self.runtime({**prepared.inputs, **state})
        self.prepare.recycle(prepared)
        # The runtime's results are copies, so the bytes go straight back, whatever their dtype.
        next_state = {item.input: outputs[item.output] for item in self.metadata.states}
        codes, logits = (
            self._answer(outputs[name], name, columns)
            for name, columns in (("boxes", 4), ("scores", self.metadata.score_columns))
        )
        return codes, logits, next_state

    def _answer(self, raw: np.ndarray, name: str, columns: int) -> np.ndarray:
        values = dequantize(raw, *self._quantization.get(name, (0.0, 0))).reshape(-1, columns)
        if name not in self._limits:
            return values
        limited = np.empty_like(values)
        for rows, low, high in self._limits[name]:
            np.clip(values[rows], low, high, out=limited[rows])
        return limited

    def close(self) -> None:
        """Closes the runtime, once a frame that is in the network has left it. Does nothing when called again."""
        with self._busy:
            if not self._closed:
                self._closed = True
                self.runtime.close()


def _by_map(
    limits: Sequence[tuple[float, float]], maps: Sequence[AnchorMap]
) -> list[tuple[slice, np.float32, np.float32]]:
    """Each detection map's rows in the answers, and its lowest and highest."""
    ends = np.cumsum([0, *(grid.rows * grid.columns * len(grid.boxes) for grid in maps)])
    return [
        (slice(start, stop), np.float32(low), np.float32(high))
        for start, stop, (low, high) in zip(ends, ends[1:], limits, strict=False)
    ]
