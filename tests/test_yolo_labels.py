"""Lines of YOLO's label files with tracks, confidences, polygons and keypoints."""

import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data.formats.yolo_labels import POLYGON, find_endings, read_yolo_frame, read_yolo_lines


def frames_of(folder, *texts, keypoints=0):
    """What the label files of a set say, in frames of 100 x 50 px."""
    files = []
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
        files.append(read_yolo_lines(folder / f"{number}.txt", keypoints))
    endings = find_endings(files)
    return [read_yolo_frame(lines, (100, 50), 2, endings) for lines in files]


BOX, TRIANGLE = "0 .5 .5 .2 .2", "0 .1 .1 .3 .1 .2 .4"
TRACKS = {
    "none": ([BOX], [None]),
    "tracks, from 0 as CVAT counts": ([f"{BOX} 0\n{BOX} 1", f"{BOX} 7", BOX], [0, 1, 7, None]),
    "one object": ([f"{BOX} 0", f"{BOX} 0"], [0, 0]),
    "confidences, one of which is 1": ([f"{BOX} 0.93", f"1 .1 .1 .2 .2 1\n{BOX} 0.5"], [None] * 3),
    "flags, or confidences that are all 1": ([f"1 .1 .1 .2 .2 1\n{BOX} 1", f"{BOX} 0"], [None] * 3),
    "confidences and tracks": ([f"{BOX} 0.93 12", f"{BOX} 1 3"], [12, 3]),
}


@pytest.mark.parametrize("name", TRACKS)
def test_a_whole_set_tells_tracks_from_confidences(name, tmp_path):
    texts, tracks = TRACKS[name]
    frames = frames_of(tmp_path, *texts)
    entries = [entry for frame in frames for entry in frame.entries]
    assert [entry.track for entry in entries] == tracks and not any(frame.changes for frame in frames)
    np.testing.assert_allclose(next(entry.corners for entry in entries if entry.kind == 0), [40, 20, 60, 30])


POLYGONS = {
    "three points, one at the edge": ([TRIANGLE, "0 .1 .1 .3 .1 .2 1"], [[10, 5, 30, 20], [10, 5, 30, 50]], None),
    "more points": ([f"{TRIANGLE} .15 .2", f"{TRIANGLE} 0 1"], [[10, 5, 30, 20], [0, 5, 30, 50]], None),
    "points and a track": ([f"{TRIANGLE} 37"], [[10, 5, 30, 20]], 37),
    "points, a confidence and a track": ([f"{TRIANGLE} 0.9 37"], [[10, 5, 30, 20]], 37),
}


@pytest.mark.parametrize("name", POLYGONS)
def test_of_a_polygon_the_bounding_box_is_taken(name, tmp_path):
    texts, boxes, track = POLYGONS[name]
    frames = frames_of(tmp_path, *texts)
    np.testing.assert_allclose([frame.entries[0].corners for frame in frames], boxes)
    assert {frame.entries[0].track for frame in frames} == {track}
    assert all(frame.changes == [POLYGON] for frame in frames)


def test_keypoints_are_no_polygons(tmp_path):
    (frame,) = frames_of(tmp_path, f"{BOX} .1 .1 2 .9 .9 1\n{BOX} .1 .1 2 .9 .9 1 7\n{BOX}", keypoints=6)
    np.testing.assert_allclose([entry.corners for entry in frame.entries], [[40, 20, 60, 30]] * 3)
    assert [entry.track for entry in frame.entries] == [None, 7, None] and not frame.changes
    with pytest.raises(InputError, match=r"0.txt:1 has 8 columns. Expected 11"):
        frames_of(tmp_path, f"{BOX} .1 .1 2", keypoints=6)
