"""Label Studio's video exports, made from the synthetic set as it writes them, read back frame for frame."""

import json
import shutil

import numpy as np
import pytest
from video_files import write_video

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.data import SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.formats.label_studio import LabelStudio
from keras_sge.data.formats.label_studio_tasks import find_export

SKY = SyntheticSky(videos=2, frames=6, size=64)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """The synthetic set's videos as files of the names that Label Studio gives uploads."""
    folder = tmp_path_factory.mktemp("videos")
    write_coco_vid(SKY, folder, "all")
    for index, video in enumerate(SKY.videos):
        (folder / "videos" / f"{video.name}.mp4").rename(folder / "videos" / f"3d3ad63{index}-sky {index}.mp4")
    return folder / "videos"


def key(frame, box, rate=24, **more):
    """One key frame; `box` is x1, y1, x2, y2 in pixels of 64 x 64."""
    x1, y1, x2, y2 = (float(side) / 64 * 100 for side in box)
    size = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rotation": 0}
    return {"frame": frame, "enabled": True, **size, "time": frame / rate, **more}


def region(name, sequence, label="drone", frames=6, **more):
    value = {"framesCount": frames, "duration": frames / 24, "sequence": sequence, "labels": [label]}
    common = {"origin": "manual", "from_name": "box", "to_name": "video"}
    return {"id": name, "type": "videorectangle", "value": {**value, **more}, **common}


def task(number, video, *regions, **more):
    annotation = {"id": 10 + number, "completed_by": 1, "was_cancelled": False, "result": list(regions)}
    return {"id": number, "annotations": [annotation], "data": {"video": video}, "predictions": [], **more}


def write(path, *tasks, bom=""):
    path.write_text(bom + json.dumps(list(tasks), ensure_ascii=False), encoding="utf-8")
    return path


def sky_regions(index):
    """Every object of a video, a key frame for each of its frames, ended by a disabled one without a box."""
    tracks = {}
    for number, labels in enumerate(SKY.labels(index), start=1):
        for box, kind, track in zip(labels.boxes, labels.classes, labels.tracks, strict=True):
            tracks.setdefault((int(track), SKY.classes[kind]), []).append(key(number, box))
    for (track, name), sequence in tracks.items():
        if sequence[-1]["frame"] < 6:
            sequence.append({"frame": sequence[-1]["frame"] + 1, "enabled": False, "time": 1.0})
        yield region(f"ab{track}", sequence, name)


def boxes(dataset, index=0):
    return [frame.boxes.round(3).tolist() for frame in dataset.labels(index)]


def changes(dataset, index=0):
    return [change for frame in dataset.labels(index) for change in frame.changes]


def test_every_box_is_back(tmp_path, videos):
    paths = [f"/data/upload/1/3d3ad63{index}-sky%20{index}.mp4" for index in range(2)]
    path = write(tmp_path / "export.json", *(task(i, paths[i], *sky_regions(i)) for i in range(2)), bom="\ufeff")
    dataset = open_videos(path, "all", frames=videos)
    assert isinstance(dataset, LabelStudio) and [video.name for video in dataset.videos] == ["sky 0", "sky 1"]
    for index, video in enumerate(dataset.videos):
        assert (video.width, video.height, video.length) == (64, 64, 6) and not video.unlabelled
        for ours, theirs in zip(dataset.labels(index), SKY.labels(index), strict=True):
            np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-4)
            assert [dataset.classes[kind] for kind in ours.classes] == [SKY.classes[kind] for kind in theirs.classes]
        assert len({int(track) for frame in dataset.labels(index) for track in frame.tracks}) == len(
            {int(track) for frame in SKY.labels(index) for track in frame.tracks}
        )
        assert np.abs(dataset.read(index, 2, 4).astype(int) - SKY.read(index, 2, 4)).mean() < 12
    assert dataset.notes == ()


