"""Many streams on one interpreter: what each remembers, when it forgets, and how many there may be."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from edge.detector import Detector
from edge.errors import InputError
from edge.results import Detection, FrameResult
from edge.scene_cut import SceneCut, thumbnail
from edge.stream import MAX_GAP_FRAMES
from edge.tracker import Tracker


@pytest.fixture
def detector(model_file) -> Detector:
    return Detector(model_file, score_threshold=0.5)


def outputs(stream, frame):
    return stream(frame), {name: value.tobytes() for name, value in stream.state.items()}


def shuffled(frames, seed):
    order = np.random.default_rng(seed).permutation(len(frames))
    return [frames[index] for index in order]


def test_sixteen_interleaved_streams_equal_isolated_ones_bit_for_bit(model_file, detector, frames):
    clips = [shuffled(frames, seed) for seed in range(16)]
    streams = [detector.open(name, scene_cut=False) for name in range(16)]
    interleaved = [[] for _ in clips]
    for step in range(len(frames)):
        for stream, clip, received in zip(streams, clips, interleaved, strict=True):
            received.append(outputs(stream, clip[step]))
    for clip, received in zip(clips, interleaved, strict=True):
        alone = Detector(model_file, score_threshold=0.5).open("alone", scene_cut=False)
        assert received == [outputs(alone, frame) for frame in clip]
    # Different clips leave different states, so the comparison means something.
    assert len({received[-1][1]["state"] for received in interleaved}) == 16


def test_streams_in_threads_equal_isolated_ones(model_file, detector, frames):
    clips = [shuffled(frames, seed) for seed in range(4)]
    received = {}

    def run(name):
        stream = detector.open(name, scene_cut=False)
        received[name] = [outputs(stream, frame) for frame in clips[name]]

    threads = [threading.Thread(target=run, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, clip in enumerate(clips):
        alone = Detector(model_file, score_threshold=0.5).open("alone", scene_cut=False)
        assert received[name] == [outputs(alone, frame) for frame in clip]


def test_a_stream_and_the_detector_itself_share_nothing(detector, frames):
    expected = [detector(frame).detections for frame in frames[:3]]
    detector.reset()
    stream, received = detector.open("camera"), []
    for frame, other in zip(frames[:3], frames[5:8], strict=True):
        received.append(detector(frame).detections)
        stream(other)
    assert received == expected


def reasons(stream, steps):
    return [stream(frame, **when).reset for frame, when in steps]


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ({"frame_id": 1 + MAX_GAP_FRAMES}, None),
        ({"frame_id": 2 + MAX_GAP_FRAMES}, "frame_gap"),
        ({"frame_id": 1}, "frame_gap"),
        ({"frame_id": 0}, "frame_gap"),
        ({"frame_id": 2, "time": 2.05}, None),
        ({"frame_id": 2, "time": 2.15}, "time_gap"),
        ({"frame_id": 2, "time": 0.05}, "time_gap"),
        # A fast camera of which many frames were left out: where times are known they decide.
        ({"frame_id": 9 * MAX_GAP_FRAMES, "time": 1.9}, None),
        ({"frame_id": 9 * MAX_GAP_FRAMES, "time": 2.2}, "time_gap"),
    ],
)
def test_gaps_reset(detector, frames, when, reason):
    stream = detector.open("camera")
    steps = [(frames[0], {"frame_id": 0, "time": 0.0}), (frames[1], {"frame_id": 1, "time": 0.1}), (frames[2], when)]
    assert reasons(stream, steps) == ["start", None, reason]
    carried = stream.state["state"]
    fresh = detector.open("fresh")
    fresh(frames[2])
    assert np.array_equal(carried, fresh.state["state"]) == (reason is not None)


def test_another_frame_size_resets(detector, frames):
    stream = detector.open("camera")
    turned = np.ascontiguousarray(frames[1].transpose(1, 0, 2))
    assert reasons(stream, [(frames[0], {}), (turned, {}), (turned, {})]) == ["start", "frame_size", None]


def test_reset_on_demand(detector, frames):
    stream = detector.open("camera")
    first = stream(frames[0])
    stream(frames[1])
    stream.reset()
    again = stream(frames[0])
    assert (first.reset, again.reset, again.frame_id, again.stream) == ("start", "request", 0, "camera")
    assert again == first


def test_a_reason_from_outside_resets(detector, frames):
    stream = detector.open("camera")
    first = stream(frames[0])
    stream(frames[1])
    told = stream.detect(stream.prepare(frames[0]), 2, 0.2, reset="reconnected")
    assert told.reset == "reconnected" and told.detections == first.detections


def test_the_result_says_why_it_was_reset(detector, frames):
    document = detector.open("front")(frames[0]).to_dict()
    assert (document["stream"], document["reset"]) == ("front", "start")
    detector(frames[0])
    document = detector(frames[1]).to_dict()
    assert document["reset"] is None and "stream" not in document


def scene(seed, size=(240, 320)):
    """A smooth picture with some texture, different for each seed in places and brightnesses."""
    generator = np.random.default_rng(seed)
    low = generator.integers(0, 2, (6, 8, 3)).astype(np.float32) * generator.uniform(40, 150) + 60 * (seed % 3)
    picture = cv2.resize(low, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + generator.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def test_a_cut_is_seen_once():
    cut = SceneCut()
    first, second = scene(1), scene(2)
    assert [cut(thumbnail(picture)) for picture in (first, first, second, second, first)] == [
        *(False, False, True, False, True)
    ]


def test_a_pan_a_flicker_and_noise_are_no_cuts():
    panorama = scene(4, (240, 1600))
    cut, generator = SceneCut(), np.random.default_rng(0)
    for left in range(0, 1280, 32):
        assert not cut(thumbnail(panorama[:, left : left + 320]))
    cut.reset()
    still = scene(5)
    for _ in range(10):
        noisy = np.clip(still * generator.uniform(0.97, 1.03) + generator.normal(0, 10, still.shape), 0, 255)
        assert not cut(thumbnail(noisy.astype(np.uint8)))


def sky(drone, light=1.0, offset=0.0):
    """A plain sky, a little darker above, with a small dark drone."""
    picture = np.linspace(150, 165, 240)[:, None, None] + np.array([20.0, 0.0, -30.0]) + np.zeros((240, 320, 3))
    picture += np.random.default_rng(drone).normal(0, 1.5, picture.shape)
    cv2.rectangle(picture, (20 + 5 * drone, 100), (36 + 5 * drone, 108), (40, 40, 40), -1)
    return np.clip(picture * light + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("light", "offset"), [(light, 0) for light in (0.5, 0.8, 0.9, 1.1, 1.2, 1.5)] + [(1, 40), (1.2, -40)]
)
def test_another_exposure_is_no_cut(detector, light, offset):
    """A step in one frame, and back: the network's state and the drone's number live on."""
    stream, tracker = detector.open("camera"), Tracker()
    numbers = []
    for step in range(9):
        result = stream(sky(step, *((light, offset) if step in (3, 4, 7) else ())), time=step / 30)
        assert result.reset == (None if step else "start")
        if result.another_scene:
            tracker.forget()
        drone = Detection("drone", 0, 0.9, (20.0 + 5 * step, 100.0, 36.0 + 5 * step, 108.0))
        numbers.append(tracker([drone], result.time)[0].track_id)
    assert numbers == [1] * 9


def test_a_cut_between_skies_of_other_colors_or_with_another_ground_is_seen():
    gray = np.full((240, 320, 3), 150, np.uint8)
    ground = sky(0)
    ground[160:] = 40
    for other in (gray, ground):
        cut = SceneCut()
        assert [cut(thumbnail(picture)) for picture in (sky(0), other, other)] == [False, True, False]


@pytest.mark.parametrize("reset", [None, "not_finite", "time_gap", "stalled", "lost", "reconnected"])
def test_a_reset_within_a_scene_is_no_other_scene(reset):
    assert not FrameResult(5, 1.0, (), reset=reset).another_scene


@pytest.mark.parametrize("reset", ["start", "request", "frame_gap", "frame_size", "size_changed", "scene_cut"])
def test_resets_that_mean_another_scene(reset):
    assert FrameResult(5, 1.0, (), reset=reset).another_scene


def test_a_cut_resets_where_it_is_detected(detector):
    pictures = [scene(1), scene(1), scene(2), scene(2)]
    looking, carrying = detector.open("looking"), detector.open("carrying", scene_cut=False)
    assert [looking(picture).reset for picture in pictures] == ["start", None, "scene_cut", None]
    assert [carrying(picture).reset for picture in pictures] == ["start", None, None, None]
    # Evaluation calls the detector itself and carries the state from cut to cut.
    assert [detector(picture).reset for picture in pictures] == ["start", None, None, None]


def test_the_limit_of_streams(detector):
    detector.max_streams = 2
    first = detector.open("a")
    detector.open("b")
    with pytest.raises(InputError, match=r"2 streams are open.*'c' cannot be opened"):
        detector.open("c")
    with pytest.raises(InputError, match="'b' is open already"):
        detector.open("b")
    first.close()
    with detector.open("c"):
        assert detector.streams == ("b", "c")
    assert detector.streams == ("b",)


def test_idle_streams_make_room(detector, frames, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("edge.stream.monotonic", lambda: clock[0])
    monkeypatch.setattr("edge.detector.monotonic", lambda: clock[0])
    detector.max_streams, detector.idle_seconds = 2, 60
    idle, busy = detector.open("idle"), detector.open("busy")
    clock[0] += 50
    busy(frames[0])
    clock[0] += 50
    detector.open("new")
    assert detector.streams == ("busy", "new")
    busy(frames[1])
    for call in (idle, idle.raw):
        with pytest.raises(InputError, match=r"stream 'idle' is closed. Open it again"):
            call(frames[0])
    with pytest.raises(InputError, match="is closed"):
        idle.reset()


def test_a_stream_that_is_held_is_not_idle(detector, frames, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("edge.stream.monotonic", lambda: clock[0])
    monkeypatch.setattr("edge.detector.monotonic", lambda: clock[0])
    with detector.open("held") as held:
        clock[0] += 10 * detector.idle_seconds
        detector.open("new")
        assert detector.streams == ("held", "new") and held(frames[0]).reset == "start"
    assert detector.streams == ("new",)


class Gate:
    """A runtime that begins a step and ends it when told to."""

    def __init__(self, runtime):
        self.runtime, self.entered, self.over = runtime, threading.Event(), threading.Event()

    def __call__(self, inputs):
        self.entered.set()
        assert self.over.wait(60)
        return self.runtime(inputs)


def test_a_stream_may_be_closed_while_it_is_used(detector, frames, monkeypatch):
    expected = detector(frames[0])
    gate = Gate(detector._engine.runtime)
    monkeypatch.setattr(detector._engine, "runtime", gate)
    stream, received = detector.open("camera"), []
    user = threading.Thread(target=lambda: received.append(stream(frames[0])))
    user.start()
    assert gate.entered.wait(60)
    stream.close()
    gate.over.set()
    user.join(60)
    assert received == [expected] and stream.state == {}
    with pytest.raises(InputError, match="is closed"):
        stream(frames[1])


@pytest.mark.parametrize("use", [lambda stream, frame: stream(frame), lambda stream, frame: stream.raw(frame)])
def test_a_stream_that_is_closed_before_its_network_begins(detector, frames, monkeypatch, use):
    stream = detector.open("camera")
    # As late as another thread can come.
    monkeypatch.setattr(stream, "_scene_cut", lambda small: stream.close())
    with pytest.raises(InputError, match="'camera' is closed"):
        use(stream, frames[0])
    assert stream.state == {}
