"""Several threads from sources to results: order, fairness, errors, and nothing left behind."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from edge.detector import Detector
from edge.errors import InputError
from edge.pipeline import DEPTH, FairQueue, Pipeline
from edge.results import StreamEvent
from edge.video.open import open_source
from edge.video.source import VideoSource


class ListSource(VideoSource):
    """Frames, events and exceptions from a list."""

    name, height, width = "list", 48, 64

    def __init__(self, entries, live=False):
        self.entries, self.live = entries, live
        self.taken, self.closed = 0, False

    def items(self):
        for frame_id, entry in enumerate(self.entries):
            if self.closed:
                return
            if isinstance(entry, Exception):
                raise entry
            if isinstance(entry, np.ndarray):
                entry = frame_id, frame_id / 10, entry
            self.taken += 1
            yield entry

    def close(self):
        self.closed = True


class WaitingSource(ListSource):
    """A camera that sends nothing after its first frames until it is closed."""

    def __init__(self, entries):
        super().__init__(entries, live=True)
        self.over = threading.Event()

    def items(self):
        yield from super().items()
        self.over.wait(60)

    def close(self):
        self.over.set()


class Camera(VideoSource):
    """A live source that sends what it is told to, each frame bright by its number."""

    name, height, width, live = "camera", 48, 64, True

    def __init__(self):
        # The first frame is there when it is opened.
        self._entries, self._handed, self._over = [0], 0, False
        self._changed = threading.Condition()

    def send(self, *entries):
        """Sends frames by number, or events, and waits until whoever reads has done with all of them."""
        with self._changed:
            self._entries += entries
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._handed == len(self._entries), 60)

    def items(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._handed < len(self._entries))
                if self._over:
                    return
                entry = self._entries[self._handed]
            yield (
                entry if isinstance(entry, StreamEvent) else (entry, entry / 100, np.full((48, 64, 3), entry, np.uint8))
            )
            # Whoever took it comes for the next one.
            with self._changed:
                self._handed += 1
                self._changed.notify_all()

    def close(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()


class HeldNetwork:
    """A detector's runtime that runs a step when it is told to; `entered` counts those that began."""

    def __init__(self, detector, monkeypatch):
        self._runtime = detector._engine.runtime
        self.entered, self.allowed = threading.Semaphore(0), threading.Semaphore(0)
        monkeypatch.setattr(detector._engine, "runtime", self)

    def __call__(self, inputs):
        self.entered.release()
        assert self.allowed.acquire(timeout=60)
        return self._runtime(inputs)


@pytest.fixture
def detector(model_file) -> Detector:
    return Detector(model_file, score_threshold=0.5)


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_results_equal_those_of_one_thread(detector, clip, frames):
    expected = list(detector.stream(clip))
    with Pipeline(detector, open_source(clip)) as pipeline:
        received = list(pipeline)
    assert received == expected and len(received) == len(frames)
    assert [result.reset for result in received] == [result.reset for result in expected]
    assert pipeline.dropped == {None: 0}
    stages = ["decode", "preprocess", "entropy", "invoke", "postprocess", "total"]
    assert list(received[0].timings) == stages and all(received[0].timings.values())
    assert received[0].timings["total"] == pytest.approx(sum(received[0].timings[stage] for stage in stages[:-1]))
    assert detector.streams == ()


def test_several_sources_equal_each_alone(detector, frames):
    clips = {name: [np.roll(frame, 7 * name, axis=1) for frame in frames] for name in range(5)}
    expected = {name: list(detector.stream(ListSource(clip))) for name, clip in clips.items()}
    with Pipeline(detector, {name: ListSource(clip) for name, clip in clips.items()}) as pipeline:
        received = list(pipeline)
    for name in clips:
        assert [result for result in received if result.stream == name] == expected[name]