def test_the_short_form_and_a_folder(tmp_path, videos):
    folder = tmp_path / "export"
    shutil.copytree(videos, folder / "upload")
    for path in (folder / "upload").iterdir():
        path.rename(path.with_name(path.name[9:]))
    entries = [
        {"video": f"C:\\me\\upload\\3d3ad63{i}-sky {i}.mp4", "id": i, "annotation_id": i, "lead_time": 1.5}
        | {"box": [one["value"] for one in sky_regions(i)]}
        for i in range(2)
    ]
    write(folder / "min.json", *entries, {**entries[0], "annotation_id": 7})
    dataset = open_videos(folder, "all")
    for index in range(2):
        for ours, theirs in zip(dataset.labels(index), SKY.labels(index), strict=True):
            np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-4)
    assert dataset.notes == ("1 further annotations of tasks that have one already are left out.",)


@pytest.fixture
def read(tmp_path, videos):
    """Reads one task of these regions on the first video."""
    return lambda *regions: LabelStudio(
        write(tmp_path / "one.json", task(1, "sky 0.mp4", *regions)), media=next(videos.glob("*0.mp4"))
    )


def test_boxes_between_key_frames_and_spans(read):
    sequence = [key(2, (0, 0, 8, 8)), key(4, (4, 0, 12, 8), enabled=False), key(6, (4, 8, 12, 16))]
    near = [[0, 0, 8, 8], [2, 0, 10, 8], [4, 0, 12, 8], [4, 8, 12, 16]]
    assert boxes(read(region("a", sequence))) == [[], near[:1], near[1:2], near[2:3], [], near[3:]]
    assert boxes(read(region("a", sequence[:1]))) == [[]] + [[[0, 0, 8, 8]]] * 5
    for one in sequence:
        del one["frame"]
    assert boxes(read(region("a", sequence))) == [[], near[:1], near[1:2], near[2:3], [], near[3:]]


def test_what_is_left_out_is_counted(read):
    dataset = read(
        region("a", [key(1, (0, 0, 8, 8), rotation=30), key(3, (0, 0, 8, 8), rotation=360)]),
        region("b", [key(1, (0, 0, 8, 8)), key(2, (0, 0, 8, 8), enabled=False)], labels=[]),
        region("c", [key(6, (60, 0, 70, 8))], labels=["drone ", "bird"]),
        {"id": "a", "type": "timelinelabels", "value": {"timelinelabels": ["x"]}},
        {"id": "t", "type": "timelinelabels", "value": {"timelinelabels": ["x"]}},
    )
    assert [len(frame) for frame in boxes(dataset)] == [0, 0, 1, 1, 1, 2] and dataset.classes == ("drone",)
    assert sorted(changes(dataset)) == [
        "clipped to the frame",
        "left out: a second label of one box",
        *["left out: no label"] * 2,
        *["left out: rotated"] * 2,
    ]
    assert "1 regions of the type timelinelabels are left out." in dataset.notes


def test_labels_in_a_result_of_their_own(read):
    box = region("a", [key(1, (0, 0, 8, 8))])
    box["value"].pop("labels")
    dataset = read(box, {"id": "a", "type": "labels", "value": {"labels": ["bird"]}})
    assert dataset.classes == ("bird",) and len(boxes(dataset)[5]) == 1 and dataset.notes == ()


def test_the_first_annotation_that_is_not_cancelled_counts(tmp_path, videos):
    shown, other = (region("a", [key(1, box)]) for box in ((0, 0, 8, 8), (9, 9, 20, 20)))
    tasks = [task(1, "sky 0.mp4", other), task(2, "sky 1.mp4", shown, predictions=[{"result": [other]}])]
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[0]["predictions"] = [{"result": [other]}]
    tasks[1]["annotations"].append({"result": [other]})
    dataset = LabelStudio(write(tmp_path / "a.json", *tasks), media=next(videos.glob("*1.mp4")))
    assert boxes(dataset) == [[[0, 0, 8, 8]]] * 6
    assert dataset.notes == (
        "1 tasks that nobody has annotated are left out.",
        "1 further annotations of tasks that have one already are left out.",
    )


