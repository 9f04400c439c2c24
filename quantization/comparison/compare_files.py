"""Everything that is worth knowing before a smaller file replaces a larger one."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.atomic import atomic_path
from edge.detector import Detector
from edge.errors import InputError
from edge.model_zoo import model_path
from edge.results import Detection
from keras_sge.data import VideoDataset
from keras_sge.evaluation import (
    SCORE_THRESHOLD,
    Protocol,
    bootstrap,
    record_detections,
    score_records,
)
from keras_sge.progress import Progress, no_progress
from quantization.comparison.charts import draw_charts, worst_frames
from quantization.comparison.comparison import ComparedFile, Comparison, Place
from quantization.comparison.layer_error import float_frames, layer_errors
from quantization.comparison.long_run import LongRun, RecordingRuntime, ReplayedRuntime, long_run
from quantization.comparison.report import markdown
from quantization.comparison.runtime_process import RuntimeProcess
from quantization.graph import read_graph
from quantization.inspection.inspect_file import size_by_part
from quantization.validation import LIMITS, SLACK, agree

_LAYER_FRAMES = 8
# From so many frames on, a run without a reset goes over the same frames again, so that early and late can be compared.
_LAPS, _LONG = 10, 5000
# A progress for each loop, by the loop's name.
NamedProgress = Callable[[str], Progress]
# Detections of each frame.
Found = list[tuple[Detection, ...]]


def compare_files(
    files: Sequence[str | Path],
    dataset: VideoDataset,
    protocol: Protocol,
    out: str | Path,
    runtimes: Sequence[RuntimeProcess],
    frames: int = 1000,
    agreement_frames: int = 120,
    rounds: int = 100,
    threads: int = 2,
    command: str = "",
    progress: NamedProgress = lambda name: no_progress,
) -> Comparison:
    """Measures files of one network and writes README.md, comparison.json and pictures.

    Args:
        files: deployed files or names of shipped ones; the first, a float one, is what the others are held against.
        dataset: with the files' classes. protocol: which part of it is run and how.
        out: a folder, made where it is missing. runtimes: this environment's first, at the most one other.
        frames: of the run without a reset; from 5,000 on in ten laps. agreement_frames: compared box by box.
        rounds: of timing. threads: while measuring accuracy; times are taken with 1 and 2.
        command: what made the report, for its head. progress: around each loop, by the loop's name.

    Raises:
        InputError: fewer than two files, two of one name, files of different networks, or data of other classes, or
            `out` holds another README.md.
    """
    paths = [model_path(file) for file in files]
    _check_names(paths)
    _check_folder(Path(out))
    with tempfile.TemporaryDirectory() as folder:
        # Minutes pass between the first figure and the last: a file written anew meanwhile must not get into some.
        copies = [Path(shutil.copy(path, folder)) for path in paths]
        compared, pictures = _measure(
            copies, dataset, protocol, Path(out), runtimes, frames, agreement_frames, rounds, threads, progress
        )
    first = Detector(paths[0]).metadata
    run = compared[0].run
    comparison = Comparison(compared, protocol.text(first), machine(), command, frames, len(run.laps), agreement_frames)
    pictures = draw_charts(comparison, out) + pictures
    comparison.write_json(Path(out) / "comparison.json")
    with atomic_path(Path(out) / "README.md") as temporary:
        temporary.write_text(markdown(comparison, pictures))
    return comparison


def machine() -> str:
    """The processor's name and how many threads it runs, for the head of a table of times."""
    name, information = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if information.is_file() and (found := re.search(r"model name\s*: (.+)", information.read_text())):
        name = found[1].strip()
    return f"{name}, {os.cpu_count()} threads, {platform.system()} {platform.machine()}"


