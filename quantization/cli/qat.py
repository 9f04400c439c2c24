"""`sge qat`: a trained network as an int8 file that was trained for it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from edge.atomic import check_folder, check_writable
from edge.errors import InputError
from keras_sge.cli.own_data import evaluate_command, print_next
from keras_sge.cli.train import check_start
from keras_sge.config import Config, load_config
from keras_sge.config.run_folder import run_data
from quantization.cli.tensorflow_backend import need_tensorflow
from quantization.qat.run_folder import QatFolder

HELP = "fine-tune a trained network for int8 and write the file"
EPILOG = """examples:
  sge qat skyzoom192 --from runs/sge --data data/sky_zoom --run runs/sge_qat --out sge_int8.tflite
  sge qat skyzoom192 --from sge.npz --data data/sky_zoom --run runs/sge_qat --set qat.learning_rate=2.0e-5
  sge qat --resume --run runs/sge_qat --out sge_int8.tflite          go on after a stop; a finished run is only written

CONFIG gives the sections `training` and `qat`, and the data where it names any: else they are those of the run that
--from is of. The network is the one that --from holds. The run folder holds config.yaml, qat.npz (after every epoch)
and log.csv. A file whose name ends in _int8_float_io.tflite gets float inputs and outputs. A run that fails writes no
file: `sge export --precision int8` quantizes without training.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="a YAML file or a built-in configuration's name")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="a run folder of `sge train`, a .keras, an .npz")
    parser.add_argument(
        "--data", metavar="DIR", help="a data set's directory (default: that of CONFIG, else of --from)"
    )
    parser.add_argument("--run", metavar="DIR", required=True, help="folder for everything written")
    parser.add_argument("--out", metavar="FILE.tflite", help="the file to write (default: qat_int8.tflite in the run)")
    parser.add_argument("--epochs", type=int, metavar="N", help="as --set qat.epochs=N")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting; may be repeated"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's last checkpoint")
    parser.add_argument("--quiet", action="store_true", help="one line per epoch instead of progress bars")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from quantization.recipes import FLOAT_IO_ENDING, check_file_name, recipe_named

    folder = Path(arguments.run)
    out = Path(arguments.out or folder / "qat_int8.tflite")
    recipe = recipe_named("int8_float_io" if out.name.endswith(FLOAT_IO_ENDING) else "int8")
    check_file_name(out, recipe)
    check_folder(folder)
    if arguments.out:
        check_writable(out)
    config = _config(arguments, folder)
    config.data.check_folders()
    check_start(arguments.start)
    if not arguments.resume:
        QatFolder(folder).check_free()

    need_tensorflow("qat", "tf_keras", "tensorflow_model_optimization")

    from keras_sge.models import load_model
    from quantization import fine_tune, tuned_exporter

    start = None
    if not arguments.resume:
        start = load_model(arguments.start)
        config = dataclasses.replace(config, network=start.config)
    tuned = fine_tune(config, start, folder, arguments.quiet)
    losses = tuned.details["validation_loss"]
    print(
        f"validation loss: {losses['float']:.4f} in float, {losses['before']:.4f} rounded without training, "
        f"{losses['best']:.4f} after epoch {losses['best_epoch']}, which is written"
    )
    if losses["best"] > losses["before"]:
        print("note: training did not lower it; try a lower qat.learning_rate, or an export with --precision int8")
    print(tuned_exporter(config.network, tuned, recipe.name).write(out))
    print_next(*evaluate_command(out, config.network.classes, config.data), ["sge-edge", "info", str(out)])
    return 0


def _config(arguments: argparse.Namespace, folder: Path) -> Config:
    overrides = list(arguments.set)
    if arguments.epochs is not None:
        overrides.append(f"qat.epochs={arguments.epochs}")
    if arguments.resume:
        if arguments.start or arguments.config:
            raise InputError("--resume goes on with the run's own network and settings: leave CONFIG and --from out.")
        config = QatFolder(folder).stored_config(overrides)
    else:
        if not arguments.config or not arguments.start:
            raise InputError("give CONFIG and --from MODEL, or --resume together with --run DIR.")
        config = load_config(arguments.config, overrides)
    if arguments.data:
        return dataclasses.replace(config, data=dataclasses.replace(config.data, path=arguments.data))
    own = None if arguments.resume or config.data.path else run_data(arguments.start)
    if own is not None and own.path is not None:
        print(f"the data of the run {arguments.start}: {own.path}")
        data = dataclasses.replace(
            config.data,
            path=own.path,
            train_split=own.train_split,
            validation_split=own.validation_split,
            fold=own.fold,
            folds=own.folds,
        )
        return dataclasses.replace(config, data=data)
    return config
