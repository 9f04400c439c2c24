"""`sge compare`: files of one network in several precisions, against each other."""

from __future__ import annotations

import argparse

HELP = "compare files of one network: size, time, mAP, memory over time, layers"
EPILOG = """examples:
  sge compare float32.tflite float16.tflite int8.tflite --data data/sky --split val --out report
  sge compare float32.tflite int8.tflite --data data/sky --split train --fold 0/4 --out report
  sge compare float32.tflite int8.tflite --data data/sky --frames 10000 --out report  ten laps without a reset
  sge compare float32.tflite int8.tflite --data data/sky --tflite-runtime .venv-tflite/bin/python --out report

Everything is held against the first file. Written into the folder: README.md, comparison.json and pictures. A second
runtime is measured where --tflite-runtime names a Python that has one; `make test-tflite-runtime` makes .venv-tflite.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("models", nargs="+", metavar="FILE", help=".tflite files or names of shipped ones")
    parser.add_argument("--data", required=True, metavar="DIR", help="a data set's directory")
    parser.add_argument("--split", default="val", metavar="NAME", help="default: val")
    parser.add_argument("--out", required=True, metavar="DIR", help="the report's folder")
    parser.add_argument("--fold", metavar="K/N", help="only the recordings that fold K of N holds back")
    parser.add_argument(
        "--degrade", metavar="[PATTERN:]SEED", help="degrade frames: singly, bursts or all, see sge evaluate"
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=1000,
        metavar="N",
        help="frames in a row without a reset; from 5000 on in ten laps over the same frames (default: 1000)",
    )
    parser.add_argument(
        "--agreement-frames", type=int, default=120, metavar="N", help="compared box by box (default: 120)"
    )
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="of timing (default: 100)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="while measuring accuracy (default: 2)")
    parser.add_argument("--tflite-runtime", metavar="PYTHON", help="of an environment with another TFLite runtime")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from pathlib import Path

    from edge.atomic import check_folder
    from edge.missing_packages import need_packages

    need_packages("tqdm", "matplotlib")
    check_folder(arguments.out)

    from keras_sge.config import Fold
    from keras_sge.data.open import open_videos
    from keras_sge.evaluation import Protocol
    from keras_sge.progress import progress_bar
    from quantization import compare_files

    data = Path(arguments.data).resolve().name
    protocol = Protocol(f"{data}, {arguments.split}", Fold.parse(arguments.fold), arguments.degrade)
    comparison = compare_files(
        arguments.models,
        open_videos(arguments.data, arguments.split),
        protocol,
        arguments.out,
        arguments.frames,
        arguments.agreement_frames,
        arguments.rounds,
        arguments.threads,
        arguments.tflite_runtime,
        _command(arguments, data),
        lambda name: progress_bar("it", name),
    )
    for file in comparison.files:
        print(f"{file.name}: {file.weights:,} bytes, mAP@0.5 {file.accuracy.map50:.4f}")
    print(f"{arguments.out}/README.md holds the report")
    return 0


def _command(arguments: argparse.Namespace, data: str) -> str:
    """What was run, without the places of this machine."""
    from pathlib import Path

    words = ["sge compare", *(Path(model).name for model in arguments.models), f"--data {data}"]
    for name in ("split", "fold", "degrade", "frames", "agreement_frames", "rounds", "threads"):
        if getattr(arguments, name) is not None:
            words.append(f"--{name.replace('_', '-')} {getattr(arguments, name)}")
    return " ".join(words)