def test_a_fast_source_does_not_starve_a_slow_one():
    queue = FairQueue(2)
    for lane in ("fast", "slow"):
        queue.add_lane(lane)
        for number in range(2):
            queue.put(lane, number)
    producer = threading.Thread(target=lambda: [queue.put("fast", number) for number in range(2, 50)])
    producer.start()
    served = [queue.get() for _ in range(4)]
    assert served == [("fast", 0), ("slow", 0), ("fast", 1), ("slow", 1)]
    assert queue.get() == ("fast", 2)
    queue.close()
    producer.join()


def test_a_slow_caller_holds_the_source_back(detector, frames):
    source = ListSource(frames * 20)
    with Pipeline(detector, source) as pipeline:
        results = iter(pipeline)
        next(results)
        last = -1
        while last != source.taken:
            last = source.taken
            time.sleep(0.1)
        # Two queues, and a frame in each thread's hands.
        assert source.taken <= 1 + 2 * DEPTH + 2
        assert [result.frame_id for result in results] == list(range(1, len(frames) * 20))


def test_missed_frames_of_a_live_source_are_counted(detector):
    camera = Camera()
    with Pipeline(detector, {"camera": camera}) as pipeline:
        results = iter(pipeline)
        received = [next(results).frame_id]
        # Some the source itself does not send, some nobody takes.
        for sent in ([1], [4, 5], [9]):
            camera.send(*sent)
            received.append(next(results).frame_id)
    assert received == [0, 1, 5, 9] and pipeline.dropped == {"camera": 6}


def test_a_slow_network_gets_the_newest_frame_of_a_camera(detector, monkeypatch):
    network, camera, received = HeldNetwork(detector, monkeypatch), Camera(), []
    with Pipeline(detector, camera) as pipeline:
        consumer = threading.Thread(target=lambda: received.extend(itertools.islice(pipeline, 3)))
        consumer.start()
        for newer in (range(1, 16), range(16, 31)):
            assert network.entered.acquire(timeout=60)
            # It is busy while these come.
            camera.send(*newer)
            network.allowed.release()
        assert network.entered.acquire(timeout=60)
        network.allowed.release()
        consumer.join(60)
    assert [result.frame_id for result in received] == [0, 15, 30]


def test_a_slow_caller_gets_the_newest_frame_of_a_camera(detector):
    camera = Camera()
    with Pipeline(detector, camera) as pipeline:
        results = iter(pipeline)
        received = [next(results).frame_id]
        for newer in (range(1, 31), range(31, 61)):
            # The caller is busy while these come.
            camera.send(*newer)
            received.append(next(results).frame_id)
    assert received == [0, 30, 60] and pipeline.dropped == {None: 58}


def test_of_a_camera_only_frames_are_left_out(detector):
    camera, stalled = Camera(), StreamEvent("stalled", 0.2, 2, "no frame for 2 s")
    back = StreamEvent("reconnected", 0.3, 2, "after 1 attempt")
    with Pipeline(detector, camera) as pipeline:
        results = pipeline.items()
        assert next(results)[1].frame_id == 0
        camera.send(1, 2, stalled, back, 3, 4)
        items = [next(results)[1] for _ in range(3)]
    assert items[:2] == [stalled, back] and (items[2].frame_id, items[2].reset) == (4, "reconnected")


def test_a_file_beside_a_camera_gives_every_frame(detector, frames):
    camera = Camera()
    with Pipeline(detector, {"camera": camera, "file": ListSource(frames)}) as pipeline:
        items = list(itertools.islice(pipeline.items(), len(frames) + 1))
    assert [item.frame_id for name, item in items if name == "file"] == list(range(len(frames)))
    assert [item.frame_id for name, item in items if name == "camera"] == [0]


