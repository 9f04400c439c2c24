"""The public class: frames in, detections out, the recurrent state carried from each frame to the next."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable, Iterator
from time import monotonic, perf_counter

import numpy as np

from edge.engine import Engine
from edge.errors import InputError
from edge.metadata import Metadata, read_model
from edge.model_zoo import model_path
from edge.results import Detection, FrameResult, StreamEvent
from edge.runtimes.runtime import StepRuntime, open_runtime
from edge.stream import Stream
from edge.video.open import Source, find_sources, open_source
from edge.video.source import VideoSource


class Detector:
    """Finds objects in frames. One interpreter serves any number of streams, each with a state of its own.

    A detector can be called itself, for a single stream; `open` gives it more of them. Close it, or use it as a context
    manager, to give the model's memory back before Python does.

    Args:
        model: path of a .tflite written by `sge export`, or the name of a shipped one.
        threads: of the CPU, at least 1.
        score_threshold: lowest score of a detection, 0 to 1; None takes the model's own, as for the next two.
        iou_threshold: overlap from which a weaker box of the same class is dropped, 0 to 1.
        max_detections: per frame, at least 1.
        delegate, accelerator, allow_cpu: what computes, see `edge.runtimes.runtime.open_runtime`.
        hold: whether an anchor whose object suddenly seems gone holds what it saw while its scores fall, see
            `edge.hold`; for any network, with a memory or without.
        average: whether an object's class scores are the means along its track, see `edge.track_averager`: its label
            settles; for any network, too.

    Attributes:
        metadata: the model's `edge.metadata.Metadata`. labels: its class names; `Detection.class_id` indexes them.
        runtime: the `edge.StepRuntime` in use.
        max_streams: how many streams may be open at once, 64; a state takes some 10 to 100 kB. May be set.
        idle_seconds: a stream without a frame for longer, 600, is closed when another is opened, unless a pipeline or a
            `with` block holds it. May be set.

    Raises:
        InputError: no such model, a damaged one, one this runtime or delegate cannot run, or an argument out of range.

    Example:
        detector = Detector("model.tflite")
        result = detector(cv2.imread("frame.jpg"))
        for detection in result.detections:
            print(detection.label, detection.score, detection.box)
    """

    max_streams: int = 64
    idle_seconds: float = 600.0

    def __init__(
        self,
        model: str | os.PathLike[str],
        threads: int = 1,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        delegate: str | None = None,
        accelerator: str = "auto",
        allow_cpu: bool = False,
        hold: bool = False,
        average: bool = False,
    ):
        flatbuffer, metadata = read_model(model_path(model))
        runtime = open_runtime(flatbuffer, metadata, threads, delegate, accelerator, allow_cpu)
        self._set_up(Engine(runtime, metadata, score_threshold, iou_threshold, max_detections), hold, average)

    @classmethod
    def from_runtime(
        cls,
        runtime: StepRuntime,
        metadata: Metadata,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        hold: bool = False,
        average: bool = False,
    ) -> Detector:
        """A detector on any `edge.StepRuntime`, as Keras models are evaluated; closed with the detector.

        Args:
            runtime: what runs the network. metadata: of the network. The others are as of `Detector`.

        Raises:
            InputError: an argument out of range.
        """
        detector = cls.__new__(cls)
        detector._set_up(Engine(runtime, metadata, score_threshold, iou_threshold, max_detections), hold, average)
        return detector

    def _set_up(self, engine: Engine, hold: bool, average: bool) -> None:
        self._engine, self._behind = engine, {"hold": hold, "average": average}
        self.runtime, self.metadata, self.labels = engine.runtime, engine.metadata, engine.metadata.labels
        self._streams: dict[Hashable, Stream] = {}
        self._opening = threading.Lock()
        # A caller of the detector itself decides about scenes: evaluation carries the state through every clip.
        self._own = Stream(engine, scene_cut=False, **self._behind)

    def open(self, stream_id: Hashable, scene_cut: bool = True) -> Stream:
        """A stream with a state of its own on this detector's interpreter; close it, or use it as a context manager.

        Interleaved streams give bit for bit what each gives alone, on the CPU.

        Args:
            stream_id: any hashable; results carry it. scene_cut: whether the state is reset at a cut.

        Raises:
            InputError: the stream is open already, or `max_streams` are.
        """
        with self._opening:
            since = monotonic() - self.idle_seconds
            for stream in self._streams.values():
                stream.close_if_idle(since)
            self._streams = {name: stream for name, stream in self._streams.items() if not stream.closed}
            if stream_id in self._streams:
                raise InputError(f"the stream {stream_id!r} is open already. Close it first, or take another id.")
            if len(self._streams) >= self.max_streams:
                raise InputError(
                    f"{len(self._streams)} streams are open, the most this detector serves, so {stream_id!r} cannot be "
                    "opened. Close one, wait until one is idle, or raise `Detector.max_streams`."
                )
            self._streams[stream_id] = stream = Stream(self._engine, stream_id, scene_cut, **self._behind)
            return stream

    @property
    def streams(self) -> tuple[Hashable, ...]:
        """Ids of the streams that are open."""
        with self._opening:
            return tuple(name for name, stream in self._streams.items() if not stream.closed)

    def close(self) -> None:
        """Closes all streams and the runtime; a frame given after that is an InputError. Closing again does nothing."""
        with self._opening:
            for stream in self._streams.values():
                stream.close()
        self._engine.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def reset(self) -> None:
        """Forgets the detector's own stream: a fresh state, and the next frame is number 0."""
        self._own.reset()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Copies of the own stream's recurrent states, see `edge.stream.Stream.state`."""
        return self._own.state

    def __call__(self, frame: np.ndarray, frame_id: int | None = None, time: float | None = None) -> FrameResult:
        """Detects in the own stream's next frame; see `edge.stream.Stream`. Scene cuts are not detected."""
        return self._own(frame, frame_id, time)

    def raw(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's outputs for the own stream's next frame, see `edge.stream.Stream.raw`."""
        return self._own.raw(frame)

    def decode(self, codes: np.ndarray, logits: np.ndarray, height: int, width: int) -> tuple[Detection, ...]:
        """The detections in outputs of `raw`, best score first, in pixels of a frame of `height` x `width`."""
        return self._engine.detections(codes, logits, height, width)

    def stream(self, source: Source | Iterable[Source], scene_cut: bool = True) -> Iterator[FrameResult]:
        """Detects in every frame of a source, one after the other in this thread, in a stream of its own.

        `edge.pipeline.Pipeline` does the same in several threads, which is faster, and for several sources at once.

        Args:
            source: whatever `edge.open_sources` takes; several sources are read one after the other, and
                `FrameResult.stream` is each one's id. Or what `edge.open_source` gave, which stays open afterwards.
            scene_cut: whether the state is reset at a cut.

        Raises:
            InputError: the source cannot be read, or was found to be cut short after its last frame.
        """
        if not isinstance(source, VideoSource):
            found = find_sources(source)
            for name, entry in found.items():
                with open_source(entry) as opened:
                    yield from self._stream(opened, None if len(found) == 1 else name, scene_cut)
            return
        yield from self._stream(source, None, scene_cut)

    def _stream(self, source: VideoSource, stream_id: str | None, scene_cut: bool) -> Iterator[FrameResult]:
        stream = Stream(self._engine, stream_id, scene_cut, **self._behind)
        items = iter(source.items())
        event: str | None = None
        while True:
            start = perf_counter()
            item = next(items, None)
            if item is None:
                return
            if isinstance(item, StreamEvent):
                event = item.kind
                continue
            frame_id, time, frame = item
            prepared = stream.prepare(frame, decode_ms=(perf_counter() - start) * 1e3)
            yield stream.detect(prepared, frame_id, time, event)
            event = None
