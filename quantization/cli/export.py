"""`sge export`: a trained network as a deployable file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sge.cli.own_data import evaluate_command, print_next, take_own_data
from keras_sge.config import Fold
from keras_sge.config.run_folder import run_data
from quantization.cli.tensorflow_backend import need_tensorflow

if TYPE_CHECKING:
    from keras_sge.data import VideoDataset
    from keras_sge.models import SGENet
    from quantization import CalibrationSource, ExportResult
    from quantization.recipes import Recipe

HELP = "write a .tflite: one step, explicit state, metadata inside"
EPILOG = """examples:
  sge export runs/first --out first.tflite
  sge export runs/first --out first_float16.tflite --precision float16
  sge export runs/first --out whole.tflite --entropy graph           the file computes the entropy map itself
  sge export runs/first --out first_int8.tflite --precision int8     calibrated on the run's training split
  sge export first.npz --out first_int8.tflite --precision int8 --calibrate data/sky
  sge export runs/first --out first_int8_float_io.tflite --precision int8 --calibrate data/sky --float-io

dynamic (int8 weights) and int8 are calibrated on clips of the training split, the run's own unless --calibrate names
another, rolled through the network as a device would: int8 takes its ranges from them, both correct their biases for
what rounded weights do. float16 does so where --calibrate is given. Every file is checked against Keras before it is
written. `sge-edge info first.tflite` prints what is inside.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a run folder of `sge train`, a .keras file, an .npz of weights")
    parser.add_argument("--out", metavar="FILE.tflite", required=True, help="the file to write")
    parser.add_argument(
        "--precision", default="float32", metavar="P", help="float32, float16, dynamic or int8 (default: float32)"
    )
    parser.add_argument("--entropy", default="host", choices=("host", "graph"), help="where the map is computed")
    parser.add_argument(
        "--box-voting",
        action=argparse.BooleanOptionalAction,
        help="let boxes that are suppressed move the one they lose against (default: as the network is configured)",
    )
    rounded = parser.add_argument_group("float16, dynamic and int8")
    rounded.add_argument(
        "--calibrate",
        metavar="DIR",
        help="a data set's directory, or a folder of videos (default: what the model's run was trained with or taught "
        "by, or else built-in synthetic videos; float16: nothing)",
    )
    rounded.add_argument("--split", metavar="NAME", help="the data set's split (default: the run's, or train)")
    rounded.add_argument("--fold", metavar="K/N", help="leave out the recordings that fold K of N holds back")
    rounded.add_argument(
        "--calibration-clips", type=int, default=32, metavar="N", help="videos, up to 30 frames of each (default: 32)"
    )
    rounded.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw of clips (default: 0)")
    rounded.add_argument(
        "--float-io",
        action="store_true",
        help="int8 only: float inputs and outputs; FILE ends in _int8_float_io.tflite",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.atomic import check_writable
    from edge.errors import InputError
    from quantization.recipes import PRECISIONS, check_file_name, recipe_named

    if arguments.precision not in PRECISIONS:
        raise InputError(f"--precision must be one of {', '.join(PRECISIONS)}. Received: {arguments.precision}")
    arguments.fold = Fold.parse(arguments.fold)
    _check_calibration_options(arguments)
    recipe = recipe_named(_recipe_name(arguments))
    check_file_name(arguments.out, recipe)
    check_writable(arguments.out)
    if arguments.calibrate or arguments.precision in ("dynamic", "int8"):
        take_own_data(arguments, "calibrate", training=True)

    need_tensorflow("export", "tqdm")

    from keras_sge.models import load_model

    clip_model = load_model(arguments.model)
    if arguments.box_voting is not None:
        clip_model.config = dataclasses.replace(clip_model.config, box_voting=arguments.box_voting)
    result = _written(clip_model, recipe, arguments)
    print(result)
    evaluate = evaluate_command(arguments.out, clip_model.config.classes, run_data(arguments.model))
    print_next(*evaluate, ["sge-edge", "info", arguments.out])
    return 0


def _check_calibration_options(arguments: argparse.Namespace) -> None:
    from edge.errors import InputError

    if arguments.calibrate and arguments.precision == "float32":
        raise InputError("--calibrate goes with --precision float16, dynamic and int8. Received: float32")
    if arguments.float_io and arguments.precision != "int8":
        raise InputError(f"--float-io goes with --precision int8. Received: {arguments.precision}")
    if arguments.fold and not arguments.calibrate:
        raise InputError("--fold leaves videos of --calibrate DIR out; give a DIR with it.")
    if arguments.precision == "int8" and arguments.entropy != "host":
        raise InputError("--entropy graph has float operators inside, int8 files have none. Leave it out.")


def _recipe_name(arguments: argparse.Namespace) -> str:
    return "int8_float_io" if arguments.float_io else arguments.precision


def _written(clip_model: SGENet, recipe: Recipe, arguments: argparse.Namespace) -> ExportResult:
    from keras_sge.progress import progress_bar
    from quantization import Exporter

    exporter = Exporter(clip_model, recipe.name, arguments.entropy)
    if recipe.calibration == "always" or arguments.calibrate:
        source = calibration_source(clip_model, arguments)
        print(f"calibrating on {min(source.clips, len(source.videos))} clips of: {source.name}")
        exporter.calibrate(source, progress_bar("clip", "calibrate"))
    return exporter.write(arguments.out)


def calibration_source(clip_model: SGENet, arguments: argparse.Namespace) -> CalibrationSource:
    """The videos that the options name; else those that the run was taught by; else synthetic ones."""
    from keras_sge.data import open_videos
    from keras_sge.data.formats.unlabelled_videos import UnlabelledVideos
    from keras_sge.data.open import is_source
    from keras_sge.data.splits import fold_split
    from quantization import CalibrationSource

    videos: VideoDataset
    draw = arguments.calibration_clips, arguments.seed
    if not arguments.calibrate:
        taught = _taught_by(arguments.model)
        if taught is not None:
            return CalibrationSource(taught, "the videos that it was taught by", *draw)
        return CalibrationSource.synthetic(clip_model.config, *draw)
    if not is_source(Path(arguments.calibrate)):
        videos = UnlabelledVideos([arguments.calibrate], clip_model.config.classes)
        return CalibrationSource(videos, f"videos of {Path(arguments.calibrate).resolve().name}", *draw)
    videos = open_videos(arguments.calibrate, arguments.split)
    name = f"{Path(arguments.calibrate).resolve().name}, {arguments.split}"
    if arguments.fold:
        videos = fold_split(videos, arguments.fold)[0]
        name += f" without fold {arguments.fold}"
    return CalibrationSource(videos, name, *draw)


def _taught_by(model: str) -> VideoDataset | None:
    from keras_sge.config.run_folder import RunFolder
    from keras_sge.teaching import taught_videos

    folder = RunFolder(model)
    return taught_videos(folder.stored_config()) if folder.config.is_file() else None
