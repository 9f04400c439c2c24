"""Reads a whole data set once and says what is in it and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.video.orientation import UPRIGHT
from keras_sge.data.data_report import DataReport
from keras_sge.data.motion import motion_iou
from keras_sge.data.video_dataset import VideoDataset


def check_videos(
    dataset: VideoDataset,
    read_frames: bool = True,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> DataReport:
    """Parses the labels of every video and, if asked, decodes its first and its last frame.

    Args:
        dataset: any videos. read_frames: whether frames are decoded. progress: wraps the iteration, such as `tqdm`.

    Returns:
        The figures; a mistake ends a video's check and stands in `problems`, it does not end the others'.
    """
    frames = empty = tracks = turned = 0
    frame_sizes: Counter[str] = Counter()
    boxes, classes, motion = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.int32)], [np.zeros(0)]
    problems, wrong = [], set()
    for index in progress(range(len(dataset))) if progress else range(len(dataset)):
        try:
            video, labels = dataset.videos[index], list(dataset.labels(index))
            frames += len(labels)
            empty += sum(not len(frame.boxes) for frame in labels)
            turned += video.orientation != UPRIGHT
            frame_sizes[f"{video.width} x {video.height}"] += 1
            tracks += len(np.unique(np.concatenate([frame.tracks for frame in labels])))
            corners = np.concatenate([frame.boxes for frame in labels])
            boxes.append((corners / np.tile([video.width, video.height], 2)).astype(np.float32))
            classes.append(np.concatenate([frame.classes for frame in labels]))
            motion += motion_iou(labels)
            for frame in {0, video.length - 1} if read_frames else ():
                dataset.read(index, frame, frame + 1)
        except (InputError, OSError) as error:
            problems.append(str(error))
            wrong.add(index)
    return DataReport(
        classes=dataset.classes,
        clips=len(dataset),
        frames=frames,
        empty_frames=empty,
        turned_clips=turned,
        tracks=tracks,
        frame_sizes=dict(frame_sizes.most_common()),
        boxes=np.concatenate(boxes),
        box_classes=np.concatenate(classes),
        motion=np.concatenate(motion),
        problems=tuple(problems),
        wrong_videos=frozenset(wrong),
    )
