"""`sge train`: a configuration in, a run folder out."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from edge.atomic import check_folder
from edge.errors import InputError
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.config import load_config

HELP = "train a network with Keras fit"
EPILOG = """examples:
  sge train quickstart --run runs/first                              the built-in synthetic set
  sge train quickstart --data data/sky --run runs/sky                COCO-VID, ImageNet VID or MOTChallenge
  sge train quickstart --set training.epochs=20 --set network.memory=null
  sge train quickstart --from mobilenet_v1_0.5_160_quant.tflite      a public ImageNet trunk (alpha must fit)
  sge train --resume --run runs/first                                go on after a stop

The run folder holds config.yaml, model.keras (after every epoch), log.csv and, with TensorFlow, TensorBoard events.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="a YAML file or a built-in configuration's name")
    parser.add_argument("--run", metavar="DIR", help="folder for everything written (default: runs/CONFIG)")
    parser.add_argument("--data", metavar="DIR", help="a data set's directory (default: what the configuration says)")
    parser.add_argument("--from", dest="start", metavar="FILE", help="start from a .npz, .keras, run, .tflite, .h5")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting; may be repeated"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's last checkpoint")
    parser.add_argument("--quiet", action="store_true", help="a line an epoch instead of a progress bar")


def stored_config(folder: Path) -> Path:
    """The configuration of a run folder; InputError where there is none."""
    if not (folder / "config.yaml").is_file():
        raise InputError(f"{folder} holds no run to resume: config.yaml is missing.")
    return folder / "config.yaml"


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.config is None and not (arguments.resume and arguments.run):
        raise InputError("give a CONFIG, or --resume together with --run DIR.")
    if arguments.resume and arguments.start:
        raise InputError("--resume goes on with the run's own weights; --from starts another. Give one of them.")
    folder = Path(arguments.run or Path("runs") / Path(arguments.config).stem)
    if arguments.resume:
        config = load_config(stored_config(folder), arguments.set)
    else:
        config = load_config(arguments.config, arguments.set)
    if arguments.data:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, path=arguments.data))
    if arguments.start:
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, start_from=arguments.start))

    check_folder(folder)

    import_keras()

    from keras_sge.training import train

    train(config, folder, arguments.resume, verbose=2 if arguments.quiet else 1)
    print(f"trained network: {folder}/model.keras\nnext: sge evaluate {folder}   or   sge export {folder}")
    return 0
