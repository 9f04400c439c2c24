"""`sge export`: a trained network as a deployable file."""

from __future__ import annotations

import argparse
import importlib.util

from keras_sge.cli.quiet_keras import import_keras

HELP = "write a .tflite: one step, explicit state, metadata inside"
EPILOG = """examples:
  sge export runs/first --out first.tflite
  sge export runs/first --out first_float16.tflite --precision float16
  sge export runs/first --out whole.tflite --entropy graph           the file computes the entropy map itself

The file is checked against Keras after writing. `sge-edge info first.tflite` prints what is inside.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a run folder of `sge train`, a .keras file, an .npz of weights")
    parser.add_argument("--out", metavar="FILE.tflite", required=True, help="the file to write")
    parser.add_argument("--precision", default="float32", metavar="P", help="float32 or float16 (default: float32)")
    parser.add_argument("--entropy", default="host", choices=("host", "graph"), help="where the map is computed")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from pathlib import Path

    from edge.atomic import check_writable
    from edge.errors import InputError

    if Path(arguments.out).suffix != ".tflite":
        raise InputError(f"--out must end in .tflite. Received: {arguments.out}")
    check_writable(arguments.out)

    if importlib.util.find_spec("tensorflow") is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    import_keras()

    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"export needs Keras' TensorFlow backend, KERAS_BACKEND is {keras.backend.backend()}. "
            "A model trained with another backend can be exported: unset KERAS_BACKEND and run this again."
        )

    from keras_sge.models import load_clip_model
    from quantization.export import export

    metadata = export(load_clip_model(arguments.model), arguments.out, arguments.precision, arguments.entropy)
    size = Path(arguments.out).stat().st_size
    difference = metadata.details["relative_difference_to_keras"]
    print(f"{arguments.out}: {size / 1e6:.2f} MB, {metadata.precision}, within {difference:.2g} of Keras, relative")
    print(f"next: sge evaluate {arguments.out}   or   sge-edge detect SOURCE --model {arguments.out}")
    return 0
