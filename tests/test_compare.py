"""`sge compare` and its parts, on a tiny network and on arrays whose answers are known."""

import argparse
import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from evaluated import record, records_of

from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import StateTensor
from edge.results import Detection
from keras_sge.data.open import open_videos
from quantization import compare_files
from quantization.cli import compare as cli
from quantization.comparison.charts import draw_charts, worst_frames
from quantization.comparison.layer_error import layer_errors
from quantization.comparison.long_run import WINDOW, LongRun, long_run
from quantization.comparison.runtime_process import (
    RecordingRuntime,
    ReplayedRuntime,
    RuntimeProcess,
    available_runtimes,
)
from quantization.validation import agree, difference


def found(box, score=0.9, kind=0):
    return Detection("x", kind, score, box)


def test_agreement_counts_partners_and_limits():
    near, moved = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 80.0)
    first = [[found(near), found((200, 200, 260, 260), 0.8)], [found(near, 0.6)], [found(near, 0.2)]]
    second = [[found(moved, 0.85)], [found(near, 0.59)], []]
    result = agree(first, second, 0.5, (0.9, 0.02))
    # Three above the threshold; one has no partner, one of the two partners has an IoU of .8.
    assert (result.detections, result.matched, result.within) == (3, pytest.approx(2 / 3), 0.5)
    assert result.least_iou == pytest.approx(0.8) and result.largest_score_difference == pytest.approx(0.05)
    assert agree([[]], [[]], 0.5, (0.9, 0.02)).within == 1


def test_another_class_is_no_partner():
    assert agree([[found((0, 0, 9, 9))]], [[found((0, 0, 9, 9), kind=1)]], 0.5, (0.9, 0.02)).matched == 0
    assert difference([found((0, 0, 9, 9))], [found((0, 0, 9, 9), kind=1)]) == pytest.approx(1.8)
    assert difference([found((0, 0, 9, 9))], [found((0, 0, 9, 9), 0.7)]) == pytest.approx(0.2)


class Video:
    """One video of blank frames without objects."""

    classes = ("one",)

    def __init__(self, length):
        self.videos = [SimpleNamespace(length=length)]

    def __len__(self):
        return 1

    def read(self, index, start=0, stop=None):
        return np.zeros((self.videos[0].length, 8, 8, 3), np.uint8)[start:stop]

    def labels(self, index):
        nothing = SimpleNamespace(boxes=np.empty((0, 4), np.float32), classes=np.empty(0, int))
        return [nothing] * self.videos[0].length


class Scripted:
    """A detector that finds nothing and whose two cells do as they are told."""

    labels = ("one",)

    def __init__(self, cells, dtype="float32", scale=1 / 128):
        scale = scale if dtype == "int8" else 0.0
        self.metadata = SimpleNamespace(states=(StateTensor("state", "next_state", (1, 2), dtype, scale),))
        self._cells, self._dtype, self._frame = cells, dtype, -1

    def reset(self):
        self._frame = -1

    def raw(self, frame):
        self._frame += 1
        return np.empty((0, 4), np.float32), np.empty((0, 2), np.float32)

    def decode(self, codes, logits, height, width):
        return ()

    @property
    def state(self):
        return {"state": np.array([self._cells(self._frame)], self._dtype)}


def test_frozen_and_clipped_cells_are_counted():
    # Both float cells move; of the int8 cells the first stands still and the second sits at its limit.
    moving = Scripted(lambda frame: (0.2 + 0.001 * frame, 0.5 - 0.001 * frame))
    stuck = Scripted(lambda frame: (26, 127 - frame % 2), "int8")
    first, second = long_run([moving, stuck], Video(2 * WINDOW), 2 * WINDOW)
    assert first.frozen.tolist() == [0, 0] and first.mean_difference.max() == 0
    assert second.frozen.tolist() == [0.5, 0.5]
    assert second.at_limit[:2].tolist() == [0.5, 0] and second.clipped[:2].tolist() == [0.5, 0]
    assert second.near_limit.tolist() == [0.5] * (2 * WINDOW)
    expected = (abs(26 / 128 - 0.2) + abs(127 / 128 - 0.5)) / 2
    assert second.mean_difference[0] == pytest.approx(expected, abs=1e-6)