def test_another_frame_rate_is_matched_by_time(tmp_path):
    write_video(tmp_path / "clip.mp4", frames=40)
    box = (0, 0, 32, 32)
    sequence = [key(25, box), key(49, box, enabled=False)]
    path = write(tmp_path / "a.json", task(1, "clip.mp4", region("a", sequence, frames=96)))
    dataset = LabelStudio(path)
    assert [number for number, frame in enumerate(boxes(dataset)) if frame] == list(range(10, 21))
    assert "counted 96 frames in clip, the file holds 40" in dataset.notes[0]


def test_converting_a_file_with_its_video(folder, videos, capsys):
    path = write(folder / "a.json", task(1, "s3://bucket/sky 0.mp4?x=1", *sky_regions(0)))
    video = str(next(videos.glob("*0.mp4")))
    assert main(["data", "convert", str(path), "--media", video, "--out", "new"]) == 0
    converted = open_videos("new", "all")
    for ours, theirs in zip(converted.labels(0), SKY.labels(0), strict=True):
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-2)


def picture(number=1):
    value = {"x": 1, "y": 1, "width": 5, "height": 5, "rotation": 0, "rectanglelabels": ["cat"]}
    return {**task(number, "x", {"id": "a", "type": "rectanglelabels", "value": value}), "data": {"image": "a.jpg"}}


BOX = region("a", [key(1, (0, 0, 8, 8))])


def with_key(**changes):
    return task(1, "sky 0.mp4", region("a", [{**key(1, (0, 0, 8, 8)), **changes}]))


WRONG = {
    "pictures": ([picture()], "type rectanglelabels. Supported: videos with regions of the type videorectangle"),
    "no video file": ([task(1, "gone.mp4", BOX)], "no video gone.mp4.*--media"),
    "no video named": ([{**task(1, "", BOX), "data": {"text": "x"}}], "names no video"),
    "a task twice": ([task(1, "sky 0.mp4", BOX), task(1, "sky 1.mp4", BOX)], "task 1 is there twice"),
    "a video twice": ([task(1, "sky 0.mp4", BOX), task(2, "sky 0.mp4", BOX)], "task 1 and task 2 are both of"),
    "a region twice": ([task(1, "sky 0.mp4", BOX, BOX)], "region a is there twice"),
    "nobody annotated": ([{**task(1, "sky 0.mp4"), "annotations": []}], "no task with an annotation"),
    "no labels": ([task(1, "sky 0.mp4")], "no box with a label"),
    "no key frames": ([task(1, "sky 0.mp4", region("a", []))], "region a lacks its key frames"),
    "frame zero": ([with_key(frame=0)], "key frame 1: frame must be a whole number from 1"),
    "text for a side": ([with_key(width="9")], "frame 1: width must be a number. Received: '9'"),
    "no frame, no time": ([with_key(frame=None, time=None)], "neither a frame nor a time"),
    "beyond the end": ([with_key(frame=60)], "frame 60 lies after the end.* 6 frames"),
    "a frame twice": ([task(1, "sky 0.mp4", region("a", [key(1, (0, 0, 8, 8))] * 2))], "frame 1 is there twice"),
    "a time without a rate": (
        [task(1, "sky 0.mp4", region("a", [{**key(1, (0, 0, 8, 8)), "frame": None}], duration=None))],
        "framesCount and duration",
    ),
    "no list of results": ([{**task(1, "x.mp4"), "annotations": [{"result": 1}]}], "result must be a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_get_one_line(name, tmp_path, videos):
    tasks, words = WRONG[name]
    for index in range(2):
        shutil.copy(next(videos.glob(f"*{index}.mp4")), tmp_path / f"sky {index}.mp4")
    with pytest.raises(InputError, match=words) as caught:
        open_videos(write(tmp_path / "a.json", *tasks), "all")
    assert "\n" not in str(caught.value)


def test_other_json_files_are_not_claimed(tmp_path):
    for text in ('{"images": [], "annotations": []}', '[{"image_id": 1, "bbox": []}]', "[", ""):
        (tmp_path / "a.json").write_text(text)
        assert find_export(tmp_path) is None
