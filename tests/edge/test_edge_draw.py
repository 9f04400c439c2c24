"""Pictures with boxes: every label readable, none hides another, nothing else is written on them."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edge.draw import LEAST_SIDE, draw_boxes, draw_detections, with_caption
from edge.results import Detection, FrameResult

LABELS = ("airplane", "bird", "drone", "helicopter")


# As shares of the frame: at every border and corner, and in the middle.
AROUND = [(x, y, x + 0.1, y + 0.1) for x in (0.0, 0.45, 0.9) for y in (0.0, 0.45, 0.9)]


NESTED = [(0.0, 0.0, 1.0, 1.0), (0.2, 0.2, 0.5, 0.5), (0.22, 0.22, 0.52, 0.52)]


CROWD = [(0.3 + 0.01 * k, 0.5 - 0.02 * (k % 5), 0.4 + 0.01 * k, 0.6) for k in range(20)]


def result(shares, height, width, frame_id=0):
    boxes = np.array(shares) * [width, height, width, height]
    detections = (
        Detection(LABELS[k % 4], k % 4, 0.97 - 0.03 * k, tuple(box), 100 + k) for k, box in enumerate(boxes.tolist())
    )
    return FrameResult(frame_id, 0.0, tuple(detections))


@pytest.fixture
def plates(monkeypatch):
    """What is drawn as plates, (x1, y1, x2, y2) with the last pixel inside, and as text, (text, x, width)."""
    rectangle, put_text, found = cv2.rectangle, cv2.putText, ([], [])

    def record_rectangle(canvas, start, end, color, thickness, *rest):
        if thickness == cv2.FILLED:
            found[0].append((*start, *end))
        return rectangle(canvas, start, end, color, thickness, *rest)

    def record_text(canvas, text, origin, font, size, color, thickness, line):
        found[1].append((text, origin[0], cv2.getTextSize(text, font, size, thickness)[0][0]))
        return put_text(canvas, text, origin, font, size, color, thickness, line)

    monkeypatch.setattr(cv2, "rectangle", record_rectangle)
    monkeypatch.setattr(cv2, "putText", record_text)
    return found


@pytest.mark.parametrize("shape", [(128, 128), (108, 192), (240, 320), (480, 640), (720, 1280)])
@pytest.mark.parametrize("shares", [AROUND, NESTED, CROWD])
def test_labels_are_whole_and_hide_no_other(shape, shares, plates):
    picture = draw_detections(np.full((*shape, 3), 30, np.uint8), result(shares, *shape))
    height, width, _ = picture.shape
    rectangles, texts = plates
    for x1, y1, x2, y2 in rectangles:
        assert 0 <= x1 < x2 < width and 0 <= y1 < y2 < height
        # Enough for letters that can be read.
        assert y2 - y1 >= 14
    for one, other in itertools.combinations(rectangles, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    assert texts[0][0] == "airplane #100 0.97"
    for (_, x, long), (x1, _, x2, _) in zip(texts, rectangles, strict=True):
        assert x1 <= x and x + long <= x2 + 1
    # Where there is room, every box has its label; in a crowd the best ones have.
    assert len(texts) == len(shares) if shares is not CROWD else len(texts) >= 6


@pytest.mark.parametrize("shape, enlarged", [((128, 128), 3), ((48, 64), 7), ((320, 200), 2), ((320, 400), 1)])
def test_small_frames_are_enlarged_and_nothing_but_boxes_is_drawn(shape, enlarged):
    frame = np.full((*shape, 3), 90, np.uint8)
    picture = draw_detections(frame, FrameResult(0, 0.0, ()))
    assert picture.shape == (enlarged * shape[0], enlarged * shape[1], 3) and min(picture.shape[:2]) >= LEAST_SIDE
    assert (picture == 90).all() and picture is not frame


def test_a_box_at_the_border_is_seen_on_all_sides():
    picture = draw_boxes(np.zeros((400, 400, 3), np.uint8), [(0.0, 0.0, 400.0, 400.0)], [""], [(0, 255, 0)])
    for side in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (side[:, 1] > 128).mean() > 0.9


def test_what_is_too_wide_loses_its_beginning(plates):
    frame = np.zeros((400, 320, 3), np.uint8)
    draw_boxes(
        frame, [(10, 50, 40, 80)], ["a label that is longer than the frame is wide, and more #7 0.55"], [(9, 9, 9)]
    )
    picture = with_caption(frame, "rtsp://camera.example/with/a/path/that/goes/on/and/on/channel-1")
    assert picture.shape[0] > 400 and (picture[:400] == 0).all()
    for (text, x, width), end in zip(plates[1], ("#7 0.55", "channel-1"), strict=True):
        assert text.startswith("..") and text.endswith(end) and x + width <= 320


def test_drawing_leaves_the_frame_alone():
    frame = np.full((320, 400, 3), 90, np.uint8)
    result = FrameResult(0, 0.0, (Detection("disc", 1, 0.87, (-5.0, -3.0, 170.0, 100.0)),))
    drawn = draw_detections(frame, result)
    assert (frame == 90).all() and drawn.shape == frame.shape and (drawn != 90).any()
    assert (draw_detections(frame, FrameResult(0, 0.0, ())) == frame).all()


def test_boxes_are_drawn_where_they_are():
    frame = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_boxes(frame, [(20, 30, 60, 80)], [""], [(0, 0, 255)])
    rows, columns = np.nonzero(drawn[..., 2] > 128)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (30, 80, 20, 60)
    assert not drawn[40:70, 30:50].any()