def test_a_state_that_reaches_further_is_measured_by_its_own_steps():
    wide = Scripted(lambda frame: (3.9, 4.5 - 0.1 * frame))
    rounded = Scripted(lambda frame: (125, 127), "int8", scale=4 / 128)
    first, second = long_run([wide, rounded], Video(2), 2)
    assert first.at_limit.tolist() == [0.5, 0.5] and first.near_limit.tolist() == [0.5, 0.5]
    assert second.at_limit.tolist() == [0.5, 0.5]
    assert second.mean_difference[0] == pytest.approx(
        (abs(125 / 128 - 3.9 / 4) + abs(127 / 128 - 4.5 / 4)) / 2, abs=1e-6
    )


def test_cells_that_stand_still_in_both_are_not_frozen():
    still = Scripted(lambda frame: (0.5, -0.25))
    same = Scripted(lambda frame: (64, -32), "int8")
    _, second = long_run([still, same], Video(WINDOW), WINDOW)
    assert second.frozen.tolist() == [0] and second.mean_difference.max() == 0


def test_laps_go_over_the_same_frames(tiny_tflite, tiny_coco):
    videos = open_videos(tiny_coco, "val")
    runs = long_run([Detector(tiny_tflite), Detector(tiny_tflite)], videos, 48, laps=3)
    assert len(runs[0].laps) == 3 and len(runs[0].mean_difference) == 48
    assert runs[1].mean_difference.max() == 0 and runs[1].laps == runs[0].laps


def test_a_long_run_is_not_reset_where_the_size_changes(tiny_tflite):
    """Two videos of different sizes: the state after them is that of a network that never began anew."""
    videos = Video(3)
    videos.classes = Detector(tiny_tflite).labels[:1]
    sizes = [(64, 64), (96, 48)]
    videos.videos = [SimpleNamespace(length=3)] * 2
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (3, *size, 3), np.uint8) for size in sizes]
    videos.read = lambda index, start=0, stop=None: pictures[index][start:stop]
    videos.__class__ = type("Videos", (Video,), {"__len__": lambda self: 2})
    first, again = Detector(tiny_tflite), Detector(tiny_tflite)
    long_run([first], videos, 6)
    for clip in pictures:
        for frame in clip:
            again.raw(frame)
    for name, value in again.state.items():
        np.testing.assert_array_equal(first.state[name], value)


@pytest.fixture(scope="module")
def half(tiny_net, tmp_path_factory):
    from quantization import Exporter

    path = tmp_path_factory.mktemp("half") / "tiny_float16.tflite"
    Exporter(tiny_net, "float16").write(path)
    return path


def random_frames(path, count):
    rng = np.random.default_rng(0)
    metadata = Detector(path).metadata
    cells = metadata.height // 32, metadata.width // 32
    return [
        {
            "image": rng.uniform(-1, 1, (1, metadata.height, metadata.width, 3)).astype(np.float32),
            "attention": rng.uniform(0.5, 0.96, (1, *cells, 1)).astype(np.float32),
        }
        for _ in range(count)
    ]


def test_layers_are_matched_and_their_errors_small(tiny_tflite, half):
    frames = random_frames(tiny_tflite, 2)
    rows = {row.layer: row for row in layer_errors(tiny_tflite, half, frames)}
    assert {"conv1", "conv13_pointwise", "memory_candidate", "next_state", "boxes", "scores"} <= set(rows)
    assert all(row.sqnr > 30 and row.relative < 0.05 for row in rows.values())
    # Something is rounded, or the files were not run.
    assert any(row.relative > 0 for row in rows.values())
    assert rows["memory_candidate"].part == "memory" and rows["conv1"].operator == "CONV_2D"
    assert all(row.relative == 0 for row in layer_errors(tiny_tflite, tiny_tflite, frames))


def test_another_process_gives_the_same_outputs(tiny_tflite, tiny_coco):
    frames = open_videos(tiny_coco, "val").read(0)
    detector = Detector(tiny_tflite, score_threshold=0.05)
    recording = RecordingRuntime(detector.runtime, ["state"])
    recorded = Detector.from_runtime(recording, detector.metadata, score_threshold=0.05)
    here = [recorded(frame).detections for frame in frames]
    assert set(recording.frames[0]) == {"image", "attention"}
    process = RuntimeProcess(sys.executable)
    assert process.name.startswith("ai-edge-litert ")
    outputs = process.outputs(tiny_tflite, detector.metadata, recording.frames)
    replayed = Detector.from_runtime(ReplayedRuntime(outputs, recording), detector.metadata, score_threshold=0.05)
    assert any(here) and [replayed(frame).detections for frame in frames] == here
    times = process.latency([tiny_tflite, tiny_tflite], threads=1, rounds=3)
    assert times.shape == (2, 3) and (times > 0).all()


