"""`sge evaluate`: mAP of a Keras model or of a .tflite file, and everything around it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.run_command import add_json_option, json_output
from edge.quiet import native_log
from keras_sge.cli.own_data import take_own_data
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.config import Fold
from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from edge.detector import Detector
    from keras_sge.data import VideoDataset
    from keras_sge.evaluation import DetectionRecords, EvaluationResult, Protocol

HELP = "measure mAP of a Keras model or a .tflite file"
EPILOG = """examples:
  sge evaluate runs/first                                      on the validation split that the run was trained beside
  sge evaluate runs/first/best.keras                           the epoch with the best mAP on validation clips
  sge evaluate runs/first --data data/sky --split val          reads data/sky/annotations/val.json
  sge evaluate first.tflite --data data/sky --split val --json val.json
  sge evaluate first.tflite --data data/sky --degrade 1        half of the frames degraded, the same for every model
  sge evaluate first.tflite --data data/sky --degrade 1 --reset-every-frame --records reset.npz
  sge evaluate first.tflite --data data/sky --split train --fold 0/4 --rival hold
  sge evaluate vid.tflite --data data/ILSVRC2015 --frames data/ILSVRC2015/ImageSets/VID/VID_val_frames.txt

By default every frame of every clip is run in order with carried state. AP is taken at IoU 0.5 with all-point
interpolation, for each class and as the mean over classes (mAP); figures are fractions from 0 to 1. --json and
--verbose say exactly what was done. `sge bootstrap` compares two files of --records; given here instead of a model,
records are scored as they are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a .tflite, a .keras or .npz file, a run folder, a shipped name; or .npz files of --records, joined by "
        "commas, whose figures are taken together",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="a data set's directory (default: that of the model's run, or else the built-in synthetic set)",
    )
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="such as DIR/annotations/NAME.json (default: the run's, or val)",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the .tflite runtime (default: 2)")
    what = parser.add_argument_group("what is run")
    what.add_argument("--fold", metavar="K/N", help="of the split, only the recordings that fold K of N holds back")
    what.add_argument(
        "--degrade",
        metavar="[PATTERN:]SEED",
        help="degrade frames, drawn from SEED: singly (the default) half of them, bursts in runs, all every one",
    )
    what.add_argument(
        "--frames",
        default="all",
        metavar="all|reference|FILE",
        help="which frames are scored; reference: the first 20 with objects of each video; FILE: an ImageNet VID list",
    )
    what.add_argument("--reset-every-frame", action="store_true", help="the network forgets its state at each frame")
    what.add_argument(
        "--rival",
        choices=("hold", "clip", "track"),
        help="behind the network: hold what an anchor saw, or average class scores over the past of a clip or a track",
    )
    files = parser.add_argument_group("what is written")
    add_json_option(files, "the figures, and how they were made,")
    files.add_argument("--pictures", metavar="DIR", help="curves, confusion matrix and splits as PNG")
    files.add_argument("--records", metavar="FILE.npz", help="every detection and object, for `sge bootstrap`")
    files.add_argument("--verbose", action="store_true", help="print all figures and the whole protocol")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        write(_evaluated(arguments).to_dict())
    return 0


def _evaluated(arguments: argparse.Namespace) -> EvaluationResult:
    from edge.atomic import check_writable
    from edge.missing_packages import need_packages

    if arguments.pictures:
        need_packages("matplotlib")
    if arguments.records:
        check_writable(arguments.records)

    from keras_sge.evaluation import evaluation_pictures, score_records
    from keras_sge.evaluation.pictures import check_pictures_path
    from keras_sge.evaluation.pooling import are_records, load_pooled
    from keras_sge.evaluation.records import check_records_path

    if arguments.records:
        check_records_path(arguments.records)
    if arguments.pictures:
        check_pictures_path(arguments.pictures)
    if are_records(arguments.model):
        records = load_pooled(arguments.model)
        line = records.protocol
    else:
        records, line = _recorded(arguments)
    if arguments.records:
        records.save(arguments.records)
    result = score_records(records)
    if arguments.pictures:
        evaluation_pictures(records, result, arguments.pictures)
    data = records.protocol.partition(";")[0]
    print(f"{arguments.model} on {data}: {result.clips} clips, {result.frames:,} frames, {result.runtime}\n")
    print(result.table(details=arguments.verbose))
    print(f"\n{result.protocol}." if arguments.verbose else f"\n{line} (--verbose: all figures and the whole protocol)")
    return result


def _recorded(arguments: argparse.Namespace) -> tuple[DetectionRecords, str]:
    """What the model finds, and how it was run in a few words."""
    from keras_sge.evaluation import SCORE_THRESHOLD, open_detector, record_detections
    from keras_sge.evaluation.detector import needs_keras

    arguments.fold = Fold.parse(arguments.fold)
    take_own_data(arguments, "data", training=False)
    # A value out of range is named before a model is opened.
    protocol = _protocol(arguments)
    if needs_keras(arguments.model):
        import_keras()
    with native_log():
        detector = open_detector(arguments.model, arguments.threads, SCORE_THRESHOLD)
    dataset = _dataset(arguments, detector)
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)
    return record_detections(detector, dataset, protocol, progress_bar("clip", "evaluate")), protocol.line()


def _protocol(arguments: argparse.Namespace) -> Protocol:
    from keras_sge.evaluation import Protocol

    where = Path(arguments.data).resolve().name if arguments.data else "built-in synthetic set"
    return Protocol(
        data=f"{where}, {arguments.split}",
        fold=arguments.fold,
        degrade=arguments.degrade,
        frames=arguments.frames,
        reset_every_frame=arguments.reset_every_frame,
        rival=arguments.rival,
    )


def _dataset(arguments: argparse.Namespace, detector: Detector) -> VideoDataset:
    from keras_sge.data import synthetic_split
    from keras_sge.data.open import open_videos

    if arguments.data:
        return open_videos(arguments.data, arguments.split, progress_bar("video", "index"))
    return synthetic_split(arguments.split, max(detector.metadata.height, detector.metadata.width))
