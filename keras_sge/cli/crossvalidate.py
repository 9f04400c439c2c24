"""`sge crossvalidate`: one training and one evaluation for each part of a training split."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.atomic import check_folder
from edge.cli.run_command import add_json_option, json_output
from edge.errors import InputError
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.cli.train import check_start, given_config
from keras_sge.config import Config, Fold
from keras_sge.config.run_folder import RunFolder, differing_settings
from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.evaluation import DetectionRecords, Protocol

HELP = "train and measure on every part of a training split in turn"
EPILOG = """examples:
  sge crossvalidate skyzoom192_single --data data/sky_zoom --run runs/single --from mobilenet_v1_0.5_160_quant.tflite
  sge crossvalidate skyzoom192 --data data/sky_zoom --run runs/sge --from runs/single/fold{fold}
  sge crossvalidate skyzoom192 --data data/sky_zoom --run runs/sge --from runs/single/fold{fold} --degrade bursts:1
  sge bootstrap runs/sge/fold0.npz,runs/sge/fold1.npz runs/single/fold0.npz,runs/single/fold1.npz

Fold K of N trains into DIR/foldK on all blocks of neighbouring recordings but its own (data.fold, docs/data.md). Its
last weights are run over those that were held back: DIR/foldK.npz, or DIR/foldK-HOW.npz for degraded frames or a rival.
So every recording is measured once, by a network that never saw it. What is done is not done again, what was stopped
goes on; a training that `sge train --run DIR/foldK --set data.fold=K` began counts as well.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("config", metavar="CONFIG", help="a YAML file or a built-in configuration's name")
    parser.add_argument("--run", required=True, metavar="DIR", help="folder for everything written")
    parser.add_argument("--data", metavar="DIR", help="a data set's directory (default: what the configuration says)")
    parser.add_argument("--folds", type=int, metavar="N", help="parts, 2 to 8 (default: the configuration's, 4)")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="FILE",
        help="start from a .npz, .keras, run, .tflite, .h5; {fold} in it is the fold's number",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting; may be repeated"
    )
    parser.add_argument("--degrade", metavar="[PATTERN:]SEED", help="measure on degraded frames, see `sge evaluate`")
    parser.add_argument("--rival", choices=("hold", "clip", "track"), help="behind the network, see `sge evaluate`")
    parser.add_argument("--quiet", action="store_true", help="one line per epoch instead of a progress bar")
    add_json_option(parser, "the figures of all folds and of each")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        write(_crossvalidated(arguments))
    return 0


def _crossvalidated(arguments: argparse.Namespace) -> dict[str, Any]:
    configs = _fold_configs(arguments)
    # What can be said at once is said before Keras is imported, and before the first fold is trained.
    folders = [RunFolder(Path(arguments.run) / f"fold{fold}") for fold in range(len(configs))]
    configs[0].data.check_folders()
    for config, folder in zip(configs, folders, strict=True):
        _check(config, folder)
    check_folder(arguments.run)

    import_keras()

    from keras_sge.evaluation import Protocol, pool_records, score_records

    where = Path(configs[0].data.path or "").resolve().name
    records = []
    for config, folder in zip(configs, folders, strict=True):
        protocol = Protocol(
            data=f"{where}, {config.data.train_split}",
            fold=config.data.held_back,
            degrade=arguments.degrade,
            rival=arguments.rival,
        )
        records.append(_fold_records(config, folder, protocol, verbose=2 if arguments.quiet else 1))
    pooled, folds = score_records(pool_records(records)), []
    print(f"{arguments.config} on {where}: {pooled.clips} clips, {pooled.frames:,} frames, {len(records)} folds\n")
    print("| fold | clips | mAP@0.5 |\n|---|---:|---:|")
    for fold, part in enumerate(map(score_records, records)):
        folds.append({"fold": fold, "clips": part.clips, "map50": part.to_dict()["map50"]})
        print(f"| {fold} | {part.clips} | {part.map50:.3f} |")
    print(f"\nall folds together:\n\n{pooled.table()}\n\n{protocol.line()}")
    return {"folds": folds, "pooled": pooled.to_dict()}


def _fold_configs(arguments: argparse.Namespace) -> list[Config]:
    """The configuration of each fold."""
    config = given_config(arguments)
    if config.data.path is None:
        raise InputError("the built-in synthetic set has no folds: every split of it is drawn anew. Give --data DIR.")
    if config.training.early_stopping is not None:
        raise InputError(
            "training.early_stopping would choose the last epoch on the recordings that are measured. Set it to null."
        )
    folds = Fold(0, arguments.folds or config.data.folds).folds
    start, result = config.training.start_from, []
    for fold in range(folds):
        training = dataclasses.replace(
            config.training, start_from=start if start is None else start.replace("{fold}", str(fold))
        )
        data = dataclasses.replace(config.data, fold=fold, folds=folds)
        result.append(dataclasses.replace(config, data=data, training=training))
    return result


def _check(config: Config, folder: RunFolder) -> None:
    if not folder.config.exists():
        folder.check_free()
        check_start(config.training.start_from)
    elif folder.model.exists():
        folder.check_resumable(config)
    elif differing_settings(folder.stored_config(), config):
        raise InputError(f"{folder.path} holds a run with other settings. Name another folder with --run.")


def _fold_records(config: Config, folder: RunFolder, protocol: Protocol, verbose: int) -> DetectionRecords:
    """What the fold's network finds on the recordings that it never saw, from the last time or anew."""
    import keras

    from keras_sge.data.open import open_videos
    from keras_sge.evaluation import SCORE_THRESHOLD, DetectionRecords, open_detector, record_detections
    from keras_sge.training import train

    how = [word for word in (str(protocol.degrade or "").replace(":", ""), protocol.rival) if word]
    path = folder.path.with_name("-".join([folder.path.name, *how]) + ".npz")
    trained = folder.model.is_file() and len(folder.log_rows()) >= config.training.epochs
    if trained and path.is_file() and path.stat().st_mtime_ns >= folder.model.stat().st_mtime_ns:
        return DetectionRecords.load(path)
    if not trained:
        print(f"fold {config.data.held_back}: {folder.path}")
        if folder.config.exists() and not folder.model.exists():
            # Stopped in its first epoch, of which nothing is left: the same run begins anew.
            folder.config.unlink()
        train(config, folder.path, resume=folder.config.exists(), verbose=verbose)
        keras.utils.clear_session()
    # The last weights, not the best ones: those were chosen on the recordings that are measured on.
    detector = open_detector(folder.model, score_threshold=SCORE_THRESHOLD)
    videos = open_videos(config.data.path or "", config.data.train_split)
    records = record_detections(detector, videos, protocol, progress_bar("clip", f"evaluate {folder.path.name}"))
    records.save(path)
    return records
