"""A part of the training videos to choose everything on, so that the validation split is read once a reported row."""

from __future__ import annotations

import hashlib

from edge.errors import InputError
from keras_sge.data.source_name import source_name
from keras_sge.data.video_dataset import VideoDataset
from keras_sge.data.video_subset import VideoSubset


def development_split(dataset: VideoDataset, sources: int) -> tuple[VideoSubset, VideoSubset]:
    """Splits by source: windows of one recording all fall on the same side.

    Args:
        dataset: a training split. sources: how many source videos are taken out, those whose names have the smallest
            SHA-256, so that the choice depends neither on the machine nor on a seed.

    Returns:
        What is left for training, and the development videos.

    Raises:
        InputError: the data set has no more than `sources` sources.
    """
    names = sorted(
        {source_name(video.name) for video in dataset.videos},
        key=lambda name: hashlib.sha256(name.encode()).hexdigest(),
    )
    if len(names) <= sources:
        raise InputError(
            f"a development split takes {sources} source videos out and must leave at least one; the data set has "
            f"{len(names)}. Ask for fewer."
        )
    development = set(names[:sources])
    sides = [[], []]
    for index, video in enumerate(dataset.videos):
        sides[source_name(video.name) in development].append(index)
    return VideoSubset(dataset, sides[False]), VideoSubset(dataset, sides[True])
