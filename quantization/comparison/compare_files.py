"""`compare_files`: everything that is worth knowing before a smaller file replaces a larger one."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.atomic import atomic_path
from edge.benchmark import processor_name
from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import model_path
from edge.results import Detection
from keras_sge.data import VideoDataset
from keras_sge.evaluation import SCORE_THRESHOLD, Protocol, bootstrap, record_detections, score_records
from keras_sge.progress import Progress, no_progress
from quantization.comparison.charts import draw_charts, worst_frames
from quantization.comparison.comparison import ComparedFile, Comparison, Setting
from quantization.comparison.layer_error import float_frames, layer_errors
from quantization.comparison.long_run import long_run
from quantization.comparison.report import markdown
from quantization.comparison.runtime_process import (
    RecordingRuntime,
    ReplayedRuntime,
    RuntimeProcess,
    available_runtimes,
)
from quantization.graph import read_graph
from quantization.inspection.inspect_file import size_by_part
from quantization.validation import SLACK, Agreement, agree, limits_of

# From so many frames on, a run without a reset goes over the same frames again, so that early and late can be compared.
_LONG, _LAPS = 5000, 10
_LAYER_FRAMES = 8
_TIMED_THREADS = (1, 2)
# A progress for each loop, by the loop's name.
NamedProgress = Callable[[str], Progress]
# Detections of each frame.
Found = list[tuple[Detection, ...]]


def compare_files(
    files: Sequence[str | Path],
    dataset: VideoDataset,
    protocol: Protocol,
    out: str | Path,
    frames: int = 1000,
    agreement_frames: int = 120,
    rounds: int = 100,
    threads: int = 2,
    other_python: str | Path | None = None,
    command: str = "",
    progress: NamedProgress = lambda name: no_progress,
) -> Comparison:
    """Measures files of one network and writes README.md, comparison.json and pictures.

    Args:
        files: deployed files or names of shipped ones; the first, a float one, is what the others are held against.
        dataset: with the files' classes.
        protocol: which part of it is run and how.
        out: the report's folder, made where it is missing.
        frames: of the run without a reset; from 5,000 on in ten laps over the same frames.
        agreement_frames: how many are compared box by box.
        rounds: of timing.
        threads: of the network while accuracy is measured; times are taken with 1 and 2.
        other_python: the executable of an environment with another TFLite runtime, which is then measured as well.
        command: what made the report, for its head.
        progress: around each loop, by the loop's name.

    Raises:
        InputError: fewer than two files, two of one name, files of different networks, or data of other classes, a
            count below 1, no runtime in `other_python`, or `out` holds another README.md.
    """
    paths, out = [model_path(file) for file in files], Path(out)
    for name, count in (("frames", frames), ("agreement_frames", agreement_frames), ("rounds", rounds)):
        if count < 1:
            raise InputError(f"{name} must be at least 1. Received: {count}")
    _check_names(paths)
    _check_folder(out)
    _check_networks(paths)
    runtimes = available_runtimes(other_python)
    names = [path.stem for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        # Minutes pass between the first figure and the last: a file written anew meanwhile must not get into some.
        paths = [Path(shutil.copy(path, folder)) for path in paths]
        detectors = [Detector(path, threads, score_threshold=SCORE_THRESHOLD) for path in paths]
        first = detectors[0].metadata
        videos = protocol.videos(dataset)
        latency = _latency(paths, runtimes, rounds, progress("latency"))
        records = [
            record_detections(detector, dataset, protocol, progress(name))
            for detector, name in zip(detectors, names, strict=True)
        ]
        laps = _LAPS if frames >= _LONG else 1
        runs = long_run(detectors, videos, frames, laps, progress("without a reset"))
        clip = _clip_frames(videos, agreement_frames)
        agreements, across, inputs = _agreements(paths, clip, runtimes, progress("agreement"))
        layers = [layer_errors(paths[0], path, inputs) for path in paths[1:]]
        parts = [size_by_part(read_graph(path)) for path in paths]
        sizes = [path.stat().st_size for path in paths]
    compared = [
        ComparedFile(
            name=name,
            precision=detectors[number].metadata.precision,
            bytes=sizes[number],
            weights=sum(parts[number].values()) - parts[number]["metadata"],
            latency=latency[number],
            accuracy=score_records(records[number]),
            difference=bootstrap(records[number], records[0]) if number else None,
            agreement=agreements[number] if number else None,
            runtimes=across[number],
            run=runs[number],
            layers=layers[number - 1] if number else [],
        )
        for number, name in enumerate(names)
    ]
    comparison = Comparison(
        compared, protocol.text(first), _machine(), command, frames, len(runs[0].laps), agreement_frames
    )
    out.mkdir(parents=True, exist_ok=True)
    pictures = draw_charts(comparison, out)
    for name, record in zip(names[1:], records[1:], strict=True):
        picture = f"worst_{name}.png"
        if worst_frames(videos, (records[0], record), (names[0], name), first.score_threshold, out / picture):
            pictures.append(picture)
    comparison.write_json(out / "comparison.json")
    with atomic_path(out / "README.md") as temporary:
        temporary.write_text(markdown(comparison, pictures))
    return comparison


def _check_names(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        raise InputError(f"a comparison needs at least two files. Received: {len(paths)}")
    names = [path.stem for path in paths]
    if len(set(names)) != len(names):
        raise InputError(f"the files need names of their own. Received: {', '.join(names)}")


def _check_folder(out: Path) -> None:
    """A report is written over an older one, not over the README of something else."""
    if (out / "README.md").exists() and not (out / "comparison.json").exists():
        raise InputError(f"{out} holds a README.md that is no comparison's. Give a folder of the report's own.")


def _check_networks(paths: Sequence[Path]) -> None:
    kinds = []
    for path in paths:
        metadata = Detector(path).metadata
        states = tuple((state.input, state.shape) for state in metadata.states)
        kinds.append((metadata.height, metadata.width, metadata.labels, metadata.anchors, metadata.entropy, states))
        if kinds[-1] != kinds[0]:
            raise InputError(
                f"{path.name} and {paths[0].name} differ in input size, labels, anchors or states. Expected files of "
                "one network in several precisions."
            )


def _latency(
    paths: Sequence[Path], runtimes: Sequence[RuntimeProcess], rounds: int, progress: Progress
) -> list[dict[Setting, dict[str, float]]]:
    """Of each file, the milliseconds of an invocation by runtime and threads, see `ComparedFile.latency`."""
    result: list[dict[Setting, dict[str, float]]] = [{} for _ in paths]
    for runtime, threads in progress([(runtime, threads) for runtime in runtimes for threads in _TIMED_THREADS]):
        times = runtime.latency(paths, threads, rounds)
        for figures, own in zip(result, times, strict=True):
            figures[runtime.name, threads] = {
                "median": float(np.median(own)),
                "p95": float(np.percentile(own, 95)),
                "least": float(own.min()),
                "ratio": float(np.median(own / times[0])),
            }
    return result


def _agreements(
    paths: Sequence[Path], frames: Sequence[np.ndarray], runtimes: Sequence[RuntimeProcess], progress: Progress
) -> tuple[list[Agreement], list[dict[str, Agreement]], list[dict[str, np.ndarray]]]:
    """Of each file, how its detections agree with the first file's, and with its own on the other runtimes by their
    names; and some of the first file's inputs as floats."""
    agreements, across = [], []
    first: Found = []
    inputs: list[dict[str, np.ndarray]] = []
    for path in progress(paths):
        original = Detector(path)
        metadata = original.metadata
        threshold, limits = metadata.score_threshold, limits_of(metadata.precision)
        lower = max(SCORE_THRESHOLD, threshold - SLACK)
        recording = RecordingRuntime(original.runtime, [state.input for state in metadata.states])
        found = _detections(Detector.from_runtime(recording, metadata, score_threshold=lower), frames)
        first = first or found
        inputs = inputs or float_frames(recording.frames[:_LAYER_FRAMES], recording.quantization)
        agreements.append(agree(first, found, threshold, limits))
        elsewhere = {}
        for runtime in runtimes[1:]:
            replayed = ReplayedRuntime(runtime.outputs(path, metadata, recording.frames), recording)
            there = _detections(Detector.from_runtime(replayed, metadata, score_threshold=lower), frames)
            elsewhere[runtime.name] = agree(found, there, threshold, limits)
        across.append(elsewhere)
    return agreements, across, inputs


def _detections(detector: Detector, frames: Sequence[np.ndarray]) -> Found:
    return [detector(frame).detections for frame in frames]


def _clip_frames(videos: VideoDataset, count: int) -> list[np.ndarray]:
    """About that many frames from the beginnings of several clips at even distances, behind each other."""
    clips = np.unique(np.linspace(0, len(videos) - 1, max(1, count // 20)).round().astype(int)).tolist()
    each = -(-count // len(clips))
    return [frame for clip in clips for frame in videos.read(clip, 0, min(each, videos.videos[clip].length))][:count]


def _machine() -> str:
    """The processor's name and how many threads it runs, for the head of a table of times."""
    return f"{processor_name()}, {os.cpu_count()} threads, {platform.system()} {platform.machine()}"