def test_a_silent_camera_keeps_its_stream(detector, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("edge.stream.monotonic", lambda: clock[0])
    monkeypatch.setattr("edge.detector.monotonic", lambda: clock[0])
    camera = Camera()
    with Pipeline(detector, {"camera": camera}) as pipeline:
        results = iter(pipeline)
        next(results)
        clock[0] += 10 * detector.idle_seconds
        with detector.open("another"):
            assert set(detector.streams) == {"camera", "another"}
        camera.send(1)
        assert next(results).reset is None
    assert detector.streams == ()


def test_events_come_in_order_and_reset(detector, frames):
    entries = [frames[0], frames[1], StreamEvent("reconnected", 0.2, 1, "after 1 attempt"), frames[2], frames[3]]
    with Pipeline(detector, {"camera": ListSource(entries)}) as pipeline:
        received = list(pipeline.items())
    assert [name for name, _ in received] == ["camera"] * 5
    kinds = [item.kind if isinstance(item, StreamEvent) else item.reset for _, item in received]
    assert kinds == ["start", None, "reconnected", "reconnected", None]
    assert [item.reset for item in detector.stream(ListSource(entries))] == ["start", None, "reconnected", None]


def test_errors_of_a_source_come_after_the_results_before_them(detector, frames):
    source, received = ListSource([*frames[:5], InputError("it broke")]), []
    with pytest.raises(InputError, match="it broke"), Pipeline(detector, source) as pipeline:
        for result in pipeline:
            received.append(result.frame_id)
    assert received == list(range(5)) and source.closed


def test_a_source_that_fails_among_others_ends_alone(detector, frames):
    sources = {
        "broken": ListSource([frames[0], frames[1], InputError("the camera is gone")]),
        "good": ListSource(frames[:6]),
        "waiting": WaitingSource(frames[:1]),
    }
    with Pipeline(detector, sources) as pipeline:
        # Two results and the event, six results, one result.
        received = list(itertools.islice(pipeline.items(), 10))
    assert [item.frame_id for name, item in received if name == "good"] == list(range(6))
    *results, event = [item for name, item in received if name == "broken"]
    assert [result.frame_id for result in results] == [0, 1]
    assert (event.kind, event.frame_id, event.message) == ("failed", 1, "the camera is gone")


def test_the_error_of_the_last_source_is_raised_after_all_results(detector, frames):
    sources = {name: ListSource([frames[0], InputError(f"{name} is gone")]) for name in ("one", "two")}
    received = []
    with pytest.raises(InputError, match="is gone"), Pipeline(detector, sources) as pipeline:
        for item in pipeline.items():
            received.append(item)
    assert sorted(getattr(item, "kind", "frame") for _, item in received) == ["failed", "frame", "frame"]


def test_errors_of_the_network_reach_the_caller(detector, frames, monkeypatch):
    def fail(*_):
        raise RuntimeError("the accelerator is gone")

    source = ListSource(frames * 10)
    with pytest.raises(RuntimeError, match="accelerator is gone"), Pipeline(detector, source) as pipeline:
        for result in pipeline:
            if result.frame_id == 3:
                monkeypatch.setattr(detector._engine, "runtime", fail)
    assert source.closed and detector.streams == ()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_caller_who_leaves_early(detector, frames, error):
    source = ListSource(frames * 100)

    def run():
        for result in Pipeline(detector, source):
            if result.frame_id == 2:
                if error is not None:
                    raise error
                break

    if error is None:
        run()
    else:
        with pytest.raises(error):
            run()
    assert source.closed and source.taken < 20


def test_a_source_that_waits_is_woken(detector, frames):
    source = WaitingSource(frames[:1])
    with Pipeline(detector, source) as pipeline:
        assert next(iter(pipeline)).frame_id == 0
    assert source.over.is_set()


def test_too_many_sources(detector, frames):
    detector.max_streams = 2
    sources = {name: ListSource(frames) for name in range(3)}
    with pytest.raises(InputError, match="2 streams are open"):
        Pipeline(detector, sources)
    assert detector.streams == () and all(source.closed for source in sources.values())


def test_a_bad_frame_is_reported(detector, frames):
    with pytest.raises(InputError, match="received a frame of dtype float32"):
        list(Pipeline(detector, ListSource([frames[0], frames[1].astype(np.float32)])))
