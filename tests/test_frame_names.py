import pytest

from keras_sge.data.formats.frame_names import group_frames

NAMES = {
    "frames of two folders": (
        ["a/frame_10.png", "a/frame_9.png", "b\\frame_000000.png", "b\\frame_000001.png"],
        {
            "a": [(9, "a/frame_9.png"), (10, "a/frame_10.png")],
            "b": [(0, "b\\frame_000000.png"), (1, "b\\frame_000001.png")],
        },
    ),
    "Roboflow's names": (
        ["x_mp4-12_jpg.rf.8a7b.jpg", "x_mp4-3_jpg.rf.00ff.jpg", "x_mp4-77_jpg.rf.1234.jpg"],
        {"x_mp4": [(3, "x_mp4-3_jpg.rf.00ff.jpg"), (12, "x_mp4-12_jpg.rf.8a7b.jpg"), (77, "x_mp4-77_jpg.rf.1234.jpg")]},
    ),
    "Roboflow's photographs": (
        ["IMG_1_jpg.rf.a.jpg", "IMG_2_jpg.rf.b.jpg"],
        {"IMG_1": [(0, "IMG_1_jpg.rf.a.jpg")], "IMG_2": [(0, "IMG_2_jpg.rf.b.jpg")]},
    ),
    "more digits than a number has": (["1" * 5000 + ".png"], {"1" * 5000: [(0, "1" * 5000 + ".png")]}),
    "every fifth frame, one lost": (
        ["v5.jpg", "v10.jpg", "v20.jpg", "v25.jpg"],
        {"v": [(5, "v5.jpg"), (10, "v10.jpg"), (20, "v20.jpg"), (25, "v25.jpg")]},
    ),
    "COCO's photographs": (
        ["000000000139.jpg", "000000000285.jpg", "000000000632.jpg"],
        {
            "000000000139": [(0, "000000000139.jpg")],
            "000000000285": [(0, "000000000285.jpg")],
            "000000000632": [(0, "000000000632.jpg")],
        },
    ),
    "one number twice": (
        ["frame_1.rf.a.jpg", "frame_1.rf.b.jpg"],
        {"frame_1": [(0, "frame_1.rf.a.jpg")], "frame_1_2": [(0, "frame_1.rf.b.jpg")]},
    ),
    "numbers before the ending": (
        ["7_cam.png", "8_cam.png", "sky.png"],
        {"_cam": [(7, "7_cam.png"), (8, "8_cam.png")], "sky": [(0, "sky.png")]},
    ),
    "numbers alone": (["c/1.png", "c/2.png", "c/3.png"], {"c": [(1, "c/1.png"), (2, "c/2.png"), (3, "c/3.png")]}),
    "out of the folder": (["../../x.png", "/1.png"], {"x": [(0, "../../x.png")], "1": [(0, "/1.png")]}),
}


@pytest.mark.parametrize("case", NAMES)
def test_frames_are_told_from_pictures(case):
    names, expected = NAMES[case]
    assert group_frames(names) == expected
