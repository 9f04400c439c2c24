"""COCO: its JSON with videos (COCO-VID) or without, frames in video files or in images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.pictures import pictures_in
from edge.video.reader import VideoReader, slack
from keras_sge.data.dataset import Video
from keras_sge.data.formats.annotation_values import label_gap
from keras_sge.data.formats.coco_document import CocoVideo, read_coco_document
from keras_sge.data.formats.form import ONLY_SPLIT, Form, find_path
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.data.formats.media import find_media, measure

# The annotation file of each split of a Roboflow export.
_ROBOFLOW = "_annotations.coco.json"
_OTHER_TASKS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")


class CocoVid(ListedVideos):
    """A COCO-VID directory: `annotations/SPLIT.json` with `videos`, `images`, `annotations`, `categories`.

    Frames come from `videos[].file_name` where it names a video file; else each frame is the image that its
    `images[].file_name` names, relative to the root or to the folder that `videos[].file_name` names; else the images
    of that folder, in natural order, are the frames. `images[].frame_id` is the 0-based position among the frames that
    a viewer shows. Boxes are x, y, width, height in pixels.

    A frame that `images` lists without annotations is empty. A frame that it does not list is unlabelled
    (`Video.unlabelled`) where the video file or the folder has it, and otherwise no frame at all. What has `iscrowd` 1
    is a region to ignore. An annotation that repeats another one is taken once. Tracks are `instance_id`, `track_id` or
    CVAT's `attributes.track_id`.

    In a file without `videos`, plain COCO, names of pictures say which are the frames of one video, and all others are
    videos of one frame: see `pictures_as_videos`. So CVAT's COCO 1.0 and Roboflow's COCO export are read, too, and
    `annotations/instances_SPLIT.json` and `SPLIT/_annotations.coco.json` found.
    Specification: https://cocodataset.org/#format-data, https://docs.cvat.ai/docs/manual/advanced/formats/format-coco.

    Args:
        directory: the data set's root; or an annotation file, whose file names are relative to its own folder.
        split: name of the annotation file without `.json`; not looked at where the file itself is given.
        media: for a file without videos: the folder where its pictures are, or the video that they were taken from.
        as_frames: for a file without videos: True or False says whether its pictures are frames of videos.

    Raises:
        InputError: a missing file or key, a category or image that does not exist, another number of images than
            frames; the message names the place.
    """

    def __init__(
        self, directory: str | Path, split: str, media: Path | None = None, as_frames: bool | None = None
    ):
        source = Path(directory)
        files = {split: source} if source.suffix == ".json" else _files(source)
        path = files.get(split, source / "annotations" / f"{split}.json")
        if not path.is_file():
            raise InputError(
                f"no annotation file {path}. Expected a COCO-VID directory with annotations/{split}.json; "
                f"splits found: {', '.join(_splits(source)) or 'none'}."
            )
        self.directory = source if path.parent == source / "annotations" else path.parent
        root = self.directory.parent if self.directory.name == "annotations" else self.directory
        subset = path.stem.removeprefix("instances_")
        usual = [root / "images" / subset, root / "images", root / subset, root]
        self._folders = [folder for folder in (media, *usual) if folder and folder.is_dir()]
        self._of_folder: dict[Path, list[Path]] = {}
        classes, videos, notes = read_coco_document(
            path, root.resolve().name, split if len(files) > 1 else "", as_frames
        )
        first = min(frame for found in videos for frame in found.pictures)
        # Files whose number of frames the annotations say and that were not opened yet.
        self._uncounted: set[Path] = set()
        listed = []
        for found in videos:
            frames: Path | list[Path] | None
            frames, places, length = self._find_frames(found, first, f"{path}: video {found.id}")
            fps = found.fps
            if not found.listed and isinstance(frames, list) and not any(map(os.path.isfile, frames)):
                frames, places, length, fps = _elsewhere(found, media, len(videos) == 1)
            ids = list(found.pictures)
            # Where frames between were never kept, those that are there follow each other more slowly.
            fps = fps * (places[-1] - places[0]) / (ids[-1] - ids[0]) if len(ids) > 1 else fps
            place_of = dict(zip(ids, places, strict=True))
            entries = {place_of[frame]: own for frame, own in found.entries.items()}
            unlabelled = frozenset(range(length)) - frozenset(places)
            size = found.width, found.height
            listed.append(ListedVideo(found.name, *size, length, fps, frames, entries, {}, unlabelled, found.id))
            self._uncounted |= {frames} if isinstance(frames, Path) and found.length else set()
        gap = label_gap(sorted(found.entries) for found in videos)
        if gap > 1 and not any(video.unlabelled for video in listed):
            notes += (
                f"objects stand on one frame in {gap} only, and those between count as empty. If nobody has labelled "
                "them, leave them out of `images`: they are then neither learned nor scored.",
            )
        super().__init__(classes, listed, notes)

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, frames = self.videos[index], self._frames[index]
        if isinstance(frames, Path) and frames in self._uncounted and frames.is_file():
            _check_length(frames, video)
            self._uncounted.discard(frames)
        return super().read(index, start, stop)

    def _find_frames(
        self, video: CocoVideo, first: int, where: str
    ) -> tuple[Path | list[Path], list[int], int]:
        """The video file or the images of a video, the place of each listed frame in it, and how many there are.

        `first` is the smallest frame_id of the whole file.
        """
        ids, names = list(video.pictures), list(video.pictures.values())
        if video.length is not None and ids[-1] >= video.length:
            raise InputError(
                f"{where} has length {video.length}, but an image of frame_id {ids[-1]}. frame_id counts from 0 to "
                f"{video.length - 1}."
            )
        path = self._find(video.file_name) if video.file_name else None
        folder = path if path and path.is_dir() else None
        pictures = pictures_in(folder) if folder else []
        if folder and len(pictures) != (video.length or len(pictures)):
            raise InputError(_other_count(where, video.length, folder, len(pictures)))
        if None not in names and not (path and path.is_file()):
            return self._named_frames(ids, names, folder, pictures)
        if first == 1 and video.length is None:
            raise InputError(f"{where}: frames are numbered from 1. Expected frame_id from 0: subtract 1 from all.")
        if folder is None:
            if path is None:
                raise InputError(f"{where} lacks the key 'file_name', and so does an image of it. Give one of them.")
            return path, ids, video.length or ids[-1] + 1
        # With every frame listed, an image more than frames would shift the labels.
        if len(pictures) < ids[-1] + 1 or (
            len(ids) == ids[-1] + 1 and video.length is None and len(pictures) > len(ids)
        ):
            raise InputError(_other_count(where, ids[-1] + 1, folder, len(pictures)))
        return pictures, ids, len(pictures)

    def _named_frames(
        self, ids: list[int], names: list[str], folder: Path | None, pictures: list[Path]
    ) -> tuple[list[Path], list[int], int]:
        """`_frames` of images that have names of their own: they count, whatever else lies in the folder."""
        inside = folder and not (self.directory / names[0]).is_file()
        own = [folder / name if folder and inside else self._find(name) for name in names]
        if ids[-1] - ids[0] > len(ids) - 1:
            # Frames between may be there without labels: then the images of the folder stand as far apart as the ids.
            pictures = pictures or (self._listing(own[0].parent) if os.path.isfile(own[0]) else [])
            place_of = {picture: place for place, picture in enumerate(pictures)}
            places = [place_of.get(picture, -1) for picture in own]
            if min(places) >= 0 and [place - places[0] for place in places] == [number - ids[0] for number in ids]:
                # Other images of a folder that the video does not name may be another video's.
                start, stop = (0, len(pictures)) if folder else (places[0], places[-1] + 1)
                return pictures[start:stop], [place - start for place in places], stop - start
        return own, list(range(len(own))), len(own)


    def _listing(self, folder: Path) -> list[Path]:
        if folder not in self._of_folder:
            self._of_folder[folder] = pictures_in(folder)
        return self._of_folder[folder]

    def _find(self, name: str) -> Path:
        """A picture, a video or a folder by its name, also where it lies elsewhere than the name says."""
        own = self.directory / name
        return own if os.path.exists(own) else find_path(name, self._folders) or own


def _elsewhere(
    video: CocoVideo, media: Path | None, alone: bool
) -> tuple[Path | list[Path] | None, list[int], int, float]:
    """The frames of a video whose pictures are missing: those of the video file that they were taken from, if `media`
    is or holds it. Places and length are as of `_find_frames`; and the rate."""
    ids = list(video.pictures)
    frames = find_media([video.name], [], media, alone)
    if frames is not None and not isinstance(frames, Path):
        raise InputError(
            f"{media} holds none of the pictures that the annotations name, as {next(iter(video.pictures.values()))}."
        )
    # Names that begin with 1 count from there.
    first = int(ids[0] == 1)
    places = [number - first for number in ids]
    return frames, places, places[-1] + 1, video.fps if frames is None else measure(frames).fps


def _check_length(path: Path, video: Video) -> None:
    """Raises InputError where a file holds more frames than its annotations say; fewer show when they are read."""
    with VideoReader(path) as reader:
        frames = reader.frame_count
    if frames is not None and frames - video.length > slack(frames):
        raise InputError(
            f"video {video.name} has {video.length} frames by its annotations, but {path} holds {frames}: labels may "
            "be of another cut of it. Correct the length in the annotations, or copy the file that they were made for."
        )


def _other_count(where: str, frames: int, folder: Path, images: int) -> str:
    return (
        f"{where} has {frames} frames, but {folder} holds {images} images. Each frame needs one image: correct the "
        "annotations, or copy the folder again."
    )


def _files(source: Path) -> dict[str, Path]:
    """The annotation files of a folder by their splits."""
    found = {path.stem: path for path in sorted((source / "annotations").glob("*.json")) if path.name[0] != "."}
    # What the field and CVAT name `instances_val.json`, beside which other tasks than detection may lie.
    instances = {name: path for name, path in found.items() if name.startswith("instances_")}
    found = {name: path for name, path in found.items() if not (instances and name.startswith(_OTHER_TASKS))}
    for name, path in instances.items():
        short = name.removeprefix("instances_")
        if (short := ONLY_SPLIT if short == "default" else short) and short not in found:
            del found[name]
            found[short] = path
    if not found:
        found = {path.parent.name: path for path in source.glob(f"*/{_ROBOFLOW}")}
    if not found and (source / _ROBOFLOW).is_file():
        found = {ONLY_SPLIT: source / _ROBOFLOW}
    return found


def _splits(source: Path) -> list[str]:
    if source.suffix == ".json" and source.is_file():
        return [source.stem]
    return sorted(_files(source))


def _form(name: str, layout: str, as_frames: bool | None) -> Form:
    return Form(
        name, layout, _splits, lambda source, split, media, progress: CocoVid(source, split, media, as_frames)
    )


FORM = _form(
    "coco",
    "COCO, COCO-VID: annotations/SPLIT.json, or SPLIT/_annotations.coco.json as of Roboflow; or such a file itself",
    None,
)
# What looking takes for COCO may be said to be one of these.
FRAMES_FORM = _form("coco-frames", "COCO without videos, whose pictures are frames of videos by their names", True)
PICTURES_FORM = _form("coco-pictures", "COCO without videos, whose pictures are single ones", False)
