"""Degraded frames: which of them, and what is done to each."""

import cv2
import numpy as np
import pytest
from numbered import Numbered

from edge.errors import InputError
from keras_sge.data import Video, VideoDataset
from keras_sge.data.degradation import KINDS, Damage, Degradation
from keras_sge.data.views import DegradedVideos


def test_the_degraded_protocol_depends_on_seed_video_and_frame_only():
    videos = Numbered([str(i) for i in range(20)])
    one, other = DegradedVideos(videos, seed=1), DegradedVideos(videos, seed=1)
    whole = np.concatenate([one.read(index) for index in range(20)])
    piecewise = np.concatenate([other.read(index, t, t + 1) for index in reversed(range(20)) for t in (3, 2, 1, 0)])
    np.testing.assert_array_equal(whole, piecewise[::-1])
    clean = np.concatenate([videos.read(index) for index in range(20)])
    degraded = (whole != clean).any(axis=(1, 2, 3))
    # A flat frame shows neither blur nor a loss of resolution: noise and blocks remain, two kinds in five of one half.
    assert 5 <= degraded.sum() <= 30
    assert not np.array_equal(whole, np.concatenate([DegradedVideos(videos, 2).read(index) for index in range(20)]))


def test_a_frame_of_the_protocol_is_drawn_from_its_own_numbers():
    videos = Numbered(["a", "b"], side=192)
    frame, kind = Degradation().apply(videos.read(1, 2, 3)[0], np.random.default_rng([7, 11, 2]))
    np.testing.assert_array_equal(DegradedVideos(videos, 7).read(1)[2], frame)
    assert kind in (*KINDS, None)


def test_half_of_the_frames_are_degraded_and_all_kinds_are_equally_likely():
    rng, frame = np.random.default_rng(0), np.zeros((32, 32, 3), np.uint8)
    kinds = [Degradation().apply(frame, rng)[1] for _ in range(2000)]
    assert 900 < sum(kind is not None for kind in kinds) < 1100
    assert all(150 < kinds.count(kind) < 250 for kind in KINDS)


class Gray(VideoDataset):
    """Frames on which every kind of damage shows: a checkerboard's edges stay where nothing is done."""

    classes = ("bird",)

    def __init__(self, videos, length):
        self.videos = [Video(7 + i, f"gray {i}", 48, 32, 30.0, length) for i in range(videos)]
        self.frame = np.kron(np.indices((8, 12)).sum(axis=0) % 2, np.ones((4, 4)))[..., None] * np.uint8([200, 150, 99])
        self.frame = self.frame.astype(np.uint8)

    def read(self, index, start=0, stop=None):
        return np.stack([self.frame] * len(range(self.videos[index].length)[start:stop]))

    def labels(self, index):
        raise AssertionError


def runs(bad):
    """Lengths of the runs of equal values, and the values."""
    edges = np.flatnonzero(np.diff(bad.astype(int))) + 1
    parts = np.split(bad, edges)
    return [len(part) for part in parts], [bool(part[0]) for part in parts]


def test_bursts_are_runs_of_one_damage_on_half_of_the_frames():
    videos = Gray(4, 1500)
    degraded = DegradedVideos(videos, 1, Degradation(pattern="bursts"))
    lengths, shares = {True: [], False: []}, []
    for index in range(4):
        bad = (degraded.read(index) != videos.frame).any(axis=(1, 2, 3))
        shares.append(bad.mean())
        for length, kind in list(zip(*runs(bad), strict=True))[1:-1]:
            lengths[kind].append(length)
    assert 0.44 < np.mean(shares) < 0.56
    for kind in (True, False):
        # Geometric: mean 8, standard deviation nearly as large, one in eight runs a single frame.
        assert 7 < np.mean(lengths[kind]) < 9 and 6 < np.std(lengths[kind]) < 9
        assert 0.08 < np.mean(np.array(lengths[kind]) == 1) < 0.18


