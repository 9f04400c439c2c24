"""COCO-VID: COCO's JSON with videos, frames in video files or in images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.video.pictures import pictures_in
from edge.video.reader import VideoReader, slack
from keras_sge.data.dataset import Video
from keras_sge.data.formats.annotation_values import label_gap
from keras_sge.data.formats.coco_document import CocoVideo, read_coco_document
from keras_sge.data.formats.form import Form
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos


class CocoVid(ListedVideos):
    """A COCO-VID directory: `annotations/SPLIT.json` with `videos`, `images`, `annotations`, `categories`.

    Frames come from `videos[].file_name` where it names a video file; else each frame is the image that its
    `images[].file_name` names, relative to the root or to the folder that `videos[].file_name` names; else the images
    of that folder, in natural order, are the frames. `images[].frame_id` is the 0-based position among the frames that
    a viewer shows. Boxes are x, y, width, height in pixels.

    A frame that `images` lists without annotations is empty. A frame that it does not list is unlabelled
    (`Video.unlabelled`) where the video file or the folder has it, and otherwise no frame at all. What has `iscrowd` 1
    is a region to ignore. An annotation that repeats another one is taken once. In a file without `videos`, plain COCO,
    each picture is a video of one frame.

    Args:
        directory: the data set's root; or an annotation file, whose file names are relative to its own folder.
        split: name of the annotation file without `.json`; not looked at where the file itself is given.

    Raises:
        InputError: a missing file or key, a category or image that does not exist, another number of images than
            frames; the message names the place.
    """

    def __init__(self, directory: str | Path, split: str):
        self.directory = Path(directory)
        path = self.directory / "annotations" / f"{split}.json"
        if self.directory.suffix == ".json":
            path, self.directory = self.directory, self.directory.parent
        if not path.is_file():
            found = sorted(p.stem for p in path.parent.glob("*.json"))
            raise InputError(
                f"no annotation file {path}. Expected a COCO-VID directory with annotations/{split}.json; "
                f"splits found: {', '.join(found) or 'none'}."
            )
        classes, videos, notes = read_coco_document(path)
        first = min(frame for found in videos for frame in found.pictures)
        # Files whose number of frames the annotations say and that were not opened yet.
        self._uncounted: set[Path] = set()
        listed = []
        for found in videos:
            frames, places, length = self._find_frames(found, first, f"{path}: video {found.id}")
            ids = list(found.pictures)
            # Where frames between were never kept, those that are there follow each other more slowly.
            fps = found.fps * (places[-1] - places[0]) / (ids[-1] - ids[0]) if len(ids) > 1 else found.fps
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
        path = self.directory / video.file_name if video.file_name else None
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
        own = [(folder if inside else self.directory) / name for name in names]
        if ids[-1] - ids[0] > len(ids) - 1:
            # Frames between may be there without labels: then the images of the folder stand as far apart as the ids.
            pictures = pictures or (pictures_in(own[0].parent) if own[0].is_file() else [])
            place_of = {picture: place for place, picture in enumerate(pictures)}
            places = [place_of.get(picture, -1) for picture in own]
            if min(places) >= 0 and [place - places[0] for place in places] == [number - ids[0] for number in ids]:
                # Other images of a folder that the video does not name may be another video's.
                start, stop = (0, len(pictures)) if folder else (places[0], places[-1] + 1)
                return pictures[start:stop], [place - start for place in places], stop - start
        return own, list(range(len(own))), len(own)


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


def _splits(source: Path) -> list[str]:
    if source.suffix == ".json" and source.is_file():
        return [source.stem]
    return sorted(path.stem for path in (source / "annotations").glob("*.json"))


FORM = Form(
    "coco",
    "COCO or COCO-VID: annotations/SPLIT.json, frames in video files or pictures; or a file of it itself",
    _splits,
    lambda source, split, frames, progress: CocoVid(source, split),
)
