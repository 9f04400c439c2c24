"""COCO-VID: COCO's JSON with videos, frames in video files or in images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from edge.video.pictures import pictures_in
from keras_sge.data.read_images import read_images, read_video, upright_video
from keras_sge.data.video_dataset import FrameLabels, Video, VideoDataset

# Annotators' boxes may end on the far edge of the last pixel or be rounded past it.
_TOLERANCE_PX = 1.5


class CocoVid(VideoDataset):
    """A COCO-VID directory: `annotations/SPLIT.json` with `videos`, `images`, `annotations`, `categories`.

    Frames come from `videos[].file_name` where it names a file, else from `images[].file_name`; `images[].frame_id` is
    the 0-based position among the frames that a viewer shows. Boxes are x, y, width, height in pixels.

    Args:
        directory: the data set's root.
        split: name of the annotation file without `.json`.

    Raises:
        InputError: a missing file or key, a category or image that does not exist, a box outside its frame; the message
            names the place.
    """

    def __init__(self, directory: str | Path, split: str):
        self.directory = Path(directory)
        path = self.directory / "annotations" / f"{split}.json"
        if not path.is_file():
            found = sorted(p.stem for p in path.parent.glob("*.json"))
            raise InputError(
                f"no annotation file {path}. Expected a COCO-VID directory with annotations/{split}.json; "
                f"splits found: {', '.join(found) or 'none'}."
            )
        document = self._load(path)
        try:
            self._index(document, path)
        except KeyError as error:
            raise InputError(f"{path}: an entry lacks the key {error}. Expected COCO-VID annotations.") from error
        except (TypeError, AttributeError) as error:
            raise InputError(f"{path}: an entry is of the wrong kind: {error}. Expected COCO-VID.") from error

    @staticmethod
    def _load(path: Path) -> dict[str, Any]:
        try:
            document = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is not readable JSON: {error}") from error
        missing = {"videos", "images", "annotations", "categories"} - set(
            document if isinstance(document, dict) else ()
        )
        if missing:
            raise InputError(f"{path} lacks {', '.join(sorted(missing))}. Expected COCO-VID annotations.")
        return document

    def _index(self, document: dict[str, Any], path: Path) -> None:
        categories = sorted(document["categories"], key=lambda category: category["id"])
        self.classes = tuple(category["name"] for category in categories)
        class_of = {category["id"]: index for index, category in enumerate(categories)}
        frames: dict[int, list[dict[str, Any]]] = {video["id"]: [] for video in document["videos"]}
        for image in document["images"]:
            if image["video_id"] not in frames:
                raise InputError(
                    f"{path}: image {image['id']} belongs to video {image['video_id']}, which is not listed."
                )
            frames[image["video_id"]].append(image)
        boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
        for annotation in document["annotations"]:
            where = f"{path}: annotation {annotation.get('id')}"
            if annotation["image_id"] not in boxes:
                raise InputError(f"{where} belongs to image {annotation['image_id']}, which is not listed.")
            if annotation["category_id"] not in class_of:
                raise InputError(
                    f"{where} has category {annotation['category_id']}, which is missing from the categories "
                    f"{', '.join(str(category) for category in class_of)}."
                )
            boxes[annotation["image_id"]].append(annotation)

        self.videos, self._files, self._labels = [], [], []
        for entry in document["videos"]:
            images = sorted(frames[entry["id"]], key=lambda image: image["frame_id"])
            if not images:
                continue
            if [image["frame_id"] for image in images] != list(range(len(images))):
                raise InputError(f"{path}: frames of video {entry['id']} are not numbered 0 to {len(images) - 1}.")
            width, height = (entry.get(side, images[0].get(side)) for side in ("width", "height"))
            if not width or not height:
                raise InputError(f"{path}: video {entry['id']} has no width and height.")
            name = entry.get("name", str(entry["id"]))
            video = Video(entry["id"], name, width, height, float(entry.get("fps", 30)), len(images))
            labels = [
                _frame_labels(boxes[image["id"]], class_of, video, f"{path}: frame {i}")
                for i, image in enumerate(images)
            ]
            self._files.append(entry.get("file_name") or [image["file_name"] for image in images])
            video, labels = upright_video(video, labels, self._first_file(self._files[-1]))
            self.videos.append(video)
            self._labels.append(labels)
        if not self.videos:
            raise InputError(f"{path} lists no video with frames.")

    def labels(self, index: int) -> list[FrameLabels]:
        return self._labels[index]

    def _first_file(self, files: str | list[str]) -> Path:
        """A video's file, or the image of its first frame."""
        path = self.directory / (files if isinstance(files, str) else files[0])
        return next(iter(pictures_in(path)), path) if path.is_dir() else path

    def read(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        video, files = self.videos[index], self._files[index]
        stop = video.length if stop is None else min(stop, video.length)
        if isinstance(files, str) and (self.directory / files).is_dir():
            files = self._images_in(self.directory / files, video)
        if not isinstance(files, str):
            return read_images([self.directory / name for name in files[start:stop]], video)
        return read_video(self.directory / files, video, start, stop)

    def _images_in(self, folder: Path, video: Video) -> list[str]:
        names = [path.name for path in pictures_in(folder)]
        if len(names) < video.length:
            raise InputError(f"{folder} holds {len(names)} images; its annotations go on to frame {video.length}.")
        return [str((folder / name).relative_to(self.directory)) for name in names]


def _frame_labels(annotations: list[dict[str, Any]], class_of: dict[int, int], video: Video, where: str) -> FrameLabels:
    for annotation in annotations:
        box = annotation["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)):
            raise InputError(
                f"{where} of video {video.name}: annotation {annotation.get('id')} has the box {box!r}; expected a "
                "list of four numbers, x, y, width, height."
            )
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float64).reshape(-1, 4)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    limits = np.array([video.width, video.height, video.width, video.height])
    for annotation, box in zip(annotations, corners, strict=True):
        # Written so that NaN, for which every comparison is false, fails too.
        if not (box[2:] > box[:2]).all() or (box < -_TOLERANCE_PX).any() or (box > limits + _TOLERANCE_PX).any():
            raise InputError(
                f"{where} of video {video.name}: annotation {annotation.get('id')} has the box {annotation['bbox']} "
                f"(x, y, width, height), which is empty or outside the frame of {video.width} x {video.height} px."
            )
    return FrameLabels(
        np.clip(corners, 0, limits).astype(np.float32),
        np.array([class_of[annotation["category_id"]] for annotation in annotations], np.int32),
        np.array([annotation.get("instance_id", 0) for annotation in annotations], np.int32),
    )