def test_the_frames_of_a_burst_share_all_but_the_noise_of_single_pixels():
    videos = Gray(30, 40)
    degraded, seen = DegradedVideos(videos, 3, Degradation(pattern="bursts")), {True: 0, False: 0}
    for index in range(30):
        frames, place = degraded.read(index), 0
        for length, bad in zip(*runs((frames != videos.frame).any(axis=(1, 2, 3))), strict=True):
            burst, place = frames[place : place + length], place + length
            if bad and length > 1:
                noise = (burst[0] != burst[1]).any()
                seen[bool(noise)] += 1
                strength = (burst.astype(float) - burst.mean(axis=0)).std(axis=(1, 2, 3))
                assert np.ptp(strength) < 6 if noise else (burst == burst[0]).all()
    assert seen[True] > 5 and seen[False] > 20


@pytest.mark.parametrize("pattern", ["singly", "bursts", "all"])
def test_a_pattern_depends_on_seed_video_and_frame_only(pattern):
    videos = Gray(3, 30)
    degraded = DegradedVideos(videos, 5, Degradation(pattern=pattern))
    whole = np.stack([degraded.read(index) for index in range(3)])
    pieces = [degraded.read(index, t, t + 7) for index in (2, 1, 0) for t in (28, 21, 14, 7, 0)]
    for index in range(3):
        np.testing.assert_array_equal(np.concatenate(pieces[5 * (2 - index) :][:5][::-1]), whole[index])
    for other in (DegradedVideos(videos, 6, Degradation(pattern=pattern)), DegradedVideos(Gray(4, 30), 5)):
        assert (other.read(0) != whole[0]).any() or pattern == "singly"
    assert (whole[0] != whole[1]).any()
    if pattern == "all":
        assert (whole != videos.frame).any(axis=(2, 3, 4)).all()
        # Every frame for itself: `singly` with a probability of 1 would draw another number first.
        frame = Degradation(pattern="all").apply(videos.frame, np.random.default_rng([5, 8, 4]))[0]
        np.testing.assert_array_equal(whole[1, 4], frame)


@pytest.mark.parametrize(
    ("text", "damage"),
    [("1", ("singly", 1)), (7, ("singly", 7)), ("bursts:0", ("bursts", 0)), ("all:12", ("all", 12))],
)
def test_damage_is_a_pattern_and_a_seed(text, damage):
    assert (Damage.parse(text).pattern, Damage.parse(text).seed) == damage
    assert Damage.parse(str(Damage.parse(text))) == Damage.parse(text)


@pytest.mark.parametrize("text", ["", "-1", "bursts", "bursts:", "bursts:-1", "often:1", "1:bursts", "1.5", ":1"])
def test_other_damage_is_refused(text):
    with pytest.raises(InputError, match="PATTERN:SEED"):
        Damage.parse(text)


@pytest.mark.parametrize("side", [192, 384])
def test_each_kind_does_what_it_says(side):
    """On a white dot in the middle of gray, at the protocol's ranges, lengths growing with the frame."""
    frame = np.full((side, side, 3), 128, np.uint8)
    cv2.circle(frame, (side // 2, side // 2), side // 12, (255, 255, 255), -1)
    always, scale, seen = Degradation(probability=1.0), side / 192, {}
    for seed in range(200):
        result, kind = always.apply(frame, np.random.default_rng(seed))
        seen.setdefault(kind, []).append(result.astype(float))
    assert set(seen) == set(KINDS)
    corners = slice(0, side // 4)
    for image in seen["noise"]:
        assert 30 < (image - 128)[corners, corners].std() < 65
    for image in seen["blocks"]:
        assert 0.04 < (image == 0).mean() < 10 * 0.3**2
    for kind in ("motion blur", "defocus", "low resolution"):
        for image in seen[kind]:
            # The dot grows, loses height and keeps its light.
            assert (image != frame).any() and image.max() <= 255
            np.testing.assert_allclose((image - 128).sum(), (frame.astype(float) - 128).sum(), rtol=0.12)
    for image in seen["motion blur"]:
        ys, xs = np.nonzero(image[..., 0] > 130)
        length = max(np.ptp(ys), np.ptp(xs)) - 2 * (side // 12)
        assert 15 / np.sqrt(2) * scale - 4 <= length <= 25 * scale + 2
