"""One camera's or file's stream: its recurrent state, and when that is reset."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from time import monotonic, perf_counter

import numpy as np

from edge.engine import Engine
from edge.errors import InputError
from edge.hold import Held, hold
from edge.postprocess import in_pixels
from edge.preprocess import PreparedFrame
from edge.results import Detection, FrameResult
from edge.scene_cut import SceneCut

# After a longer gap in the source the remembered scene is no longer the one in view.
MAX_GAP_SECONDS = 2.0
# The same where times are not known, at 30 frames per second or less.
MAX_GAP_FRAMES = 60


class Stream:
    """A recurrent state and what decides when it is reset. `edge.Detector.open` makes them; they share its interpreter.

    The state is fresh for the first frame (`start`), after `reset()` (`request`), and for a frame
    - whose time is before the last one's, or more than `MAX_GAP_SECONDS` after it (`time_gap`),
    - where either has no time: whose number is not above the last one's, or more than `MAX_GAP_FRAMES` above it
      (`frame_gap`),
    - whose height or width differs from the last one's (`frame_size`),
    - that begins another scene, where cuts are detected (`scene_cut`, see `edge.scene_cut`),
    - before which the network left a state with NaN or infinities (`not_finite`; float files).
    `FrameResult.reset` says which, the first that applies.

    One thread at a time may use a stream, and any may close it, at any time; several streams may be used at once.

    Args:
        engine: the shared interpreter. stream_id: reported in results. scene_cut: whether cuts are detected.
        hold: whether anchors hold what they saw, see `edge.hold`. average: whether an object's class is averaged along
            its track, see `edge.track_averager`. What is held and the tracks are reset with the state.

    Attributes:
        id: the stream's id. closed: whether it can be used no more.
    """

    def __init__(
        self,
        engine: Engine,
        stream_id: Hashable = None,
        scene_cut: bool = True,
        hold: bool = False,
        average: bool = False,
    ):
        self.id, self.closed = stream_id, False
        self._engine = engine
        # Guards `closed`, the state and what an idle stream is known by; never held while the network runs. Reentrant,
        # for a stream that is closed by a signal's handler.
        self._lock, self._leases = threading.RLock(), 0
        self._scene_cut = SceneCut() if scene_cut else None
        self._state: dict[str, np.ndarray] = {}
        self._holds = hold
        self._averager = engine.averager() if average else None
        self._held: Held | None = None
        self._begin("start")

    def reset(self) -> None:
        """Forgets everything: a fresh state, and the next frame is number 0."""
        self._begin("request")

    def close(self) -> None:
        """Gives the state's memory back and makes room for another stream. A closed stream cannot be used; a frame
        that the network has begun gets its result still. Does not wait, and does nothing when called again."""
        with self._lock:
            self._discard()

    def close_if_idle(self, since: float) -> None:
        """Closes the stream where no block holds it and its last frame was before `since`, of `time.monotonic`."""
        with self._lock:
            if not self._leases and self._last_used < since:
                self._discard()

    def __enter__(self) -> Stream:
        """Holds the stream: however long it is idle, it stays open within the block."""
        self._hold()
        return self

    def __exit__(self, *exception: object) -> None:
        self._release()
        self.close()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the recurrent states by input name, raw as the file holds them; empty for a single-frame model."""
        return {name: value.copy() for name, value in self._state.items()}

    def __call__(self, frame: np.ndarray, frame_id: int | None = None, time: float | None = None) -> FrameResult:
        """Detects in the stream's next frame.

        Args:
            frame: uint8, any size: (height, width, 3) BGR as OpenCV gives it, (height, width) or (height, width, 1)
                gray, or (height, width, 4) BGRA.
            frame_id: its number; None counts on from the last.
            time: its time in seconds; None where it is not known, and 0.0 is reported.

        Raises:
            InputError: `frame` is not such an array, or the stream is closed.
        """
        self._check_open()
        return self.detect(self.prepare(frame), frame_id, time)

    def raw(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's outputs for the next frame: float32 codes (n, 4), logits (n, c + 1), held where the stream
        holds. It counts as any frame does, but the state is carried to it whatever its size and whatever it shows."""
        self._check_open()
        prepared = self.prepare(frame)
        with self._leased():
            if self._scene_cut is not None and prepared.thumbnail is not None:
                self._scene_cut(prepared.thumbnail)
            self._move_on(self._last_id + 1, None, prepared.frame.shape[:2])
            return self._invoke(prepared)

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
        frame_id = self._last_id + 1 if frame_id is None else frame_id
        size = prepared.frame.shape[:2]
        with self._leased():
            reason = self._why_reset(frame_id, time, size, prepared.thumbnail, reset)
            if reason is not None:
                self._forget()
            self._move_on(frame_id, time, size)
            timings = dict(prepared.timings)
            start = perf_counter()
            codes, logits = self._invoke(prepared)
            invoked = perf_counter()
            detections = self._detections(codes, logits, *size)
        timings["invoke"] = (invoked - start) * 1e3
        timings["postprocess"] = (perf_counter() - invoked) * 1e3
        timings["total"] = sum(timings.values())
        return FrameResult(frame_id, time or 0.0, detections, timings, prepared.frame, reason, self.id)

    def _begin(self, reason: str) -> None:
        self._check_open()
        self._forget()
        self._pending: str | None = reason
        self._last_id = -1
        self._last_time: float | None = None
        self._last_size: tuple[int, ...] | None = None
        self._last_used = monotonic()
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
        if time is not None and self._last_time is not None:
            if not 0 <= time - self._last_time <= MAX_GAP_SECONDS:
                return "time_gap"
        elif not 0 < frame_id - self._last_id <= MAX_GAP_FRAMES:
            return "frame_gap"
        if size != self._last_size:
            return "frame_size"
        return "scene_cut" if cut else None

    def _move_on(self, frame_id: int, time: float | None, size: tuple[int, ...]) -> None:
        self._pending = None
        self._last_id, self._last_time, self._last_size = frame_id, time, size

    def _forget(self) -> None:
        self._keep(self._engine.fresh_state())
        if self._averager is not None:
            self._averager.reset()

    def _detections(self, codes: np.ndarray, logits: np.ndarray, height: int, width: int) -> tuple[Detection, ...]:
        if self._averager is None:
            return self._engine.detections(codes, logits, height, width)
        return in_pixels(*self._averager(codes, logits), self._engine.metadata.labels, height, width)

    def _invoke(self, prepared: PreparedFrame) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            # Closing replaces the state, it does not empty the one that is being read.
            self._check_open()
            state, held = self._state, self._held
        codes, logits, state = self._engine.invoke(prepared, state)
        if self._holds:
            codes, logits, held = hold(codes, logits, held, self._engine.metadata.scores)
        if not all(np.isfinite(value).all() for value in state.values()):
            state = self._engine.fresh_state()
            self._pending = "not_finite"
        self._keep(state, held)
        return codes, logits

    def _keep(self, state: dict[str, np.ndarray], held: Held | None = None) -> None:
        with self._lock:
            self._state, self._held = ({}, None) if self.closed else (state, held)

    def _discard(self) -> None:
        self.closed, self._state, self._held = True, {}, None

    @contextlib.contextmanager
    def _leased(self) -> Iterator[None]:
        self._hold()
        try:
            yield
        finally:
            self._release()

    def _hold(self) -> None:
        with self._lock:
            self._check_open()
            self._leases += 1

    def _release(self) -> None:
        with self._lock:
            self._leases -= 1
            self._last_used = monotonic()

    def _check_open(self) -> None:
        if self.closed:
            raise InputError(f"the stream {self.id!r} is closed. Open it again with `Detector.open`.")
