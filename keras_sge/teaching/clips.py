"""Clips of unlabelled video, clean and damaged, as features that are computed once and drawn from in every step."""

from __future__ import annotations

import keras
import numpy as np

from keras_sge.config import TeachingConfig
from keras_sge.data.augmentation import random_transform
from keras_sge.data.camera_damage import CameraDamage
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.degradation import BURST_FRAMES, wide_degradation
from keras_sge.data.loader import normalize
from keras_sge.progress import Progress, no_progress


class Clip:
    """One clip as the network gets it, with damaged twins of its frames.

    Attributes:
        clean, damaged: uint8 (time, height, width, 3) BGR.
    """

    def __init__(self, videos: VideoDataset, size: tuple[int, int], teaching: TeachingConfig, rng: np.random.Generator):
        length = teaching.clip_length
        lengths = np.array([video.length for video in videos.videos], np.float64)
        # Long recordings come more often, but not in proportion: their frames are alike.
        index = int(rng.choice(len(lengths), p=np.sqrt(lengths) / np.sqrt(lengths).sum()))
        video = videos.videos[index]
        longest = max(1, (video.length - 1) // max(1, length - 1))
        stride = int(rng.integers(1, min(teaching.frame_stride, longest) + 1))
        span = (length - 1) * stride + 1
        start = int(rng.integers(max(1, video.length - span + 1)))
        frames = videos.read(index, start, min(start + span, video.length))[::stride]
        transform = random_transform(teaching.augmentation, video.width, video.height, rng)
        clean = [transform.frame(frame, *size) for frame in frames]
        if rng.random() < teaching.reverse:
            clean.reverse()
        # A video shorter than a clip runs back and forth.
        clean = (clean + clean[-2::-1] * length)[:length] if len(clean) > 1 else clean * length
        self.clean = np.stack(clean)
        self.damaged = np.stack(_damaged(clean, teaching.camera, rng))


def _damaged(frames: list[np.ndarray], camera: float, rng: np.random.Generator) -> list[np.ndarray]:
    """All frames damaged: each by something of its own, or in runs by one thing."""
    damage = CameraDamage() if rng.random() < camera else wide_degradation()
    if rng.random() < 0.5:
        return damage.degrade(frames, [rng] * len(frames), None, [])
    runs = np.cumsum(rng.random(len(frames)) < 1 / BURST_FRAMES)
    return damage.degrade(frames, [rng] * len(frames), runs, [int(rng.integers(2**32))])


class CachedClips(keras.utils.PyDataset):
    """Batches of clips as features, half precision: item n is ({`clean`, `seen`},), what `Teaching` takes.

    What is drawn depends on the seed and the batch's number alone.

    Args:
        clean, damaged: float16 (clips, time, rows, columns, channels). teaching: batch size, patterns and seed count.
        steps: batches of an epoch; None for batches without end. first: number of the first batch.
    """

    def __init__(
        self, clean: np.ndarray, damaged: np.ndarray, teaching: TeachingConfig, steps: int | None, first: int = 0
    ):
        super().__init__(workers=1)
        self.clean, self.damaged, self.teaching, self.steps, self.first = clean, damaged, teaching, steps, first

    @property
    def num_batches(self):
        return self.steps

    def __getitem__(self, index):
        rng = np.random.default_rng([self.teaching.seed, 1, self.first + index])
        picks = rng.integers(len(self.clean), size=self.teaching.batch_size)
        clean, seen = self.clean[picks], self.clean[picks]
        for place, clip in enumerate(picks.tolist()):
            bad = damage_mask(str(rng.choice(self.teaching.patterns)), clean.shape[1], rng)
            seen[place, bad] = self.damaged[clip, bad]
        return ({"clean": clean, "seen": seen},)


def damage_mask(pattern: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """Which frames of a clip are damaged, bool (length,); `pattern` is one of `keras_sge.config.teaching.PATTERNS`."""
    if pattern == "singly":
        return rng.random(length) < 0.5
    if pattern == "bursts":
        return (np.cumsum(rng.random(length) < 1 / BURST_FRAMES) + rng.integers(2)) % 2 == 1
    return np.full(length, pattern == "all")


def cache_clips(
    videos: VideoDataset,
    trunk: keras.Model,
    teaching: TeachingConfig,
    seed: int,
    count: int,
    progress: Progress = no_progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Features of random clips, clean and damaged, float16 (count, time, rows, columns, channels) each.

    Args:
        videos: where they come from. trunk: of `keras_sge.teaching.network`. teaching: how they are drawn.
        seed: beside `teaching.seed`: another one draws others. progress: around the clips.
    """
    size = tuple(trunk.input_shape[2:4])
    shape = (count, teaching.clip_length, *trunk.output_shape[1:])
    clean, damaged = np.empty(shape, np.float16), np.empty(shape, np.float16)
    for number in progress(range(count)):
        clip = Clip(videos, size, teaching, np.random.default_rng([teaching.seed, seed, number]))
        for frames, features in ((clip.clean, clean), (clip.damaged, damaged)):
            features[number] = _features(trunk, frames)
    return clean, damaged


def _features(trunk: keras.Model, frames: np.ndarray) -> np.ndarray:
    # Batches of one size: another one would be compiled anew.
    return trunk.predict_on_batch(normalize(frames)[:, None])
