"""CVAT for video 1.1: the same boxes frame for frame, with everything that its exports can be like."""

import functools

import cv2
import numpy as np
import pytest
from video_trees import cvat_box as box
from video_trees import cvat_document, cvat_labels, cvat_tracks

from edge.errors import InputError
from keras_sge.data import NO_TRACK, SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.formats.annotation_values import CLIPPED, NO_AREA

SKY = SyntheticSky(videos=2, frames=6, size=64, seed=6)
LABELS = cvat_labels(SKY)
tracks = functools.partial(cvat_tracks, SKY)


def meta(frames="<start_frame>0</start_frame><stop_frame>5</stop_frame><frame_filter></frame_filter>", kind="task"):
    size = "<original_size><width>64</width><height>64</height></original_size>"
    return (
        f"<{kind}><id>7</id><name>my task</name><size>6</size><mode>interpolation</mode>{frames}"
        f"{LABELS}{size}<source>clip.mp4</source></{kind}>"
    )


def write(folder, meta, tracks, name="annotations.xml"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(cvat_document(meta, tracks))
    return folder


def write_pictures(folder, numbers=range(6), video=0, name="frame_{:06d}.PNG"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in zip(numbers, SKY.read(video), strict=True):
        cv2.imwrite(str(folder / name.format(number)), picture)


def assert_same(dataset, index=0, video=0, places=range(6)):
    labels = dataset.labels(index)
    for place, expected in zip(places, SKY.labels(video), strict=True):
        order = np.argsort(expected.tracks)
        np.testing.assert_allclose(labels[place].boxes, expected.boxes[order], atol=0.006)
        np.testing.assert_array_equal(labels[place].classes, expected.classes[order])
        assert len(set(labels[place].tracks)) == len(order) and NO_TRACK not in labels[place].tracks


def test_a_task_with_its_pictures(tmp_path):
    write_pictures(write(tmp_path / "export", meta(), tracks()) / "images")
    dataset = open_videos(tmp_path / "export", "all")
    video = dataset.videos[0]
    assert (dataset.classes, video.name, video.length, video.unlabelled) == (SKY.classes, "clip", 6, frozenset())
    assert_same(dataset)
    np.testing.assert_array_equal(dataset.read(0), SKY.read(0))


def test_skipped_frames_are_unlabelled_in_a_video_and_absent_among_pictures(tmp_path):
    frames = "<start_frame>3</start_frame><stop_frame>14</stop_frame><frame_filter>step=2</frame_filter>"
    source = write(tmp_path / "export", meta(frames), tracks(step=2, start=3))
    dataset = open_videos(source / "annotations.xml", "all")
    # There is no frame to read, but labels can be looked at.
    assert dataset.videos[0].length == 14
    assert dataset.videos[0].unlabelled == frozenset(range(14)) - {3, 5, 7, 9, 11, 13}
    assert_same(dataset, places=range(3, 14, 2))
    with pytest.raises(InputError, match="--media PATH"):
        dataset.read(0)
    write_pictures(source / "images", range(3, 14, 2))
    dataset = open_videos(source, "all")
    assert (dataset.videos[0].length, dataset.videos[0].fps, dataset.videos[0].unlabelled) == (6, 15, frozenset())
    assert_same(dataset)


def test_the_frames_of_a_job_in_a_video_that_lies_elsewhere(tmp_path):
    write_coco_vid(SyntheticSky(videos=1, frames=9, size=64), tmp_path / "film", "all")
    film = next((tmp_path / "film" / "videos").iterdir())
    frames = "<start_frame>2</start_frame><stop_frame>7</stop_frame><frame_filter>step=1</frame_filter>"
    source = write(tmp_path / "export", meta(frames, kind="job"), tracks(start=2))
    (tmp_path / "elsewhere").mkdir()
    film.rename(tmp_path / "elsewhere" / "clip.mp4")
    for media in (tmp_path / "elsewhere", tmp_path / "elsewhere" / "clip.mp4"):
        dataset = open_videos(source, "all", frames=media)
        assert_same(dataset, places=range(2, 8))
        assert dataset.videos[0].unlabelled == {0, 1} and dataset.read(0, 2, 4).shape == (2, 64, 64, 3)


def boxes_of(tmp_path, text, frames=None):
    source = write(tmp_path, frames or meta(), f'<track id="0" label="bird">{text}</track>')
    labels = open_videos(source, "all").labels(0)
    return [frame.boxes[0].tolist() if len(frame.boxes) else None for frame in labels]


def test_key_frames_are_interpolated_until_an_object_is_outside(tmp_path):
    text = box(4, (40, 0, 50, 10), outside=1) + box(0, (0, 0, 10, 10)) + box(2, (20, 8, 34, 18))
    expected = [[0, 0, 10, 10], [10, 4, 22, 14], [20, 8, 34, 18], [30, 4, 42, 14], None, None]
    assert boxes_of(tmp_path, text) == expected
    # An object that nobody has ended stays to the last frame.
    assert boxes_of(tmp_path, box(3, (1, 2, 3, 4))) == [None] * 3 + [[1, 2, 3, 4]] * 3
    # What was exported whole is taken as it stands.
    whole = box(0, (0, 0, 10, 10)) + box(1, (1, 0, 10, 10), keyframe=0)
    assert boxes_of(tmp_path, whole) == [[0, 0, 10, 10], [1, 0, 10, 10]] + [None] * 4


def test_key_frames_of_every_second_frame(tmp_path):
    frames = meta("<start_frame>1</start_frame><stop_frame>8</stop_frame><frame_filter>step=3</frame_filter>")
    found = boxes_of(tmp_path, box(1, (0, 0, 10, 10)) + box(7, (60, 0, 64, 10), outside=1), frames)
    assert found == [None, [0, 0, 10, 10], None, None, [30, 0, 37, 10], None, None, None]


def test_shapes_without_a_track_have_none(tmp_path):
    shapes = "".join(
        f'<track id="{frame}" label="bird">{box(frame, (9, 9, 20, 20))}'
        + (box(frame + 1, (9, 9, 20, 20), outside=1) if frame + 1 < 5 else "")
        + "</track>"
        for frame in range(5)
    )
    labels = open_videos(write(tmp_path, meta(), shapes), "all").labels(0)
    assert [frame.tracks.tolist() for frame in labels] == [[NO_TRACK]] * 5 + [[]]


def test_what_is_not_taken_as_it_is_is_counted(tmp_path):
    text = (
        box(0, (-5, 5, 20, 20))
        + box(1, (70, 5, 80, 20))
        + box(2, (10, 20, 30, 40), keyframe=0, more='rotation="90.00"')
        + box(6, (1, 1, 9, 9))
    )
    polygon = '<track id="1" label="drone"><polygon frame="3" keyframe="1" outside="0" points="1,2;3,4;5,1"/></track>'
    source = write(tmp_path, meta(), f'<track id="0" label="bird">{text}</track>{polygon}')
    dataset = open_videos(source, "all")
    changes = [frame.changes for frame in dataset.labels(0)]
    assert changes == [(CLIPPED,), (NO_AREA,), (), ("left out: polygon in place of a box",), (), ()]
    np.testing.assert_allclose(dataset.labels(0)[2].boxes, [[10, 20, 30, 40]], atol=1e-4)
    notes = " ".join(dataset.notes)
    assert "1 boxes stand in frames that are none of their task's (0 to 5)" in notes and "1 boxes are rotated" in notes


def test_subsets_of_a_project_are_splits(tmp_path):
    names = ["Train", "Validation", "Train"]
    tasks = "".join(
        f"<task><id>{number}</id><name>t{number}</name><size>6</size><subset>{subset}</subset><start_frame>0</start_frame>"
        "<stop_frame>5</stop_frame><original_size><width>64</width><height>64</height></original_size>"
        "<source>clip.mp4</source></task>"
        for number, subset in enumerate(names)
    )
    of_tasks = [tracks(number % 2, task=f'task_id="{number}" subset="{name}"') for number, name in enumerate(names)]
    project = f"<project><id>1</id>{LABELS}<tasks>{tasks}</tasks></project>"
    source = write(tmp_path, project, "".join(of_tasks))
    write_pictures(source / "images" / "Train")
    # CVAT numbers names that are there already.
    write_pictures(source / "images" / "Train", video=1, name="frame_{:06d}_1.PNG")
    write_pictures(source / "images" / "Validation", video=1)
    with pytest.raises(InputError, match="no split 'test'; splits found: train, val"):
        open_videos(source, "test")
    dataset = open_videos(source, "train")
    assert [video.name for video in dataset.videos] == ["clip", "clip_2"]
    assert_same(dataset)
    np.testing.assert_array_equal(dataset.read(1), SKY.read(1))
    assert_same(open_videos(source, "val"), video=1)


def test_a_project_without_subsets_is_one_whole(tmp_path):
    # CVAT calls the subset of tasks that have none "default".
    task = meta().replace("<start_frame>", "<subset>default</subset><start_frame>")
    source = write(tmp_path, f"<project><id>1</id><tasks>{task}</tasks></project>", tracks(task='subset="default"'))
    write_pictures(source / "images" / "default")
    dataset = open_videos(source, "all")
    assert_same(dataset)
    np.testing.assert_array_equal(dataset.read(0), SKY.read(0))


def test_a_task_of_pictures_and_several_exports_in_one_folder(tmp_path):
    plain = meta().replace("<source>clip.mp4</source>", "").replace("original_size", "none")
    write_pictures(write(tmp_path / "b", plain, tracks()) / "images", name="shot {}.jpg.png")
    write(tmp_path / "a", meta(), tracks(1))
    dataset = open_videos(tmp_path, "all")
    assert [video.name for video in dataset.videos] == ["clip", "my task"]
    assert_same(dataset, 0, 1)
    assert_same(dataset, 1, 0)
    np.testing.assert_array_equal(dataset.read(1, 2, 3), SKY.read(0, 2, 3))


TRACK = f'<track id="0" label="bird">{box(0, (1, 1, 9, 9))}</track>'
WRONG = {
    "CVAT for images": (meta(), '<image id="0" name="a"/>', "CVAT for images 1.1.*CVAT for video 1.1"),
    "no task": ("", TRACK, "no task, job or project"),
    "not XML": (meta(), "<track", "not readable XML"),
    "unknown label": (meta(), TRACK.replace("bird", "kite"), "track 0 has the label 'kite', none of airplane, "),
    "a label twice": (meta().replace("<name>bird", "<name> drone "), TRACK, "name of its own. Received: 'drone'"),
    "a track twice": (meta(), TRACK * 2, "track 0 is there twice"),
    "a frame twice": (meta(), TRACK.replace("</track>", box(0, (2, 2, 9, 9)) + "</track>"), "two boxes in frame 0"),
    "text for a side": (meta(), TRACK.replace('"1.00"', '"left"', 1), "track 0: the box of frame 0.*left"),
    "no side": (meta(), TRACK.replace("xtl", "x"), "box of frame 0 lacks 'xtl'"),
    "NaN": (meta(), TRACK.replace('"1.00"', '"nan"', 1), "finite"),
    "no frame": (meta(), TRACK.replace(' frame="0"', ""), "track 0: the frame of a box must be a whole number"),
    "frames backwards": (meta().replace("<start_frame>0", "<start_frame>9"), TRACK, "stop_frame must be .* from 9"),
    "a step of 0": (meta().replace("filter>", "filter>step=0", 1), TRACK, "step of frame_filter must be"),
    "no end of frames": (meta().replace("<stop_frame>5", "<stop_frame>999999999"), TRACK, "more than any video"),
    "no size": (meta().replace("original_size", "none"), TRACK, "say the size of clip.mp4.*--media PATH"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_named(name, tmp_path):
    head, body, words = WRONG[name]
    with pytest.raises(InputError, match=words) as caught:
        open_videos(write(tmp_path, head, body), "all")
    assert "\n" not in str(caught.value)


def test_text_is_utf_8_whatever_its_head_says(tmp_path):
    path = write(tmp_path, meta(), tracks()) / "annotations.xml"
    path.write_bytes(path.read_bytes().replace(b'"utf-8"', b'"inf"'))
    assert_same(open_videos(tmp_path, "all"))


def test_boxes_of_frames_whose_picture_is_missing_are_refused(tmp_path):
    write_pictures(write(tmp_path, meta(), tracks()) / "images")
    (tmp_path / "images" / "frame_000002.PNG").unlink()
    with pytest.raises(InputError, match=r"no picture of frame 2 of clip\.mp4.*5 pictures of 6"):
        open_videos(tmp_path, "all")
