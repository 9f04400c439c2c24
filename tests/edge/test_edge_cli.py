"""`sge-edge` as a user meets it: exit codes, messages, files, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from edge.cli.main import main
from edge.compiled_runtime import GpuError
from edge.sources.open_source import open_source


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
        assert (source.width, source.height, source.fps, len(list(source))) == (64, 48, 10.0, 12)
    lines = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
    assert [line["frame_id"] for line in lines] == list(range(12))
    assert lines[3]["time"] == pytest.approx(0.3, abs=1e-3)
    assert set(lines[0]["ms"]) == {"decode", "preprocess", "entropy", "invoke", "postprocess", "total"}
    assert [line["reset"] for line in lines] == ["start", *[None] * 11]
    found = [detection for line in lines for detection in line["detections"]]
    assert found and all(set(item) == {"label", "class_id", "score", "box"} for item in found)
    assert all(item["label"] == ("square", "disc")[item["class_id"]] and item["score"] >= 0.5 for item in found)
    assert all(0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 48 for x1, y1, x2, y2 in (item["box"] for item in found))


def test_detect_to_standard_output(clip, model_file, here, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--jsonl", "-", "--limit", "3"]) == 0
    out, err = capfd.readouterr()
    assert [json.loads(line)["frame_id"] for line in out.splitlines()] == [0, 1, 2]
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
        (["{clip}", "--limit", "0"], "--limit must be at least 1"),
        (["{clip}", "--delegate", "absent.so"], "cannot load the delegate absent.so"),
        (["{clip}", "--accelerator", "tpu"], "must be one of auto, cpu, gpu"),
        (["{clip}", "--accelerator", "gpu", "--delegate", "a.so"], "Leave out either"),
    ],
)
def test_mistakes(clip, cut_clip, model_file, here, capfd, arguments, message):
    arguments = [text.format(clip=clip, cut=cut_clip, model=model_file) for text in arguments]
    model = [] if "--model" in arguments else ["--model", str(model_file)]
    before = clip.read_bytes(), model_file.read_bytes()
    fails(capfd, ["detect", *arguments, *model], message)
    assert os.listdir() == []
    assert (clip.read_bytes(), model_file.read_bytes()) == before


def test_a_source_that_breaks_off_keeps_what_was_found(cut_clip, model_file, here, capfd):
    fails(capfd, ["detect", str(cut_clip), "--model", str(model_file), "--jsonl", "o.jsonl"], "cut short")
    *lines, last = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
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
        resets.append([json.loads(line)["reset"] for line in capfd.readouterr().out.splitlines()])
    assert resets == [["start", None, "scene_cut", None], ["start", None, None, None]]


def test_track_numbers_objects(clip, model_file, here, capfd):
    command = ["detect", str(clip), "--model", str(model_file), "--jsonl", "-", "--track"]
    assert main(command) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    numbers = [{found["track_id"] for found in line["detections"] if "track_id" in found} for line in lines]
    assert numbers[0] and numbers[0] & numbers[1]


def test_append(clip, model_file, here, capfd):
    command = ["detect", str(clip), "--model", str(model_file), "--jsonl", "o.jsonl", "--limit", "2"]
    for arguments, lines in (([], 2), ([], 2), (["--append"], 4)):
        assert main([*command, *arguments]) == 0
        assert len((here / "o.jsonl").read_text().splitlines()) == lines


def test_serve_tells_its_address(clip, model_file, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--limit", "2", "--serve", "127.0.0.1:0"]) == 0
    assert "the page is at http://127.0.0.1:" in capfd.readouterr().err


def test_the_summary_names_the_runtime(clip, model_file, capfd):
    assert main(["detect", str(clip), "--model", str(model_file), "--limit", "2"]) == 0
    out = capfd.readouterr().out
    assert "2 frames" in out and "on cpu" in out and "litert" in out.replace("tflite-runtime", "litert")


def test_the_cpu_takes_over_aloud(clip, model_file, capfd, monkeypatch):
    def no_gpu(*_):
        raise GpuError("no GPU was found here.")

    monkeypatch.setattr("edge.open_runtime.CompiledRuntime", no_gpu)
    command = ["detect", str(clip), "--model", str(model_file), "--limit", "2", "--accelerator", "gpu"]
    fails(capfd, command, "no GPU was found here")
    assert main([*command, "--allow-cpu"]) == 0
    out, err = capfd.readouterr()
    assert "on cpu" in out and err == "sge-edge: note: the CPU took over: no GPU was found here.\n"


def test_show_without_a_display(clip, model_file, here, capfd, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    fails(capfd, ["detect", str(clip), "--model", str(model_file), "--show"], "needs a display")


def test_no_model_shipped(clip, here, capfd, monkeypatch):
    monkeypatch.setattr("edge.model_zoo.models_folder", lambda: here)
    fails(capfd, ["detect", str(clip)], "ships none")
    assert main(["info"]) == 0
    assert "ships no models" in capfd.readouterr().out


def test_info(model_file, capfd):
    assert main(["info", str(model_file)]) == 0
    out = capfd.readouterr().out
    for text in (
        "tiny, float32",
        "square, disc",
        "RGB, 32 wide, 32 high",
        "state <- next_state: 1 x 4 x 4 x 8 float32",
        "stride 8",
    ):
        assert text in out
    assert "training.steps" in out
    assert main(["info", str(model_file), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["bytes"] == model_file.stat().st_size and document["labels"] == ["square", "disc"]
    fails(capfd, ["info", "absent.tflite"], "absent.tflite")


def test_benchmark(clip, model_file, capfd):
    assert main(["benchmark", "--model", str(model_file), "--frames", "10", "--json"]) == 0
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


@pytest.mark.parametrize("command", [[], ["detect"], ["benchmark"], ["info"]])
def test_help_has_examples(command, capfd):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "examples:" in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["detcet"], ["detect"], ["detect", "clip.mp4", "--scroe", "1"]])
def test_usage_errors(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: sge-edge" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX signals")
def test_ctrl_c_keeps_what_is_written(model_file, frames, here):
    os.mkdir("frames")
    for number in range(3000):
        cv2.imwrite(f"frames/{number}.bmp", frames[number % len(frames)])
    command = ["detect", "frames", "--model", str(model_file), "--save", "o.mp4", "--jsonl", "o.jsonl"]
    # Where the tests run in the background, Ctrl-C is ignored, and children inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from edge.cli.main import main; sys.exit(main())"
    )
    path = os.pathsep.join([str(root) for root in sys.path if root])
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    deadline = time.monotonic() + 60
    while not any(item.stat().st_size > 50_000 for item in here.glob("o.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130, error
    assert "Traceback" not in error and error.endswith("stopped\n") and "detections" in error
    assert sorted(os.listdir()) == ["frames", "o.jsonl", "o.mp4"]
    lines = [json.loads(line) for line in (here / "o.jsonl").read_text().splitlines()]
    with open_source("o.mp4") as source:
        assert abs(len(list(source)) - len(lines)) <= 1
