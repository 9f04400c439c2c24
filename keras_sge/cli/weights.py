"""`sge weights`: a run's weights without its optimizer."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_sge.cli.quiet_keras import import_keras

HELP = "keep a run's weights as a small file: half precision, with the network's configuration, no optimizer"
EPILOG = """examples:
  sge weights runs/first --out first.npz
  sge weights runs/first --out larger.npz --box-scale 1.05    then compare the two on a development split
  sge evaluate first.npz
  sge train quickstart --from first.npz --run runs/second
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a run folder of `sge train`, or a .keras file")
    parser.add_argument("--out", metavar="FILE.npz", required=True, help="the file to write")
    parser.add_argument(
        "--box-scale",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="make all boxes so much larger, for annotators whose boxes are looser (default: 1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.atomic import check_writable
    from edge.errors import InputError

    if Path(arguments.out).suffix != ".npz":
        raise InputError(f"--out must end in .npz. Received: {arguments.out}")
    check_writable(arguments.out)

    import_keras()

    from keras_sge.models import load_model
    from keras_sge.models.checkpoints import scale_boxes
    from keras_sge.models.weights import save_weights

    model = load_model(arguments.model)
    scale_boxes(model, arguments.box_scale)
    save_weights(model, arguments.out)
    size = Path(arguments.out).stat().st_size
    print(f"{arguments.out}: {size / 1e6:.2f} MB, {model.count_params():,} weights of {model.config.name}")
    return 0
