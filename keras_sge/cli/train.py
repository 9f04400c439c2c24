"""`sge train`: a configuration in, a run folder out."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path

from edge.atomic import check_folder
from edge.errors import InputError
from keras_sge.cli.own_data import print_next
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.config import Config, load_config
from keras_sge.config.run_folder import RunFolder, differing_settings

HELP = "train a network with Keras fit"
EPILOG = """examples:
  sge train quickstart --run runs/first                              the built-in synthetic set
  sge train quickstart --data data/sky --run runs/sky                COCO-VID, ImageNet VID or MOTChallenge
  sge train quickstart --set training.epochs=20 --set network.memory=null
  sge train quickstart --from mobilenet_v1_0.5_160_quant.tflite      a public ImageNet trunk (alpha must fit)
  sge train --resume --run runs/first                                go on after a stop
  sge train quickstart --set training.early_stopping=5               end when five measurements bring no better mAP

The run folder holds config.yaml, model.keras (after every epoch), log.csv and results.png, the same drawn; best.keras,
the epoch with the best mAP on validation clips, and validation.png, what is found in them; with TensorFlow, TensorBoard
events. Layers that are not trained (training.freeze_until) need trained weights: the configuration's own or --from.
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
    parser.add_argument("--quiet", action="store_true", help="one line per epoch instead of a progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.config is None and not (arguments.resume and arguments.run):
        raise InputError("give a CONFIG, or --resume together with --run DIR.")
    if arguments.resume and arguments.start:
        raise InputError("--resume goes on with the run's own weights; --from starts another. Give one of them.")
    folder = RunFolder(arguments.run or Path("runs") / Path(arguments.config).stem)
    config = _resumed_config(arguments, folder) if arguments.resume else given_config(arguments)
    # What can be said at once is said before Keras is imported.
    config.data.check_folders()
    if arguments.resume:
        folder.check_resumable(config)
    else:
        folder.check_free()
        check_start(config.training.start_from)
    check_folder(folder.path)

    import_keras()

    from keras_sge.training import train

    train(config, folder.path, resume=arguments.resume, verbose=2 if arguments.quiet else 1)
    measured = folder.measured()
    last = f", mAP@0.5 {measured[max(measured)]:.3f} on validation clips" if measured else ""
    print(f"trained network: {folder.model}{last}")
    if folder.stopped_early(config.training.early_stopping):
        print(f"stopped early: no better mAP in {config.training.early_stopping} measurements")
    if (best := folder.best_epoch()) is not None:
        print(f"best epoch: {folder.best}, epoch {best + 1}, mAP@0.5 {measured[best]:.3f}")
    print_next(
        ["sge", "evaluate", str(folder.path)],
        ["sge", "export", str(folder.path), "--out", str(folder.path / "model.tflite")],
    )
    return 0


def check_start(start: str | None) -> None:
    """InputError where weights to start from are named and not there."""
    if start is not None and not Path(start).exists():
        raise InputError(
            f"no weights at {start}, neither a file nor a run folder. TensorFlow's public MobileNetV1 classifiers "
            "(mobilenet_v1_ALPHA_SIZE_quant.tflite) are in the repository google-coral/test_data on GitHub."
        )


def given_config(arguments: argparse.Namespace) -> Config:
    """The configuration with what `--set`, `--data` and `--from` change."""
    config = load_config(arguments.config, arguments.set).with_data(arguments.data)
    if arguments.start:
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, start_from=arguments.start))
    return config


def _resumed_config(arguments: argparse.Namespace, folder: RunFolder) -> Config:
    """The run's own configuration with what --set and --data change; a CONFIG beside it must say the same."""
    given = given_config(arguments) if arguments.config else None
    config = folder.stored_config(arguments.set).with_data(arguments.data)
    changed = differing_settings(config, given) if given else []
    if changed:
        raise InputError(
            f"{arguments.config} is not what the run in {folder.path} was started with: {', '.join(changed)} differ. "
            f"To go on with the run's own: {shlex.join(['sge', 'train', '--resume', '--run', str(folder.path)])}"
        )
    return config
