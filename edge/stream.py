"""One camera's or file's memory."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic, perf_counter

import numpy as np

from edge.engine import Engine
from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.prepared_frame import PreparedFrame
from edge.scene_cut import SceneCut

# After a longer hole in the source the remembered scene is no longer the one in view.
MAX_GAP_SECONDS = 2.0
# The same where frames carry numbers only, at 30 frames a second or less.
MAX_GAP_FRAMES = 60


class Stream:
    """A recurrent state and what decides when it is reset. `edge.Detector.open` makes them; they share its interpreter.

    The state is fresh for the first frame (`start`), after `reset()` (`request`), and for a frame
    - whose number is not above the last one's, or more than `MAX_GAP_FRAMES` above it (`frame_gap`),
    - whose time is before the last one's, or more than `MAX_GAP_SECONDS` after it (`time_gap`),
    - whose height or width differs from the last one's (`frame_size`),
    - that begins another scene, where cuts are looked for (`scene_cut`, see `edge.scene_cut`),
    - before which the network left a state with NaN or infinities (`not_finite`; float files).
    `FrameResult.reset` says which, the first that applies.

    One thread at a time may use a stream; several streams may be used at once.

    Args:
        engine: the shared interpreter. stream_id: reported in results. scene_cut: whether to look for cuts.

    Attributes:
        id: the stream's id. closed: whether it can be used no more. last_used: `time.monotonic` of its last frame.
    """

    def __init__(self, engine: Engine, stream_id: Hashable = None, scene_cut: bool = True):
        self.id, self.closed = stream_id, False
        self._engine = engine
        self._scene_cut = SceneCut() if scene_cut else None
        self._begin("start")

    def reset(self) -> None:
        """Forgets everything: a fresh state, and the next frame is number 0."""
        self._begin("request")

    def close(self) -> None:
        """Gives the state's memory back and makes room for another stream. A closed stream cannot be used."""
        self.closed = True
        self._state = {}

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the recurrent states by input name, raw as the file holds them; empty for a single-frame model."""
        return {name: value.copy() for name, value in self._state.items()}

    def __call__(self, frame: np.ndarray, frame_id: int | None = None, time: float | None = None) -> FrameResult:
        """Detects in the stream's next frame.

        Args:
            frame: uint8 (height, width, 3), BGR as OpenCV gives it, any size.
            frame_id: its number; None counts on from the last.
            time: its time in seconds; None says nothing about time, and 0.0 is reported.

        Raises:
            InputError: `frame` is not such an array, or the stream is closed.
        """
        self._check_open()
        return self.detect(self.prepare(frame), frame_id, time)

    def raw(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's own answer to the next frame: float32 codes (n, 4), logits (n, c + 1). The state moves on,
        whatever the frame is."""
        self._check_open()
        return self._invoke(self._engine.prepare(frame))

    def prepare(self, frame: np.ndarray, decode_ms: float | None = None) -> PreparedFrame:
        """The stages before the network. They need no state, so another thread may run ahead with them.

        Args:
            frame: as of a call. decode_ms: what getting the frame took, for the timings.
        """
        return self._engine.prepare(frame, self._scene_cut is not None, decode_ms)

    def detect(
        self,
        prepared: PreparedFrame,
        frame_id: int | None = None,
        time: float | None = None,
        reset: str | None = None,
    ) -> FrameResult:
        """The stages from the network on, for the stream's next frame; `prepared` is used up.

        Args:
            prepared: from `prepare`. frame_id, time: as of a call.
            reset: a reason to reset the state before this frame that only the caller knows, such as a reconnection.

        Raises:
            InputError: the stream is closed.
        """
        self._check_open()
        frame_id = self._last_id + 1 if frame_id is None else frame_id
        size = prepared.frame.shape[:2]
        reason = self._why_reset(frame_id, time, size, prepared.thumbnail, reset)
        if reason is not None:
            self._state = self._engine.fresh_state()
        self._pending = None
        self._last_id, self._last_size, self.last_used = frame_id, size, monotonic()
        self._last_time = self._last_time if time is None else time
        timings = dict(prepared.timings)
        start = perf_counter()
        codes, logits = self._invoke(prepared)
        invoked = perf_counter()
        detections = self._engine.detections(codes, logits, *size)
        timings["invoke"] = (invoked - start) * 1e3
        timings["postprocess"] = (perf_counter() - invoked) * 1e3
        timings["total"] = sum(timings.values())
        return FrameResult(frame_id, time or 0.0, detections, timings, prepared.frame, reason, self.id)

    def _begin(self, reason: str) -> None:
        self._check_open()
        self._state = self._engine.fresh_state()
        self._pending: str | None = reason
        self._last_id = -1
        self._last_time: float | None = None
        self._last_size: tuple[int, ...] | None = None
        self.last_used = monotonic()
        if self._scene_cut is not None:
            self._scene_cut.reset()

    def _why_reset(
        self,
        frame_id: int,
        time: float | None,
        size: tuple[int, ...],
        small: np.ndarray | None,
        given: str | None,
    ) -> str | None:
        # Looks at every thumbnail: the next frame is compared with this one whatever is decided here.
        cut = small is not None and self._scene_cut is not None and self._scene_cut(small)
        if self._pending is not None or given is not None:
            return self._pending or given
        if self._last_size is None:
            return None
        if not 0 < frame_id - self._last_id <= MAX_GAP_FRAMES:
            return "frame_gap"
        if time is not None and self._last_time is not None and not 0 <= time - self._last_time <= MAX_GAP_SECONDS:
            return "time_gap"
        if size != self._last_size:
            return "frame_size"
        return "scene_cut" if cut else None

    def _invoke(self, prepared: PreparedFrame) -> tuple[np.ndarray, np.ndarray]:
        codes, logits, self._state = self._engine.invoke(prepared, self._state)
        if not all(np.isfinite(value).all() for value in self._state.values()):
            self._state = self._engine.fresh_state()
            self._pending = "not_finite"
        return codes, logits

    def _check_open(self) -> None:
        if self.closed:
            raise InputError(f"the stream {self.id!r} is closed. Open it again with `Detector.open`.")
