"""What a source may be: paths, patterns, lists, cameras and addresses; and that no message tells a password."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_camera import MjpegCamera
from video_files import write_video

from edge import Detector, InputError, LiveLimits, Pipeline, open_source, open_sources
from edge.sinks.page import MjpegPage
from edge.video.open import find_sources
from edge.video.urls import hide_password

QUICK = LiveLimits(open_seconds=5, stall_seconds=0.2, read_seconds=1, attempts=0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_pictures(folder, suffix=".png", shades=(1, 2, 10)):
    """Pictures named by their shade."""
    folder.mkdir()
    for shade in shades:
        shape = (48, 64) if suffix == ".pgm" else (48, 64, 3)
        cv2.imwrite(str(folder / f"{shade}{suffix}"), np.full(shape, shade, np.uint8))
    return folder


def shades(source):
    with source:
        return [int(frame[0, 0, 0]) for _, _, frame in source]


def test_a_path_is_a_path_and_what_lies_on_disk_comes_first(here):
    write_pictures(here / "2024")
    assert shades(open_source("2024")) == shades(open_source(Path("2024"))) == [1, 2, 10]
    for source in (Path("0"), Path("97"), "²", "٣", "9" * 30, "", Path("rtsp://nowhere/")):
        with pytest.raises(InputError, match="no such source"):
            open_source(source)
    for source in ("97", 97):
        with pytest.raises(InputError, match="camera 97 does not open"):
            open_source(source)
    for source in (None, 0.5, [None]):
        with pytest.raises(InputError, match="no source"):
            open_source(source)


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
def test_pictures_of_every_kind(here, suffix):
    folder = write_pictures(here / "frames", suffix, shades=(30, 120, 220))
    (folder / f"._30{suffix}").write_bytes(b"a note of another program")
    assert shades(open_source(folder)) == pytest.approx([30, 120, 220], abs=3)
    assert shades(open_source(folder / f"120{suffix}")) == pytest.approx([120], abs=3)


def test_patterns_and_lists_of_pictures_are_one_sequence(here):
    folder = write_pictures(here / "frames")
    (folder / "notes.txt").touch()
    files = [folder / f"{shade}.png" for shade in (10, 1, 2)]
    for source in ("frames/*.png", "frames/*", "**/*.png", files, [str(file) for file in files], tuple(files)):
        assert shades(open_source(source)) == [1, 2, 10]
        assert len(open_sources(source)) == 1
    assert shades(open_source(["frames/1*.png", "frames/2.png"])) == [1, 2, 10]
    # A name with a pattern's signs that is there is meant as it stands.
    folder.rename("frames [2]")
    assert shades(open_source("frames [2]")) == [1, 2, 10]
    for source in ("frames/*.png", [], "*/*.mp4"):
        with pytest.raises(InputError, match=r"no such source|an empty list"):
            open_source(source)


def test_folders_patterns_and_lists_of_videos_are_several_sources(here, model_file):
    (here / "clips").mkdir()
    for number, frames in ((10, 5), (2, 4), (1, 3)):
        write_video(here / "clips" / f"clip{number}.mp4", frames)
    write_pictures(here / "frames")
    names = ["clip1.mp4", "clip2.mp4", "clip10.mp4"]
    assert list(find_sources("clips")) == list(find_sources("clips/*.mp4")) == list(find_sources("clips/*")) == names
    with pytest.raises(InputError, match=r"3 sources where one was expected: clip1\.mp4, clip2\.mp4, clip10\.mp4"):
        open_source("clips")
    assert list(find_sources(["clips/clip2.mp4", "frames", 0])) == ["clip2.mp4", "frames", "camera 0"]
    detector = Detector(model_file)
    expected = [(name, number) for name, frames in zip(names, (3, 4, 5), strict=True) for number in range(frames)]
    assert [(result.stream, result.frame_id) for result in detector.stream("clips")] == expected
    for sources in ("clips", open_sources("clips"), [Path("clips") / name for name in names]):
        with Pipeline(detector, sources) as results:
            assert sorted((result.stream, result.frame_id) for result in results) == sorted(expected)
    for source in ("clips/clip1.mp4", [open_source("clips/clip1.mp4")]):
        with Pipeline(detector, source) as results:
            assert [(result.stream, result.frame_id) for result in results] == [(None, number) for number in range(3)]


def test_names_of_several_sources_differ(here):
    for folder in ("a", "b"):
        (here / folder).mkdir()
        write_video(here / folder / "clip.mp4", 2)
    assert list(find_sources(["a/clip.mp4", "b/clip.mp4"])) == [os.path.join(x, "clip.mp4") for x in "ab"]
    assert list(find_sources(["a/clip.mp4"] * 2)) == ["a/clip.mp4", "a/clip.mp4 (2)"]
    cameras = [f"rtsp://user:{word}@camera/stream" for word in ("one", "two")]
    assert list(find_sources(cameras)) == ["rtsp://user:***@camera/stream", "rtsp://user:***@camera/stream (2)"]
    with pytest.raises(InputError, match="no such source"):
        open_sources(["a/clip.mp4", "absent.mp4"])


def test_a_file_url(here):
    write_video(here / "my clip#1.mp4", 3)
    with open_source((here / "my clip#1.mp4").as_uri()) as source:
        assert len(list(source)) == 3


ADDRESSES = [
    "rtsp://user:SECRET@127.0.0.1:9/stream",
    "rtsp://user:SEC#RET@127.0.0.1:9/stream",
    "rtsp://user:SEC?RET@127.0.0.1:9/stream",
    "rtsp://user:SEC/RET@127.0.0.1:9/stream",
    "rtsp://user:SEC@RET@127.0.0.1:9/stream",
    "rtsp://user:12/SECRET@127.0.0.1:9/stream",
    "http://user:SEC#RET@127.0.0.1:9/stream",
    "http://user:SEC?RET@127.0.0.1:9/stream",
    "http://user:SEC/RET@127.0.0.1:9/stream",
    "http://user:SEC RET@127.0.0.1:9/a stream",
    "http://user:SEC[RET@127.0.0.1:9/stream",
    "http://127.0.0.1:9/stream?user=admin&pwd=SECRET",
    "http://127.0.0.1:9/a stream?user=admin&pwd=SEC/RET#1",
    "http://127.0.0.1:9/stream?loginuse=admin&loginpas=SECRET&x=1",
    "http://127.0.0.1:9/stream?access_token=SECRET",
    "rtsp://127.0.0.1:9/user=admin&password=SECRET&channel=1&stream=0.sdp",
    "rtsp://127.0.0.1:9/user=admin_password=SECRET_channel=1_stream=0.sdp?real_stream",
    "user:SECRET@127.0.0.1/stream",
    "rtsp:/user:SECRET@127.0.0.1/stream",
    "camera.local/stream?password=SECRET",
    "nonsense://user:SECRET@127.0.0.1/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_message_shows_a_password(address, capfd):
    with pytest.raises(InputError) as error:
        open_source(address, QUICK)
    shown = "".join(traceback.format_exception(error.value)) + "".join(find_sources_or_none(address))
    shown += "".join(capfd.readouterr())
    lines = [line for line in shown.splitlines() if not line.startswith("    ")]
    assert "SEC" not in "\n".join(lines) and "RET" not in "\n".join(lines)
    assert "***" in str(error.value)


def find_sources_or_none(address):
    try:
        return list(find_sources(address))
    except InputError as error:
        return [str(error)]


def test_what_is_no_password_stays():
    for source in ("rtsp://camera:554/stream1", "http://[::1]:8080/a.mp4", "clip@2x.mp4", "rtsp://user@camera/s", "0"):
        assert hide_password(source) == source
    assert hide_password("rtsp://me:a#b@camera:554/s?x=1") == "rtsp://me:***@camera:554/s?x=1"
    assert hide_password("http://camera/s?user=me&pwd=a/b&x=1") == "http://camera/s?user=me&pwd=***&x=1"


def test_a_password_of_any_characters_opens_the_camera():
    # user:p#s/s?w@rd
    with (
        MjpegCamera(password="dXNlcjpwI3Mvcz93QHJk") as camera,
        open_source(camera.url.replace("127", "user:p#s/s?w@rd@127"), QUICK) as source,
    ):
        assert next(iter(source))[2].shape == (48, 64, 3)
        assert source.name.startswith("http://user:***@127.0.0.1:")


@pytest.mark.parametrize("port", ["²", "٣", "70000", "9" * 5000, ""])
def test_a_port_is_plain_digits(port):
    with pytest.raises(InputError, match="expected host:port"):
        MjpegPage(f"127.0.0.1:{port}")
