"""Turned, trimmed and cut files in data sets and as backgrounds: read as a viewer shows them, or refused by name."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from video_files import (
    HEIGHT,
    WIDTH,
    cut,
    marked_frame,
    move_index,
    number_of,
    trim_mp4,
    turn_mp4,
    write_image,
    write_video,
)
from video_trees import write_sequence

from edge.errors import InputError
from edge.video.reader import VideoReader
from keras_sge.cli.main import main
from keras_sge.data import CocoVid, check_videos, open_videos
from keras_sge.data.formats.backgrounds import BackgroundVideos

# The white corner of `marked_frame`: x, y, width, height as stored, and x1, y1, x2, y2 once the frame is turned.
CORNER = [0, 0, 16, 16]
TURNED = {0: [0, 0, 16, 16], 90: [32, 0, 48, 16], 180: [48, 32, 64, 48], 270: [0, 48, 16, 64]}
EXIF = {0: 1, 90: 6, 180: 3, 270: 8}


def write_coco(root, size, frames, box=CORNER, video_file="videos/clip.mp4", image_files=None):
    """A set of one video; every frame has `box`."""
    document = {
        "categories": [{"id": 1, "name": "corner"}],
        "videos": [{"id": 1, "name": "clip", "width": size[0], "height": size[1], "fps": 10}],
        "images": [{"id": number, "video_id": 1, "frame_id": number} for number in range(frames)],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "instance_id": 1, "bbox": box}
            for number in range(frames)
        ],
    }
    if image_files:
        for image, name in zip(document["images"], image_files, strict=True):
            image["file_name"] = name
    else:
        document["videos"][0]["file_name"] = video_file
        (root / "videos").mkdir()
    (root / "annotations").mkdir()
    (root / "annotations" / "train.json").write_text(json.dumps(document))
    return root


def assert_corner_is_labelled(dataset, degrees):
    size = (HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT)
    assert (dataset.videos[0].width, dataset.videos[0].height) == size
    for frame, labels in zip(dataset.read(0), dataset.labels(0), strict=True):
        assert frame.shape[:2] == size[::-1]
        assert labels.boxes.tolist() == [TURNED[degrees]] and labels.boxes.dtype == np.float32
        x1, y1, x2, y2 = TURNED[degrees]
        assert frame[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].mean() > 240


@pytest.mark.parametrize("degrees", [90, 270])
def test_labels_of_a_video_as_stored_are_turned_with_it(tmp_path, degrees):
    root = write_coco(tmp_path, (WIDTH, HEIGHT), 12)
    turn_mp4(write_video(root / "videos" / "clip.mp4", 12), degrees)
    dataset = CocoVid(root, "train")
    assert_corner_is_labelled(dataset, degrees)
    report = check_videos(dataset)
    assert report.turned_clips == 1 and report.problems == () and report.frame_sizes == {"48 x 64": 1}
    assert "labels of 1 turned upright" in report.text() and report.to_dict()["turned_clips"] == 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_labels_of_a_video_as_it_is_shown_stand_as_they_are(tmp_path, degrees):
    x1, y1, x2, y2 = TURNED[degrees]
    size = (HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT)
    root = write_coco(tmp_path, size, 12, [x1, y1, x2 - x1, y2 - y1])
    turn_mp4(write_video(root / "videos" / "clip.mp4", 12), degrees)
    dataset = CocoVid(root, "train")
    assert_corner_is_labelled(dataset, degrees)
    report = check_videos(dataset)
    assert report.turned_clips == 0 and report.problems == () and "turned" not in report.text()


@pytest.mark.parametrize("degrees", [90, 270])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_labels_of_images_as_stored_are_turned_with_them(tmp_path, degrees, suffix):
    names = [f"{number}{suffix}" for number in range(3)]
    for number, name in enumerate(names):
        write_image(tmp_path / name, marked_frame(number), EXIF[degrees])
    dataset = CocoVid(write_coco(tmp_path, (WIDTH, HEIGHT), 3, image_files=names), "train")
    assert_corner_is_labelled(dataset, degrees)
    assert check_videos(dataset).turned_clips == 1
    # One that is turned otherwise has the same size, and labels on another side.
    write_image(tmp_path / names[1], marked_frame(1), EXIF[360 - degrees])
    with pytest.raises(InputError, match=f"{names[1]} has EXIF orientation"):
        dataset.read(0)


def test_labels_of_a_sequence_of_mot_are_turned(tmp_path):
    folder = write_sequence(tmp_path, "one", [f"{frame},1,1,1,16,16,1,1,1" for frame in (1, 2, 3, 4)])
    for path in (folder / "img1").iterdir():
        write_image(path, marked_frame(0), EXIF[90])
    dataset = open_videos(tmp_path, "train")
    assert (dataset.videos[0].width, dataset.videos[0].height) == (HEIGHT, WIDTH)
    # MOT counts pixels from 1, and its boxes are taken as they stand.
    assert dataset.labels(0)[0].boxes.tolist() == [[31, 1, 47, 17]]
    assert dataset.read(0).shape == (4, WIDTH, HEIGHT, 3)
    assert check_videos(dataset).turned_clips == 1


def test_another_size_is_refused_by_name_with_what_to_do(tmp_path):
    root = write_coco(tmp_path, (HEIGHT, WIDTH), 4)
    write_video(root / "videos" / "clip.mp4", 4)
    with pytest.raises(InputError, match=r"clip\.mp4 has 64 x 48 px as a viewer .* say 48 x 64\. .*upright"):
        CocoVid(root, "train").read(0)


def test_a_trimmed_video_is_labelled_as_it_is_shown(tmp_path):
    root = write_coco(tmp_path, (WIDTH, HEIGHT), 20)
    trim_mp4(write_video(root / "videos" / "clip.mp4"), 13, 20)
    dataset = CocoVid(root, "train")
    assert [number_of(frame) for frame in dataset.read(0)] == list(range(13, 33))
    for start in range(20):
        assert number_of(dataset.read(0, start, start + 1)[0]) == 13 + start
    assert check_videos(dataset).problems == ()


@pytest.mark.parametrize(("name", "code"), [("clip.avi", "MJPG"), ("clip.mp4", "mp4v"), ("clip.mkv", "mp4v")])
@pytest.mark.parametrize("keep", [0.8, 0.2])
def test_a_cut_video_of_a_set_is_named(tmp_path, capsys, name, code, keep):
    root = write_coco(tmp_path, (WIDTH, HEIGHT), 40, video_file=f"videos/{name}")
    path = write_video(root / "videos" / name, code=code)
    cut(move_index(path) if path.suffix == ".mp4" else path, keep)
    assert main(["data", "check", str(root), "--split", "train"]) == 1
    assert f"{name} ends or breaks before frame 39" in "".join(capsys.readouterr())
    # What is there is right.
    assert [number_of(frame) for frame in CocoVid(root, "train").read(0, 1, 3)] == [1, 2]


@pytest.mark.parametrize("keep", [0.8, 0.2])
@pytest.mark.parametrize(("name", "code"), [("cut.avi", "MJPG"), ("cut.mp4", "mp4v"), ("cut.mkv", "mp4v")])
def test_a_cut_background_is_named_before_training(tmp_path, name, code, keep):
    path = write_video(tmp_path / name, code=code)
    cut(move_index(path) if path.suffix == ".mp4" else path, keep)
    with pytest.raises(InputError, match=rf"{name} is cut short or damaged: its header announces 40 frames"):
        BackgroundVideos(tmp_path, ("bird",), windows=4, size=32)


def test_backgrounds_are_upright_and_only_what_is_shown(tmp_path):
    path = turn_mp4(trim_mp4(write_video(tmp_path / "clip.mp4"), 13, 20), 90)
    background = BackgroundVideos(tmp_path, ("bird",), windows=12, size=48, frames=60)
    assert {video.length for video in background.videos} == {20}
    with VideoReader(path) as reader:
        upright = np.stack([frame for _, _, frame in reader])
    for index in range(12):
        _, start, left, top, side = background._cuts[index]
        assert start == 0 and left + side <= HEIGHT and top + side <= WIDTH
        expected = upright[:, top : top + side, left : left + side]
        resized = np.stack([cv2.resize(frame, (48, 48), interpolation=cv2.INTER_LINEAR) for frame in expected])
        assert np.abs(background.read(index).astype(int) - resized).mean() < 25
