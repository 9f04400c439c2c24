"""Many streams on one interpreter: what each remembers, when it forgets, and how many there may be."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from edge.detector import Detector
from edge.errors import InputError
from edge.scene_cut import SceneCut, thumbnail
from edge.stream import MAX_GAP_FRAMES


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


def test_the_result_tells_of_the_reset(detector, frames):
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


def test_a_cut_resets_where_it_is_looked_for(detector):
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
