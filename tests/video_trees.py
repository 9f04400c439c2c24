"""Miniature data sets on disk, in the formats of the field, with known frames and objects."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from keras_sge.data import VideoDataset

WIDTH, HEIGHT = 64, 48


def frame(shade: int) -> np.ndarray:
    """A flat picture: its value says which frame it is, JPEG or mp4 notwithstanding."""
    return np.full((HEIGHT, WIDTH, 3), shade, np.uint8)


def shades(clip: np.ndarray) -> list[int]:
    """What `frame` was called with, to the nearest ten."""
    return [int(round(float(picture.mean()), -1)) for picture in clip]


def vid_object(wnid: str, box: tuple, track: int = 0) -> str:
    """One object of an XML file; box is xmin, ymin, xmax, ymax."""
    x1, y1, x2, y2 = box
    return (
        f"<object><trackid>{track}</trackid><name>{wnid}</name><bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin>"
        f"<ymax>{y2}</ymax><ymin>{y1}</ymin></bndbox><occluded>0</occluded><generated>1</generated></object>"
    )


def vid_xml(objects: str = "", width: int | str = WIDTH, height: int | str = HEIGHT) -> str:
    """One XML file of ImageNet VID."""
    return (
        "<annotation><folder>f</folder><filename>000000</filename><source><database>ILSVRC_2015</database></source>"
        f"<size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"
    )


def write_vid_video(root: Path, folder: str, frames: list[str], base: int = 0) -> None:
    """One video of ImageNet VID: `folder` below Data/VID and Annotations/VID, an XML text for each frame."""
    images, annotations = root / "Data" / "VID" / folder, root / "Annotations" / "VID" / folder
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for number, text in enumerate(frames):
        cv2.imwrite(str(images / f"{number:06d}.JPEG"), frame(base + 10 * number))
        (annotations / f"{number:06d}.xml").write_text(text)


def write_vid(root: Path) -> Path:
    """Two training videos in two packages and one of validation; a zebra walks, a car joins it."""
    for number in range(2):
        package = f"train/ILSVRC2015_VID_train_000{number}/ILSVRC2015_train_0000{number}000"
        walk = [vid_object("n02391049", (5 + 2 * t, 6, 25 + 2 * t, 30), track=3) for t in range(4)]
        walk[2] += vid_object("n02958343", (40, 10, 64, 47), track=1)
        walk[3] = ""
        write_vid_video(root, package, [vid_xml(objects) for objects in walk], base=100 * number)
    write_vid_video(root, "val/ILSVRC2015_val_00000000", [vid_xml(vid_object("n02084071", (0, 0, 10, 10)))] * 3)
    return root


def write_sequence(root: Path, name: str, lines: list[str], length: int = 4, labels: str | None = None) -> Path:
    """One sequence of MOTChallenge below `root`/train, lines as in gt.txt."""
    folder = root / "train" / name
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    for number in range(length):
        cv2.imwrite(str(folder / "img1" / f"{number + 1:06d}.jpg"), frame(10 * number % 250))
    (folder / "gt" / "gt.txt").write_text("".join(f"{line}\n" for line in lines))
    if labels is not None:
        (folder / "gt" / "labels.txt").write_text(labels)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength={length}\nimWidth={WIDTH}\nimHeight={HEIGHT}\n"
        "imExt=.jpg\n"
    )
    return folder


def cvat_box(frame: int, corners: list[float], keyframe: int = 1, outside: int = 0, more: str = "") -> str:
    """One box of a track as CVAT writes it; corners are x1, y1, x2, y2."""
    sides = " ".join(f'{side}="{value:.2f}"' for side, value in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
    return f'<box frame="{frame}" keyframe="{keyframe}" outside="{outside}" occluded="1" {sides} z_order="0" {more}/>'


def cvat_tracks(dataset: VideoDataset, video: int = 0, step: int = 1, start: int = 0, task: str = "") -> str:
    """The tracks of a video as CVAT writes them: every frame, an end where an object goes.

    Args:
        step, start: numbers of the frames. task: attributes by which a project says whose a track is.
    """
    labels, text = dataset.labels(video), ""
    for track in sorted({int(track) for frame in labels for track in frame.tracks}):
        boxes, seen = "", None
        for number, own in enumerate(labels):
            at = np.flatnonzero(own.tracks == track)
            if len(at):
                seen, kind = own.boxes[at[0]].tolist(), dataset.classes[own.classes[at[0]]]
            if seen:
                boxes += cvat_box(start + step * number, seen, keyframe=int(number % 2 == 0), outside=int(not len(at)))
        text += f'<track id="{track}" label="{kind}" source="manual" {task}>{boxes}</track>'
    return text


def cvat_document(meta: str, tracks: str) -> bytes:
    """annotations.xml of CVAT for video 1.1."""
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
    return f"\ufeff{head}{meta}<dumped>now</dumped></meta>{tracks}</annotations>".encode()


def cvat_labels(dataset: VideoDataset) -> str:
    """The labels of a task or project."""
    labels = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in dataset.classes)
    return f"<labels>{labels}</labels>"


def write_cvat_project(path: Path, dataset: VideoDataset, videos: Path) -> None:
    """A zip as CVAT exports a project without its pictures; the videos lie in a folder of their own."""
    from keras_sge.data import write_coco_vid

    with tempfile.TemporaryDirectory() as folder:
        write_coco_vid(dataset, folder, "all")
        shutil.move(str(Path(folder, "videos")), videos)
    tasks, tracks = "", ""
    for index, video in enumerate(dataset.videos):
        tasks += (
            f"<task><id>{index}</id><name>{video.name}</name><size>{video.length}</size><subset>default</subset>"
            f"<start_frame>0</start_frame><stop_frame>{video.length - 1}</stop_frame><frame_filter></frame_filter>"
            f"<source>{video.name}.mp4</source><original_size><width>{video.width}</width>"
            f"<height>{video.height}</height></original_size></task>"
        )
        tracks += cvat_tracks(dataset, index, task=f'task_id="{index}" subset="default"')
    project = f"<project><id>9</id><name>sky</name>{cvat_labels(dataset)}<tasks>{tasks}</tasks></project>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations.xml", cvat_document(project, tracks))


def write_synthetic(tree: Path, videos: int, frames: int) -> Path:
    """A COCO-VID data set with train and val of the synthetic set, 64 x 64 pixels."""
    from keras_sge.data import SyntheticSky, write_coco_vid

    for seed, split in ((1, "train"), (2, "val")):
        write_coco_vid(SyntheticSky(videos, frames, size=64, seed=seed), tree, split)
    return tree


def change_coco(tree: Path, edit: Callable[[dict], object], split: str = "val") -> None:
    """Edits the annotations of a COCO-VID data set."""
    path = tree / "annotations" / f"{split}.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
