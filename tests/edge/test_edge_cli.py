"""`sge-edge` as a user meets it: exit codes, messages, files, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import cv2
import numpy as np
import pytest
from mjpeg_camera import MjpegCamera

from edge.cli.main import main
from edge.runtimes.compiled import GpuError
from edge.sinks.json_lines import read_json_lines
from edge.sinks.page import MjpegPage
from edge.video.open import open_source


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_detect_writes_video_and_lines(clip, model_file, here, capfd):
    outputs = ["--save", "o.mp4", "--sheet", "o.png", "--jsonl", "o.jsonl"]
    code = main(["detect", str(clip), "--model", str(model_file), *outputs, "--score", ".5"])
    out, err = capfd.readouterr()
    assert code == 0 and err == ""
    assert "12 frames" in out and "o.mp4 and o.png and o.jsonl" in out and out.count("\n") == 1
    assert sorted(os.listdir()) == ["o.jsonl", "o.mp4", "o.png"]
    with open_source("o.mp4") as source:
        # Enlarged, so that labels can be read.
        assert (source.width, source.height, source.fps, len(list(source))) == (7 * 64, 7 * 48, 10.0, 12)
    header, *lines = read_json_lines("o.jsonl")
    assert header["model"]["name"] == "tiny" and header["model"]["labels"] == ["square", "disc"]
    [source] = header["sources"]
    assert (source["name"], source["width"], source["height"], source["fps"]) == ("clip.mp4", 64, 48, 10.0)
    assert [line["frame_id"] for line in lines] == list(range(12))
    assert lines[3]["time"] == pytest.approx(0.3, abs=1e-3)
    assert set(lines[0]["ms"]) == {"decode", "preprocess", "entropy", "invoke", "postprocess", "total"}
    assert [line["reset"] for line in lines] == ["start", *[None] * 11]
    found = [detection for line in lines for detection in line["detections"]]
    assert found and all(set(item) == {"label", "class_id", "score", "box", "track_id"} for item in found)
    assert all(item["label"] == ("square", "disc")[item["class_id"]] and item["score"] >= 0.5 for item in found)
    assert all(0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 48 for x1, y1, x2, y2 in (item["box"] for item in found))


def test_detect_to_standard_output(clip, model_file, here, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--jsonl", "-", "--frames", "3"]) == 0
    out, err = capfd.readouterr()
    assert [json.loads(line).get("frame_id") for line in out.splitlines()] == [None, 0, 1, 2]
    assert "3 frames" in err
    assert os.listdir() == []


def fails(capfd, arguments: list[str], message: str) -> None:
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("sge-edge: error: ") and err.count("\n") == 1, err
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.mp4"], "no such source: absent.mp4"),
        (["{clip}", "--model", "absent.tflite"], "no model file and no shipped model"),
        (["{clip}", "--model", "{clip}"], "not a TFLite model"),
        (["{clip}", "--save", "out.avi"], "--save writes .mp4 files"),
        (["{clip}", "--save", "absent/out.mp4"], "there is no folder"),
        (["{clip}", "--jsonl", "absent/out.jsonl"], "there is no folder"),
        (["{clip}", "--save", "{clip}"], "would replace"),
        (["{clip}", "--jsonl", "{model}"], "would replace"),
        (["{clip}", "--save", "o.mp4", "--jsonl", "./o.mp4"], "two of --save, --sheet and --jsonl name"),
        (["{clip}", "--sheet", "out.gif"], "--sheet writes .png or .jpg files"),
        (["{clip}", "--jsonl", "."], "it is a folder"),
        (["{clip}", "--score", "40"], "within 0..1. Received: 40"),
        (["{clip}", "--threads", "0"], "threads must be at least 1"),
        (["{clip}", "--frames", "0"], "--frames must be at least 1"),
        (["{clip}", "absent.mp4"], "no such source: absent.mp4"),
        (["*.mp4"], "no such source: *.mp4"),
        (["{clip}", "{cut}", "--save", "o.mp4"], "one file for 2 sources"),
        (["{clip}", "{cut}", "--save", "{clip}/out"], "is a file"),
        (["{clip}", "{cut}", "--save", "{folder}"], "clip.mp4 exists already"),
        (["{clip}", "--track-start", ".3"], "--track-start goes with --track"),
        (["{clip}", "--track", "--track-start", "30"], "within 0..1. Received: 30"),
        (["{clip}", "--append"], "--append adds to the lines of --jsonl FILE"),
        (["{clip}", "--serve", "here"], "expected host:port"),
        (["{clip}", "--delegate", "absent.so"], "cannot load the delegate absent.so"),
        (["{clip}", "--accelerator", "tpu"], "must be one of auto, cpu, gpu"),
        (["{clip}", "--accelerator", "gpu", "--delegate", "a.so"], "Leave out either"),
    ],
)
def test_user_errors(clip, cut_clip, model_file, here, capfd, arguments, message):
    arguments = [text.format(clip=clip, cut=cut_clip, model=model_file, folder=clip.parent) for text in arguments]
    model = [] if "--model" in arguments else ["--model", str(model_file)]
    before = clip.read_bytes(), model_file.read_bytes()
    fails(capfd, ["detect", *arguments, *model], message)
    assert os.listdir() == []
    assert (clip.read_bytes(), model_file.read_bytes()) == before


def test_a_source_that_breaks_off_keeps_what_was_found(cut_clip, model_file, here, capfd):
    fails(capfd, ["detect", str(cut_clip), "--model", str(model_file), "--jsonl", "o.jsonl"], "cut short")
    _, *lines, last = read_json_lines("o.jsonl")
    assert [line["frame_id"] for line in lines] == list(range(len(lines))) and len(lines) > 20
    assert last["event"] == "failed" and "cut short" in last["message"]


def test_no_scene_cut(model_file, here, capfd):
    os.mkdir("frames")
    for number, gray in enumerate((30, 30, 200, 200)):
        cv2.imwrite(f"frames/{number}.png", np.full((48, 64, 3), gray, np.uint8))
    command = ["detect", "frames", "--model", str(model_file), "--jsonl", "-"]
    resets = []
    for arguments in ([], ["--no-scene-cut"]):
        assert main([*command, *arguments]) == 0
        resets.append([json.loads(line)["reset"] for line in capfd.readouterr().out.splitlines()[1:]])
    assert resets == [["start", None, "scene_cut", None], ["start", None, None, None]]


def test_track_numbers_objects(clip, model_file, here, capfd):
    command = ["detect", str(clip), "--model", str(model_file), "--jsonl", "-", "--track"]
    # Of the model's own threshold, .4: below it a detection has no number, or that of the track that it goes on with.
    for arguments, start in (([], 0.4), (["--score", ".1"], 0.4), (["--score", ".1", "--track-start", ".1"], 0.1)):
        assert main([*command, *arguments]) == 0
        lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()[1:]]
        found = [(one["score"], one["track_id"]) for line in lines for one in line["detections"]]
        assert all(number is not None for score, number in found if score >= start)
        first = lines[0]["detections"]
        assert first and all((one["track_id"] is None) == (one["score"] < start) for one in first)
        assert {one["track_id"] for one in first} & {one["track_id"] for one in lines[1]["detections"]} - {None}
        assert lines[-1]["tracks"] == max(number for _, number in found if number)


def test_append(clip, model_file, here, capfd):
    command = ["detect", str(clip), "--model", str(model_file), "--jsonl", "o.jsonl", "--frames", "2"]
    for arguments, frames in (([], [0, 1]), ([], [0, 1]), (["--append"], [0, 1, 2, 3])):
        assert main([*command, *arguments, "--track"]) == 0
        lines = [line for line in read_json_lines("o.jsonl") if "detections" in line]
        assert [line["frame_id"] for line in lines] == frames
    numbers = [[one["track_id"] for one in line["detections"]] for line in lines]
    assert max(numbers[0] + numbers[1]) < min(numbers[2])


def test_several_files_one_after_the_other(clip, cut_clip, model_file, here, capfd):
    os.mkdir("clips")
    for name in ("10.mp4", "2.mp4"):
        (here / "clips" / name).write_bytes(clip.read_bytes())
    (here / "bad.avi").write_text("this is no video")
    model = ["--model", str(model_file), "--frames", "3", "--jsonl", "o.jsonl"]
    # A folder of videos, a pattern and a name; the bad one does not keep the others from being read.
    sources = ["clips", "ba?.avi", str(cut_clip), "clips/2.mp4"]
    assert main(["detect", *sources, *model, "--save", "out", "--sheet", "out"]) == 2
    out, err = capfd.readouterr()
    names = ["clips/2.mp4", "10.mp4", "bad.avi", "cut.avi", "clips/2.mp4 (2)"]
    assert "error: 1 of 5 sources failed, the first with: bad.avi is no video" in err.splitlines()[-1]
    assert [line.split(": ")[0] for line in out.splitlines()] == [*names[:2], *names[3:], "5 sources"]
    assert "5 sources: 12 frames" in out and out.endswith("; wrote out and o.jsonl\n")
    frames = [(line["stream"], line["frame_id"]) for line in read_json_lines("o.jsonl") if "detections" in line]
    assert frames == [(name, number) for name in [*names[:2], *names[3:]] for number in range(3)]
    [event] = [line for line in read_json_lines("o.jsonl") if "event" in line]
    assert (event["event"], event["stream"]) == ("failed", "bad.avi")
    assert len([line for line in read_json_lines("o.jsonl") if "format" in line]) == 4
    videos, sheets = (sorted(path.name for path in (here / "out").glob(f"*.{kind}")) for kind in ("mp4", "png"))
    assert len(videos) == len(sheets) == 4 and videos[:2] == ["10.mp4", "clips_2.mp4"]
    for name in videos:
        with open_source(here / "out" / name) as source:
            assert len(list(source)) == 3


def test_cameras_are_read_at_once_and_shown_side_by_side(model_file, here, capfd, monkeypatch):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture), raising=False)
    monkeypatch.setattr(cv2, "waitKey", lambda _: -1, raising=False)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0, raising=False)
    monkeypatch.setattr(cv2, "destroyWindow", lambda _: None, raising=False)
    with MjpegCamera() as first, MjpegCamera((96, 64)) as second:
        cameras = [first.url, second.url]
        options = ["--model", str(model_file), "--frames", "4", "--show", "--jsonl", "o.jsonl"]
        assert main(["detect", *cameras, *options]) == 0
    header, *lines = read_json_lines("o.jsonl")
    assert [(one["stream"], one["width"], one["height"]) for one in header["sources"]] == [
        (first.url, 64, 48),
        (second.url, 64, 96),
    ]
    assert {url: [line["stream"] for line in lines].count(url) for url in cameras} == dict.fromkeys(cameras, 4)
    out = capfd.readouterr().out
    assert [line.split(": ")[0] for line in out.splitlines()] == [*cameras, "2 sources"]
    height, width, _ = shown[-1].shape
    assert width in (2 * 7 * 64, 2 * 5 * 64) and height > 7 * 48


def test_serve_stays_until_ctrl_c_when_all_is_written(clip, model_file, here, capfd, monkeypatch):
    def hold(page):
        assert len(list(read_json_lines("o.jsonl"))) == 3 and page.url in capfd.readouterr().err
        with open_source("o.mp4") as source:
            assert len(list(source)) == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(MjpegPage, "hold", hold)
    outputs = ["--jsonl", "o.jsonl", "--save", "o.mp4"]
    command = ["detect", str(clip), "--model", str(model_file), "--frames", "2", *outputs]
    assert main([*command, "--serve", "127.0.0.1:0"]) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX signals")
def test_a_page_of_a_file_that_has_ended_shows_its_last_frame(clip, model_file):
    process = started("detect", str(clip), "--model", str(model_file), "--serve", "127.0.0.1:0")
    for line in process.stderr:
        if "the page stays at" in line:
            break
    url = line.split()[-3]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}frame.jpg", timeout=60) as answer:
        picture = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (7 * 48, 7 * 64, 3)
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in process.communicate(timeout=60)[1] and process.returncode == 0


def test_the_summary_names_the_runtime(clip, model_file, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--frames", "2"]) == 0
    out = capfd.readouterr().out
    assert "2 frames" in out and "on cpu" in out and "litert" in out.replace("tflite-runtime", "litert")


def test_the_cpu_takes_over_with_a_note(clip, model_file, capfd, monkeypatch):
    def no_gpu(*_):
        raise GpuError("no GPU was found here.")

    monkeypatch.setattr("edge.runtimes.runtime.CompiledRuntime", no_gpu)
    command = ["detect", str(clip), "--model", str(model_file), "--frames", "2", "--accelerator", "gpu"]
    fails(capfd, command, "no GPU was found here")
    assert main([*command, "--allow-cpu"]) == 0
    out, err = capfd.readouterr()
    assert "on cpu" in out and err == "note: the CPU took over: no GPU was found here.\n"


def test_show_without_a_display(clip, model_file, here, capfd, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    fails(capfd, ["detect", str(clip), "--model", str(model_file), "--show"], "needs a display")


def test_no_model_shipped(clip, here, capfd, monkeypatch):
    monkeypatch.setattr("edge.model_zoo.models_folder", lambda: here)
    fails(capfd, ["detect", str(clip)], "ships none")


def test_benchmark(clip, model_file, capfd):
    assert main(["benchmark", "--model", str(model_file), "--frames", "10", "--json", "-"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["frames"], report["accelerator"], report["note"]) == (10, "cpu", "")
    assert list(report["ms"]) == ["preprocess", "entropy", "invoke", "postprocess", "total"]
    for row in report["ms"].values():
        assert 0 < row["p50"] <= row["p95"] <= row["p99"]
    stages = sum(row["mean"] for stage, row in report["ms"].items() if stage != "total")
    assert report["ms"]["total"]["mean"] == pytest.approx(stages)
    assert report["fps_sequential"] == pytest.approx(1e3 / stages)
    assert report["fps_pipelined"] > 0 and report["startup_ms"] > 0
    assert report["pipeline_share"] == pytest.approx(report["fps_pipelined"] * report["ms"]["invoke"]["p50"] / 1e3)
    if sys.platform.startswith("linux"):
        # A fresh process: what this one has loaded, TensorFlow for one, is not in it.
        assert 20 < report["peak_memory_mb"] < 200
    assert main(["benchmark", str(clip), "--model", str(model_file)]) == 0
    out, err = capfd.readouterr()
    assert "decode" in out and "7 frames of 64 x 48 from clip.mp4" in out and err == ""
    fails(capfd, ["benchmark", "--model", str(model_file), "--frames", "0"], "frames must be at least 1")


def test_benchmark_imports_nothing_of_the_current_folder(tmp_path, model_file, monkeypatch):
    (tmp_path / "numpy.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise ImportError\n")
    model = model_file.resolve()
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "--model", str(model), "--frames", "3"]) == 0
    assert not (tmp_path / "ran").exists()


def test_the_older_name_of_frames_still_works(clip, model_file, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--limit", "2"]) == 0
    assert "2 frames" in capfd.readouterr().out


@pytest.mark.parametrize("command", [["info"], ["benchmark", "--frames", "2"]])
def test_json_goes_to_a_file_beside_the_text(command, model_file, here, capfd):
    model = [str(model_file)] if command == ["info"] else ["--model", str(model_file)]
    assert main([*command, *model, "--json", "o.json"]) == 0
    assert "tiny" in capfd.readouterr().out
    document = json.loads((here / "o.json").read_text())
    assert document["precision"] == "float32"
    assert main([*command, *model, "--json", "-"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out).keys() == document.keys() and "tiny" in err


def test_json_replaces_no_other_file(model_file, capfd):
    """`--json` took no file before: what stands behind it may be the model."""
    content = model_file.read_bytes()
    fails(capfd, ["info", str(model_file), "--json", str(model_file)], "would replace a file that is no .json")
    assert model_file.read_bytes() == content


@pytest.mark.parametrize("command", [[], ["detect"], ["benchmark"], ["models"], ["info"]])
def test_help_has_examples_and_exit_codes(command, capfd):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    out = capfd.readouterr().out
    assert "examples:" in out and "--limit" not in out
    assert all(text in " ".join(out.split()) for text in ("0 done", "1 a check failed", "2 user error", "130 stopped"))


@pytest.mark.parametrize("module", ["cv2", "ai_edge_litert"])
def test_a_missing_package_is_named_with_what_installs_it(module, capfd, monkeypatch):
    def run(_):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("edge.cli.info.run", run)
    fails(capfd, ["info", "any.tflite"], f"this needs {module}, which is not installed. Run: ")


@pytest.mark.parametrize("arguments", [[], ["detcet"], ["detect"], ["detect", "clip.mp4", "--scroe", "1"]])
def test_usage_errors(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: sge-edge" in capfd.readouterr().err


def started(*command):
    """`sge-edge` in a process of its own."""
    # Where the tests run in the background, Ctrl-C is ignored, and children inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from edge.cli.main import main; sys.exit(main())"
    )
    path = os.pathsep.join([str(root) for root in sys.path if root])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([sys.executable, "-c", code, *command], stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX signals")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_keeps_what_is_written(sent, code, model_file, frames, here):
    os.mkdir("frames")
    for number in range(3000):
        cv2.imwrite(f"frames/{number}.bmp", frames[number % len(frames)])
    command = ["detect", "frames", "--model", str(model_file), "--save", "o.mp4", "--jsonl", "o.jsonl"]
    process = started(*command)
    deadline = time.monotonic() + 60
    while not any(item.stat().st_size > 50_000 for item in here.glob("o.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == code, error
    assert "Traceback" not in error and error.endswith("stopped\n") and "detections" in error
    assert sorted(os.listdir()) == ["frames", "o.jsonl", "o.mp4"]
    _, *lines = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
    with open_source("o.mp4") as source:
        assert abs(len(list(source)) - len(lines)) <= 1
