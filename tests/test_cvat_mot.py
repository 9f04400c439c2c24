"""CVAT's MOT 1.1: no seqinfo.ini, images or none, the same boxes frame for frame."""

import cv2
import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data import SyntheticSky, open_videos, write_coco_vid


def cvat_export(root, first=1, images=True, labels="bird\ndrone"):
    """CVAT's MOT 1.1 of a synthetic video: nine columns, no seqinfo.ini; the video it was made of is returned."""
    sky = SyntheticSky(videos=1, frames=6, size=64, seed=6)
    for folder in ("gt", "img1"):
        (root / folder).mkdir(parents=True)
    lines = []
    for number, (picture, frame) in enumerate(zip(sky.read(0), sky.labels(0), strict=True), first):
        if images:
            cv2.imwrite(str(root / "img1" / f"{number:06d}.PNG"), picture)
        for (x1, y1, x2, y2), kind, track in zip(frame.boxes.tolist(), frame.classes, frame.tracks, strict=True):
            lines.append(f"{number},{track},{x1},{y1},{x2 - x1},{y2 - y1},1,{kind % 2 + 1},0.5")
    (root / "gt" / "gt.txt").write_text("\n".join([*lines, f"{first},-1,50,50,9,9,0,2,1.0"]))
    (root / "gt" / "labels.txt").write_text(labels)
    return sky


def assert_same_boxes(dataset, sky):
    assert dataset.videos[0].length == 6
    for found, expected in zip(dataset.labels(0), sky.labels(0), strict=True):
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
        np.testing.assert_array_equal(found.classes, expected.classes % 2)
        assert len(set(found.tracks)) == len(found.tracks)


@pytest.mark.parametrize("first", [1, 0, 40])
def test_cvat_s_export_is_read_without_seqinfo(first, tmp_path):
    sky = cvat_export(tmp_path / "clip", first)
    dataset = open_videos(tmp_path / "clip", "all")
    assert_same_boxes(dataset, sky)
    assert (dataset.videos[0].name, dataset.videos[0].width, dataset.classes) == ("clip", 64, ("bird", "drone"))
    assert dataset.labels(0)[0].ignored.tolist() == [[50, 50, 59, 59]]
    np.testing.assert_array_equal(dataset.read(0), sky.read(0))
    with pytest.raises(InputError, match="splits found: all"):
        open_videos(tmp_path / "clip", "val")


def test_cvat_s_export_without_images_needs_the_video(tmp_path):
    sky = cvat_export(tmp_path / "clip", images=False)
    with pytest.raises(InputError, match="--media PATH"):
        open_videos(tmp_path / "clip", "all")
    write_coco_vid(sky, tmp_path / "film", "all")
    video = next((tmp_path / "film" / "videos").iterdir())
    for media in (video, video.parent):
        dataset = open_videos(tmp_path / "clip", "all", frames=media)
        assert_same_boxes(dataset, sky)
        assert dataset.read(0, 2, 4).shape == (2, 64, 64, 3)
    with pytest.raises(InputError, match=r"no file or folder .*nowhere.*--media"):
        open_videos(tmp_path / "clip", "all", frames=tmp_path / "nowhere")


def test_cvat_s_exports_side_by_side_are_sequences(tmp_path):
    for name in ("b", "a"):
        cvat_export(tmp_path / "set" / name)
    assert [video.name for video in open_videos(tmp_path / "set", "all").videos] == ["a", "b"]
    (tmp_path / "set" / "a" / "img1" / "000003.PNG").unlink()
    with pytest.raises(InputError, match="5 pictures from 1 to 6 and none of number 3"):
        open_videos(tmp_path / "set", "all")
