"""The one reader of videos and images: what a viewer shows, and which way up, in every container and format."""

from __future__ import annotations

import numpy as np
import pytest
from video_files import (
    FPS,
    HEIGHT,
    WIDTH,
    cut,
    move_index,
    number_of,
    trim_mp4,
    turn_mp4,
    write_image,
    write_video,
)

from edge import Detector, InputError, open_source
from edge.cli.main import main
from edge.video.mp4_frames import mp4_frame_times
from edge.video.orientation import turn_boxes, turn_picture
from edge.video.pictures import natural_order, pictures_in, read_picture
from edge.video.reader import VideoReader

# Orientation -> what brings the stored pixels upright, in NumPy's words.
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize(("degrees", "orientation"), [(0, 1), (90, 6), (180, 3), (270, 8)])
def test_a_video_is_upright_from_any_frame_on(tmp_path, degrees, orientation):
    with VideoReader(write_video(tmp_path / "stored.mp4")) as reader:
        stored = [frame for _, _, frame in reader]
    path = turn_mp4(write_video(tmp_path / "turned.mp4"), degrees)
    with VideoReader(path) as reader:
        assert reader.orientation == orientation
        assert (reader.width, reader.height) == ((HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT))
        frames = [frame for _, _, frame in reader]
    assert [number_of(frame) for frame in stored] == list(range(40))
    for received, expected in zip(frames, stored, strict=True):
        np.testing.assert_array_equal(received, UPRIGHT[orientation](expected))
    with VideoReader(path, 20) as reader:
        np.testing.assert_array_equal(reader.read()[2], frames[20])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_upright_in_every_format(tmp_path, suffix, orientation):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16], stored[16:, 32:] = 255, (0, 0, 200)
    path = write_image(tmp_path / f"picture{suffix}", stored, orientation)
    received = read_picture(path)
    expected = UPRIGHT[orientation](stored)
    assert received.shape == expected.shape
    # The corners' middles: JPEG's edges ring.
    np.testing.assert_allclose(received[4::8, 4::8].astype(int), expected[4::8, 4::8].astype(int), atol=30)
    with open_source(tmp_path) as source:
        assert (source.height, source.width) == expected.shape[:2]


def test_metadata_of_either_byte_order_and_damaged_ones(tmp_path):
    picture = np.zeros((16, 32, 3), np.uint8)
    path = write_image(tmp_path / "big.jpg", picture, 6, order=">")
    assert read_picture(path).shape == (32, 16, 3)
    # An orientation that does not exist turns nothing.
    assert read_picture(write_image(tmp_path / "none.jpg", picture, 9)).shape == (16, 32, 3)
    for size in range(1, path.stat().st_size, 7):
        short = tmp_path / "short.jpg"
        short.write_bytes(path.read_bytes()[:size])
        try:
            read_picture(short)
        except InputError as error:
            assert "cannot decode the image" in str(error)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_boxes_turn_with_their_picture(orientation):
    stored = np.zeros((30, 50, 3), np.uint8)
    stored[4:11, 7:29] = 255
    turned = turn_picture(stored, orientation)
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](stored))
    rows, columns = np.nonzero(turned[..., 0])
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert turn_boxes(np.float32([[7, 4, 29, 11]]), orientation, 50, 30).tolist() == [expected]


@pytest.mark.parametrize(("first", "count"), [(0, 40), (5, 35), (5, 20), (13, 20), (0, 7)])
def test_a_trimmed_mp4_is_what_its_edit_list_shows(tmp_path, first, count):
    path = trim_mp4(write_video(tmp_path / "trimmed.mp4"), first, count)
    np.testing.assert_allclose(mp4_frame_times(path), np.arange(count) / FPS, atol=1e-9)
    with open_source(path) as source:
        assert source.frame_count == count
        read = list(source)
    assert [number_of(frame) for _, _, frame in read] == list(range(first, first + count))
    assert [frame_id for frame_id, _, _ in read] == list(range(count))
    assert [time for _, time, _ in read] == pytest.approx([number / FPS for number in range(count)], abs=1e-6)
    for start in range(0, count, 3):
        with VideoReader(path, start) as reader:
            number, time, frame = reader.read()
            assert (number, number_of(frame), time) == (start, first + start, pytest.approx(start / FPS))
    with VideoReader(path, count) as reader:
        assert reader.read() is None and reader.read() is None


def test_a_trimmed_mp4_ends_well(tmp_path, model_file, capfd):
    path = trim_mp4(write_video(tmp_path / "trimmed.mp4"), 13, 20)
    assert main(["detect", str(path), "--model", str(model_file)]) == 0
    out, err = capfd.readouterr()
    assert "20 frames" in out and err == ""
    assert len(list(Detector(model_file).stream(path))) == 20


@pytest.mark.parametrize(
    ("name", "code"), [("clip.mp4", "mp4v"), ("clip.avi", "MJPG"), ("clip.avi", "XVID"), ("clip.mkv", "mp4v")]
)
def test_any_frame_is_found_in_any_container(tmp_path, name, code):
    path = write_video(tmp_path / name, code=code)
    for start in range(40):
        with VideoReader(path, start) as reader:
            number, time, frame = reader.read()
            assert (number, number_of(frame)) == (start, start)
            assert time == pytest.approx(start / FPS, abs=2e-3)


def test_frames_are_found_where_the_container_has_no_index(tmp_path):
    path = write_video(tmp_path / "clip.ts", code="mp4v")
    for start in (1, 7, 13, 39):
        with VideoReader(path, start) as reader:
            assert number_of(reader.read()[2]) == start


@pytest.mark.parametrize("keep", [0.8, 0.2])
@pytest.mark.parametrize(("name", "code"), [("cut.avi", "MJPG"), ("cut.mkv", "mp4v"), ("cut.mp4", "mp4v")])
def test_a_cut_file_is_named_at_any_damage(tmp_path, name, code, keep):
    path = write_video(tmp_path / name, code=code)
    path = cut(move_index(path) if path.suffix == ".mp4" else path, keep)
    read = []
    with (
        pytest.raises(InputError, match=r"cut\.\w+ (is cut short or damaged: its header announces 40 frames|holds no)"),
        open_source(path) as source,
    ):
        read.extend(source)
    # Of the last one a part is there.
    assert [number_of(frame) for _, _, frame in read[:-1]] == list(range(len(read) - 1)) and len(read) < 38


def test_files_that_are_no_mp4_have_no_index(tmp_path):
    whole = write_video(tmp_path / "whole.mp4").read_bytes()
    assert len(mp4_frame_times(tmp_path / "whole.mp4")) == 40
    assert mp4_frame_times(tmp_path / "absent.mp4") is None
    generator = np.random.default_rng(0)
    for number in range(60):
        content = bytearray(whole)
        place = content.index(b"moov") + int(generator.integers(4, 600))
        content[place : place + 4] = generator.bytes(4)
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(content[: int(generator.integers(0, len(content) + 1))] if number % 2 else content)
        times = mp4_frame_times(path)
        assert times is None or times.ndim == 1


def test_frames_are_numbered_in_natural_order(tmp_path):
    names = ["1.png", "2.png", "10.png", "a01.png", "a1.png", "a2b10.png", "a2b9.png", "²3.png"]
    assert sorted(names[::-1], key=natural_order)[:5] == ["1.png", "2.png", "10.png", "a01.png", "a1.png"]
    assert sorted(names, key=natural_order).index("a2b9.png") < sorted(names, key=natural_order).index("a2b10.png")
    for name in (*names, "._1.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == sorted(names, key=natural_order)
