"""`sge demo`: the whole road on the built-in data, each step the command that a user would type."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

HELP = "run the packaged detector, then the whole road on built-in data: clips, training, .tflite, streaming"
EPILOG = """examples:
  sge demo                               some minutes on two cores; everything lands in runs/demo
  sge demo --out runs/second --config my.yaml

Each step prints the command it stands for, so that it can be repeated alone.
"""


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
    for part in ("data", "training"):
        shutil.rmtree(out / part, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    clip = out / "held_out" / "videos" / "synthetic_3_00001.mp4"
    shape = f"--frames {config.data.frames} --size {max(config.network.input_size)}"
    steps = [
        f"sge data synthetic --out {out}/held_out --split test --videos 6 --frames 90 --size 320",
        f"sge-edge detect {clip} --threads 2 --save {out}/packaged.mp4 --sheet {out}/packaged.jpg",
        f"sge data synthetic --out {out}/data --split train --videos {config.data.videos} {shape}",
        f"sge data synthetic --out {out}/data --split val --videos {config.data.validation_videos} {shape}",
        f"sge train {arguments.config} --data {out}/data --run {out}/training",
        f"sge export {out}/training --out {out}/sge.tflite",
        f"sge evaluate {out}/sge.tflite --data {out}/data --split val --json {out}/evaluation.json",
        f"sge-edge detect {clip} --threads 2 --model {out}/sge.tflite --save {out}/detections.mp4 "
        f"--sheet {out}/detections.jpg --jsonl {out}/detections.jsonl",
    ]
    shutil.rmtree(out / "held_out", ignore_errors=True)
    for number, step in enumerate(steps, start=1):
        print(f"\n[{number}/{len(steps)}, {time.perf_counter() - start:.0f} s] $ {step}", flush=True)
        code = _command(shlex.split(step))
        if code:
            return code
    _pictures(out, clip)
    report = _report(out, steps, time.perf_counter() - start)
    print(f"\n{report.read_text()}\nAll of it is in {out}; start with {report}.")
    return 0


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
    from edge.sources.open_source import open_source

    with open_source(path) as source:
        return [frame for _, _, frame in source]


def _report(out: Path, steps: list[str], seconds: float) -> Path:
    from keras_sge.evaluation import EvaluationResult

    result = EvaluationResult(**json.loads((out / "evaluation.json").read_text()))
    size = (out / "sge.tflite").stat().st_size
    lines = _frame_lines(out / "detections.jsonl")
    milliseconds = sorted(line["ms"]["total"] for line in lines)[len(lines) // 2]
    text = f"""# keras-sge demo

mAP@.5 on {result.clips} held-out synthetic clips ({result.frames:,} frames): **{result.map50:.3f}**,
from the .tflite file ({size / 1e6:.1f} MB, {result.runtime}, Python {sys.version.split()[0]}).

{result.table()}

{result.protocol}.

One held-out clip of 320 x 320 px streamed at {1000 / milliseconds:.0f} frames a second
(median {milliseconds:.1f} ms a frame, decoding to boxes, two threads). The whole demo took {seconds / 60:.1f} minutes.

| what | file |
|---|---|
| the clip, with the packaged detector | [packaged.mp4](packaged.mp4), [six of its frames](packaged.jpg) |
| the clip, with the detector trained just now | [detections.mp4](detections.mp4), [six of its frames](detections.jpg) |
| detections, a line of JSON a frame | [detections.jsonl](detections.jsonl) |
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
    return path