def _measure(
    paths: Sequence[Path],
    dataset: VideoDataset,
    protocol: Protocol,
    out: Path,
    runtimes: Sequence[RuntimeProcess],
    frames: int,
    agreement_frames: int,
    rounds: int,
    threads: int,
    progress: NamedProgress,
) -> tuple[list[ComparedFile], list[str]]:
    """Every file's figures, and the names of the pictures of worst frames."""
    detectors = [Detector(path, threads, score_threshold=SCORE_THRESHOLD) for path in paths]
    _check_networks(paths, detectors)
    out.mkdir(parents=True, exist_ok=True)
    names = [path.stem for path in paths]
    videos = protocol.videos(dataset)
    latency = _latency(paths, runtimes, rounds, progress)
    records = [
        record_detections(detector, dataset, protocol, progress(name))
        for detector, name in zip(detectors, names, strict=True)
    ]
    runs = _long_run(detectors, videos, frames, progress)
    found, inputs, across = _detect(paths, videos, agreement_frames, runtimes, progress)
    floats = float_frames(inputs[:_LAYER_FRAMES], detectors[0].runtime.quantization)
    threshold = detectors[0].metadata.score_threshold
    pictures, compared = [], []
    for number, (path, detector, record) in enumerate(zip(paths, detectors, records, strict=True)):
        parts = size_by_part(read_graph(path))
        limits = LIMITS["int8" if detector.metadata.precision == "int8" else "float"]
        compared.append(
            ComparedFile(
                name=names[number],
                precision=detector.metadata.precision,
                bytes=path.stat().st_size,
                weights=sum(parts.values()) - parts["metadata"],
                latency=latency[number],
                accuracy=score_records(record),
                difference=bootstrap(record, records[0]) if number else None,
                agreement=agree(found[0], found[number], threshold, limits) if number else None,
                runtimes={name: agree(found[number], one[number], threshold, limits) for name, one in across.items()},
                run=runs[number],
                layers=layer_errors(paths[0], path, floats) if number else [],
            )
        )
        if number:
            picture = f"worst_{names[number]}.png"
            pair = (records[0], record)
            if worst_frames(videos, pair, (names[0], names[number]), threshold, out / picture):
                pictures.append(picture)
    return compared, pictures


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


def _check_networks(paths: Sequence[Path], detectors: Sequence[Detector]) -> None:
    kinds = []
    for path, detector in zip(paths, detectors, strict=True):
        metadata = detector.metadata
        states = tuple((state.input, state.shape) for state in metadata.states)
        kinds.append((metadata.height, metadata.width, metadata.labels, metadata.anchors, metadata.entropy, states))
        if kinds[-1] != kinds[0]:
            raise InputError(
                f"{path.name} and {paths[0].name} differ in input size, labels, anchors or states. Expected files of "
                "one network in several precisions."
            )


def _latency(
    paths: Sequence[Path], runtimes: Sequence[RuntimeProcess], rounds: int, progress: NamedProgress
) -> list[dict[Place, dict[str, float]]]:
    result: list[dict[Place, dict[str, float]]] = [{} for _ in paths]
    places = [(runtime, threads) for runtime in runtimes for threads in (1, 2)]
    for runtime, threads in progress("latency")(places):
        times = runtime.latency(paths, threads, rounds)
        for figures, mine in zip(result, times, strict=True):
            figures[runtime.name, threads] = {
                "median": float(np.median(mine)),
                "p95": float(np.percentile(mine, 95)),
                "least": float(mine.min()),
                "ratio": float(np.median(mine / times[0])),
            }
    return result


def _long_run(
    detectors: Sequence[Detector], videos: VideoDataset, frames: int, progress: NamedProgress
) -> list[LongRun]:
    laps = _LAPS if frames >= _LONG else 1
    return long_run(detectors, videos, frames, laps, progress("without a reset"))


def _detect(
    paths: Sequence[Path],
    videos: VideoDataset,
    count: int,
    runtimes: Sequence[RuntimeProcess],
    progress: NamedProgress,
) -> tuple[
    list[list[tuple[Detection, ...]]], list[dict[str, np.ndarray]], dict[str, list[list[tuple[Detection, ...]]]]
]:
    """Detections of each file over frames of clips at even distances, on this runtime and on the others; and the first
    file's inputs."""
    frames = _clip_frames(videos, count)
    here, first_inputs, elsewhere = [], [], {runtime.name: [] for runtime in runtimes[1:]}
    for path in progress("agreement")(paths):
        original = Detector(path)
        metadata = original.metadata
        threshold = max(SCORE_THRESHOLD, metadata.score_threshold - SLACK)
        recording = RecordingRuntime(original.runtime, [state.input for state in metadata.states])
        detector = Detector.from_runtime(recording, metadata, score_threshold=threshold)
        here.append([detector(frame).detections for frame in frames])
        first_inputs = first_inputs or recording.frames
        for runtime in runtimes[1:]:
            outputs = runtime.outputs(path, metadata, recording.frames)
            replayed = Detector.from_runtime(ReplayedRuntime(outputs, recording), metadata, score_threshold=threshold)
            elsewhere[runtime.name].append([replayed(frame).detections for frame in frames])
    return here, first_inputs, elsewhere


def _clip_frames(videos: VideoDataset, count: int) -> list[np.ndarray]:
    """About that many frames from the beginnings of several clips, behind each other."""
    clips = np.unique(np.linspace(0, len(videos) - 1, max(1, count // 20)).round().astype(int)).tolist()
    each = -(-count // len(clips))
    return [frame for clip in clips for frame in videos.read(clip, 0, min(each, videos.videos[clip].length))][:count]
