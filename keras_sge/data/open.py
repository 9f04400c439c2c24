"""A data set from a folder, whatever its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import InputError
from keras_sge.config import DataConfig, NetworkConfig
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.formats import (
    coco_vid,
    cvat_video,
    imagenet_vid,
    label_studio,
    mot_challenge,
    pascal_voc,
    yolo,
)
from keras_sge.data.formats.backgrounds import BackgroundVideos
from keras_sge.data.formats.form import Form
from keras_sge.data.splits import apart_from, fold_split
from keras_sge.data.synthetic import SyntheticSky
from keras_sge.data.views import MixedVideos
from keras_sge.progress import Progress, no_progress

# Videos whose size is looked at: some formats open a file for each.
_SAMPLE = 9
# Each split has a seed of its own, so no video is in two of them.
_SYNTHETIC_SEEDS = {"train": 1, "val": 2, "test": 3}


# In this order a source is looked at.
FORMS = (
    label_studio.FORM,
    coco_vid.FORM,
    coco_vid.FRAMES_FORM,
    coco_vid.PICTURES_FORM,
    cvat_video.FORM,
    imagenet_vid.FORM,
    mot_challenge.FORM,
    yolo.FORM,
    pascal_voc.FORM,
)


def open_videos(
    directory: str | Path,
    split: str,
    progress: Progress = no_progress,
    form: str | None = None,
    frames: str | Path | None = None,
) -> VideoDataset:
    """The videos of one split.

    Args:
        directory: the data set's root, or an annotation file. split: its name, such as `train` or `val`.
        progress: around the videos while a form of many files is indexed.
        form: a name of `FORMS`; None to find out by looking.
        frames: a video file, or a folder of videos or pictures, where they do not lie beside their annotations.

    Raises:
        InputError: no data set there, none of this split, or a wrong one.
    """
    found, source = find_source(Path(directory), form)
    return found.open(source, split, None if frames is None else Path(frames), progress)


def find_source(source: Path, name: str | None = None) -> tuple[Form, Path]:
    """The form of a source's annotations, by name or by looking; and the source, or the only folder in it.

    Raises:
        InputError: an unknown name; nothing there, or nothing of a form that is known.
    """
    if not source.exists():
        raise InputError(f"no data set in {source}, which is no file or folder.")
    forms = [form for form in FORMS if name in (None, form.name)]
    if not forms:
        raise InputError(f"no form is called {name!r}. Expected one of: {', '.join(form.name for form in FORMS)}.")
    inner = [path for path in source.iterdir() if path.name[0] not in "._"] if source.is_dir() else []
    for place in (source, *inner) if len(inner) == 1 else (source,):
        if found := next((form for form in forms if form.splits(place)), None):
            return found, place
    if name is not None:
        return forms[0], source
    layouts = "; ".join(form.layout for form in FORMS)
    raise InputError(f"no data set in {source}. Expected one of these: {layouts}.")


def is_source(source: Path) -> bool:
    """Whether there are annotations of a form that is known; a folder of nothing but videos has none. True of what does
    not exist, which readers name."""
    try:
        find_source(source)
    except InputError:
        return not source.exists()
    return True


def open_dataset(data: DataConfig, network: NetworkConfig, split: str) -> VideoDataset:
    """The videos of one split.

    Args:
        data: where they are. network: its input size is the synthetic set's frame size.
        split: `train` or `val`; the configuration says which annotation file each is.

    Raises:
        InputError: the data set is missing or wrong.
    """
    if data.path is not None:
        return _own_videos(data.path, data, network, split)
    videos = data.videos if split == "train" else data.validation_videos
    return synthetic_split(split, max(network.input_size), videos, data.frames)


def synthetic_split(split: str, size: int, videos: int = 60, frames: int = 30) -> SyntheticSky:
    """One split of the built-in set: `train`, `val` or `test`, square frames of `size` pixels.

    Raises:
        InputError: an unknown split, or a size below 1.
    """
    if split not in _SYNTHETIC_SEEDS:
        raise InputError(
            f"the built-in synthetic set has the splits {', '.join(_SYNTHETIC_SEEDS)}. Received: {split!r}. "
            "For a data set of your own give --data DIR."
        )
    if videos < 1 or frames < 1:
        raise InputError(f"a synthetic set needs videos and frames above 0. Received: {videos} and {frames}")
    return SyntheticSky(videos=videos, frames=frames, size=size, seed=_SYNTHETIC_SEEDS[split])


def data_notes(dataset: VideoDataset, network: NetworkConfig) -> list[str]:
    """What a user should know before these videos meet this network, a sentence each: the data set's own notes, and
    whether `network.input_size` lies where most frames stand, or the other way round."""
    places = np.unique(np.linspace(0, len(dataset) - 1, _SAMPLE).round().astype(int)).tolist()
    videos = [dataset.videos[place] for place in places]
    turned = [video for video in videos if network.turned_from(video.width, video.height)]
    notes = list(dataset.notes)
    if len(turned) * 2 > len(videos):
        notes.append(
            f"the network sees {network.size_text}, but frames are {turned[0].width} wide, {turned[0].height} high. "
            f"network.input_size is [height, width]: did you mean {list(network.input_size[::-1])}?"
        )
    return notes


def _own_videos(path: str, data: DataConfig, network: NetworkConfig, split: str) -> VideoDataset:
    if split != "train" and data.held_back is None:
        return open_videos(path, data.validation_split)
    videos = open_videos(path, data.train_split)
    held_back = None
    if data.held_back is not None:
        videos, held_back = fold_split(videos, data.held_back)
    if split != "train":
        return held_back or videos
    mixed, size = [videos], max(network.input_size)
    for folder in data.mix:
        more = open_videos(folder, "train")
        mixed.append(apart_from(more, held_back) if held_back else more)
    if data.mix_synthetic:
        mixed.append(synthetic_split("train", size, data.mix_synthetic, data.frames))
    if data.background is not None:
        mixed.append(BackgroundVideos(data.background, videos.classes, data.background_windows, size, data.frames))
    return MixedVideos(mixed) if len(mixed) > 1 else videos