def test_a_python_without_a_runtime_is_named(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no runtime here >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(InputError, match="no runtime here"):
        RuntimeProcess(broken)
    with pytest.raises(InputError, match="cannot start"):
        RuntimeProcess(tmp_path / "none")


def test_no_program_of_the_current_folder_is_run(tmp_path, monkeypatch):
    python = tmp_path / ".venv-tflite" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert len(available_runtimes()) == 1
    # Named, it is.
    with pytest.raises(InputError, match="python cannot run"):
        available_runtimes(str(python))
    assert (tmp_path / "ran").exists()


def test_another_readme_is_kept(tiny_tflite, half, tiny_coco, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"README\.md"):
        compare_files([tiny_tflite, half], open_videos(tiny_coco, "val"), None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_the_command_writes_a_report(tiny_tflite, half, tiny_coco, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    words = [str(tiny_tflite), str(half), "--data", str(tiny_coco), "--out", "report"]
    words += ["--frames", "60", "--agreement-frames", "20", "--rounds", "4"]
    assert cli.run(parser.parse_args(words)) == 0
    assert "report/README.md" in capsys.readouterr().out
    document = json.loads((tmp_path / "report" / "comparison.json").read_text())
    first, second = document["files"]
    assert first["precision"] == "float32" and second["weights"] < first["weights"] < first["bytes"]
    assert {row["threads"] for row in second["latency"]} == {1, 2}
    assert first["latency"][0]["ratio"] == 1 and second["latency"][0]["median"] > 0
    assert second["agreement"]["matched"] > 0.9 and second["difference"] is not None
    assert 0 < second["run"]["mean_difference"][0] < 0.05 and first["run"]["mean_difference"][0] == 0
    assert str(tmp_path) not in document["command"]
    text = (tmp_path / "report" / "README.md").read_text()
    for word in ("## Size and accuracy", "## Latency", "frozen", "SQNR dB", "AP at IoU 0.5"):
        assert word in text
    for picture in ("accuracy.png", "state.png", "layers.png"):
        assert (tmp_path / "report" / picture).stat().st_size > 1000 and f"]({picture})" in text


def test_files_that_cannot_be_compared_are_refused(tiny_tflite, another_network, tiny_coco, tmp_path):
    videos = open_videos(tiny_coco, "val")
    with pytest.raises(InputError, match="at least two files"):
        compare_files([tiny_tflite], videos, None, tmp_path)
    with pytest.raises(InputError, match="names of their own"):
        compare_files([tiny_tflite, tiny_tflite], videos, None, tmp_path)
    with pytest.raises(InputError, match="differ in input size"):
        compare_files([tiny_tflite, another_network], videos, None, tmp_path)


@pytest.fixture(scope="module")
def another_network():
    from edge.model_zoo import list_models, model_path

    return model_path(list_models()[0])


@pytest.mark.parametrize(("frames", "laps"), [(10, 1), (60, 1), (60, 3)])
def test_charts_have_no_empty_panel(frames, laps, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: drawn.append(figure) or save(figure, *a, **k))
    course = np.linspace(0, 1e-3, frames)
    run = LongRun(course, course, 1 - course, course, course, course, course[: frames // WINDOW], [0.5] * laps)
    accuracy = SimpleNamespace(
        frame_index={"1": 0.5, "2-5": None, "31+": None}, motion_weighted={"slow": None, "fast": None}
    )
    files = [SimpleNamespace(name=name, run=run, accuracy=accuracy, layers=[]) for name in ("a", "b")]
    names = draw_charts(SimpleNamespace(files=files, laps=laps), tmp_path)
    # Too short a run has no course.
    assert names == ["accuracy.png", "state.png"][: 1 + (frames >= WINDOW)]
    assert all(axes.has_data() for figure in drawn for axes in figure.axes)
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels()] == ["1"] and len(drawn[0].axes) == 1
    assert len(drawn) == 1 or len(drawn[1].axes) == 5 + (laps > 1)


def test_worst_frames_of_several_shapes(tmp_path):
    lengths, shapes = [1, 1], [(90, 160), (160, 90)]
    videos = SimpleNamespace(read=lambda video, start, stop: np.zeros((1, *shapes[video], 3), np.uint8))
    box = (10, 10, 60, 60)
    pair = [records_of([record([(box, score, 0)], [(box, 0)]) for _ in lengths], lengths) for score in (0.9, 0.6)]
    assert len(worst_frames(videos, pair, ("a", "b"), 0.1, tmp_path / "x.png")) == 2
    assert cv2.imread(str(tmp_path / "x.png")).shape[1] == 3 * 426
