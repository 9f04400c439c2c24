"""`sge demo`: the whole road on the built-in data, each step the command that a user would type."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.atomic import atomic_path
from edge.errors import InputError

if TYPE_CHECKING:
    import numpy as np

HELP = "run the packaged detector, then the whole road on built-in data: clips, training, .tflite, streaming"
EPILOG = """examples:
  sge demo                               some minutes on two cores; everything lands in runs/demo
  sge demo --out runs/second --config my.yaml

Each step prints the command it stands for, so that it can be repeated alone. DIR must be new, or an earlier
demo's folder with no other files in it: those are replaced.
"""
# In the demo's folder: which files are its own, and when it wrote each.
_LIST = ".sge-demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--out", metavar="DIR", default="runs/demo", help="folder for everything (default: runs/demo)")
    parser.add_argument("--config", metavar="CONFIG", default="quickstart", help="what to train (default: quickstart)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.missing_packages import need_packages
    from keras_sge.config import load_config

    # Of all steps: the last ones are reached after minutes.
    need_packages("tensorflow", "keras", "tqdm", "matplotlib")
    config = load_config(arguments.config)
    out, start = Path(arguments.out), time.perf_counter()
    _clear(out)
    clip = out / "held_out" / "videos" / "synthetic_3_00001.mp4"
    at, watched, chosen = (shlex.quote(str(word)) for word in (out, clip, arguments.config))
    shape = f"--frames {config.data.frames} --size {max(config.network.input_size)}"
    steps = [
        f"sge data synthetic --out {at}/held_out --split test --videos 6 --frames 90 --size 320",
        f"sge-edge detect {watched} --threads 2 --save {at}/packaged.mp4 --sheet {at}/packaged.jpg",
        f"sge data synthetic --out {at}/data --split train --videos {config.data.videos} {shape}",
        f"sge data synthetic --out {at}/data --split val --videos {config.data.validation_videos} {shape}",
        f"sge train {chosen} --data {at}/data --run {at}/training",
        f"sge export {at}/training --out {at}/sge.tflite",
        f"sge evaluate {at}/sge.tflite --data {at}/data --split val --json {at}/evaluation.json",
        f"sge-edge detect {watched} --threads 2 --model {at}/sge.tflite --save {at}/detections.mp4 "
        f"--sheet {at}/detections.jpg --jsonl {at}/detections.jsonl",
    ]
    try:
        for number, step in enumerate(steps, start=1):
            print(f"\n[{number}/{len(steps)}, {time.perf_counter() - start:.0f} s] $ {step}", flush=True)
            code = _command(shlex.split(step))
            if code:
                return code
        _pictures(out, clip)
        _report(out, steps, time.perf_counter() - start)
    finally:
        # Also after Ctrl-C: what is not listed is not the demo's.
        _write_list(out, _files(out))
    return 0


def _clear(out: Path) -> None:
    """Makes `out` an empty demo's folder; of the files in it only those go that an earlier demo wrote.

    Raises:
        InputError: there are others, or some were changed since; then none goes.
    """
    listed = out / _LIST
    if not listed.is_file() and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds files that are no demo's. Give a new folder with --out.")
    found = _files(out)
    lines = listed.read_text().splitlines()[1:] if listed.is_file() else []
    own = {name: int(time) for time, name in (line.split(" ", 1) for line in lines)}
    for name, changed in sorted(found.items()):
        if own.get(name) != changed:
            what = "was changed since the demo wrote it" if name in own else "is no file of a demo"
            raise InputError(f"{out / name} {what}, and a demo replaces all in its folder. Give a new one with --out.")
    for name in found:
        (out / name).unlink()
        for folder in (out / name).relative_to(out).parents[:-1]:
            if not any((out / folder).iterdir()):
                (out / folder).rmdir()
    out.mkdir(parents=True, exist_ok=True)
    _write_list(out, {})


def _files(out: Path) -> dict[str, int]:
    """The files below `out` but the list of them, and when each was written."""
    files = (path for path in sorted(out.rglob("*")) if not path.is_dir() or path.is_symlink())
    return {path.relative_to(out).as_posix(): path.lstat().st_mtime_ns for path in files if path != out / _LIST}


def _write_list(out: Path, files: dict[str, int]) -> None:
    lines = ["written by `sge demo`, which replaces these files when it runs here again"]
    with atomic_path(out / _LIST) as temporary:
        temporary.write_text("\n".join([*lines, *(f"{time} {name}" for name, time in files.items()), ""]))


def _command(words: list[str]) -> int:
    if words[0] == "sge-edge":
        from edge.cli.main import main
    else:
        from keras_sge.cli.main import main
    return main(words[1:])


def _pictures(out: Path, clip: Path) -> None:
    from keras_sge.pictures import entropy_figure, training_curves

    training_curves(out / "training" / "log.csv", out / "curves.png")
    scores = _best_scores(out / "detections.jsonl")
    # The frame that shows an object best says most about the map.
    entropy_figure(_frames(clip)[scores.index(max(scores))], out / "entropy.png")


def _best_scores(path: Path) -> list[float]:
    return [max((found["score"] for found in line["detections"]), default=0) for line in _frame_lines(path)]


def _frame_lines(path: Path) -> list[dict[str, Any]]:
    from edge.sinks.json_lines import read_json_lines

    return [line for line in read_json_lines(path) if "detections" in line]


def _frames(path: Path) -> list[np.ndarray]:
    from edge.video.open import open_source

    with open_source(path) as source:
        return [frame for _, _, frame in source]


def _report(out: Path, steps: list[str], seconds: float) -> None:
    from keras_sge.evaluation import EvaluationResult

    result = EvaluationResult(**json.loads((out / "evaluation.json").read_text()))
    size = (out / "sge.tflite").stat().st_size
    lines = _frame_lines(out / "detections.jsonl")
    milliseconds = sorted(line["ms"]["total"] for line in lines)[len(lines) // 2]
    found = f"mAP@0.5 on {result.clips} held-out synthetic clips ({result.frames:,} frames): {result.map50:.3f}"
    speed = f"{1000 / milliseconds:.0f} frames per second"
    text = f"""# keras-sge demo

{found},
from the .tflite file ({size / 1e6:.1f} MB, {result.runtime}, Python {sys.version.split()[0]}).

{result.table()}

{result.protocol}.

One held-out clip of 320 x 320 px streamed at {speed}
(median {milliseconds:.1f} ms per frame, decoding to boxes, two threads). The demo took {seconds / 60:.1f} minutes.

| what | file |
|---|---|
| the clip, with the packaged detector | [packaged.mp4](packaged.mp4), [six of its frames](packaged.jpg) |
| the clip, with the detector trained just now | [detections.mp4](detections.mp4), [six of its frames](detections.jpg) |
| detections, one line of JSON per frame | [detections.jsonl](detections.jsonl) |
| training curves | ![curves](curves.png) |
| entropy map of a frame, as in the paper's Fig. 2 | ![entropy](entropy.png) |
| the deployable file | [sge.tflite](sge.tflite) |
| the Keras model, its log and TensorBoard events | [training](training) |

The steps, to repeat or change:

```
{chr(10).join(steps)}
```
"""
    path = out / "report.md"
    path.write_text(text)
    print(f"\n{found}; one streamed at {speed}; {seconds / 60:.1f} minutes.\nAll of it is in {out}; start with {path}.")
