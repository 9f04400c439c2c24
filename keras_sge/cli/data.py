"""`sge data`: data sets."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.run_command import EXIT_CODES, add_json_option, json_output
from keras_sge.cli.data_import import add_import_actions
from keras_sge.cli.data_make import add_make_actions
from keras_sge.cli.data_source import add_source, source_videos
from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.config import NetworkConfig
    from keras_sge.data import VideoDataset
    from keras_sge.data.report import DataReport

HELP = "make, check, look at and convert data sets; propose anchors"
EPILOG = """examples:
  sge data synthetic --out data/synthetic                      train and val as COCO-VID with mp4 files
  sge data synthetic --out data/big --split train --videos 500 --size 320
  sge data windows data/sky data/sky:train_extra --out data/windows         clips around objects of whole frames
  sge data paste data/sky data/stills/annotations.json --out data/pasted   objects flying over other scenes
  sge data check data/sky --split train --out check.png        every label and video read; figures and a picture
  sge data check data/vid --split val --config paper320        and how well the configuration's anchors fit
  sge data look data/synthetic --split val --out look.png      a contact sheet with the labels drawn in
  sge data convert export.zip --out data/mine                  annotations of any form to COCO-VID
  sge data split data/mine --val 0.2                           train and val of one whole, recordings kept together
  sge data anchors data/sky --split train --config my.yaml     anchors for these boxes, as YAML
  sge data anchors runs/first                                  the same for what a run is trained on, beside its own

SOURCE is a folder, a zip file or an annotation file of one of the forms that docs/data.md lists; the layout tells
which. Or a run folder of `sge train`, for the data of that run.
"""
_SHOWN_PROBLEMS = 20
# Of boxes with an anchor that suits them: below this, others pay.
_GOOD_RECALL = 0.8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    add_make_actions(actions)

    check = actions.add_parser("check", help="read all labels and videos, say what is in them and what is wrong")
    add_source(check)
    check.add_argument("--config", metavar="CONFIG", help="also measure how well this configuration's anchors fit")
    check.add_argument("--no-frames", action="store_true", help="do not decode each video's first and last frame")
    check.add_argument("--out", metavar="FILE.png", help="also draw sizes, classes, speeds and frames")
    add_json_option(check, "the figures")
    check.set_defaults(run_action=_check)

    look = actions.add_parser("look", help="draw frames and labels into one picture")
    add_source(look)
    look.add_argument("--out", metavar="FILE.png", required=True, help="the picture")
    look.add_argument("--videos", type=int, default=6, metavar="N", help="rows (default: 6)")
    look.add_argument("--frames", type=int, default=8, metavar="N", help="columns (default: 8)")
    look.set_defaults(run_action=_look)

    add_import_actions(actions)

    anchors = actions.add_parser("anchors", help="propose network.anchors for a data set's boxes")
    add_source(anchors, "val; for a run's anchors train")
    anchors.add_argument("--config", metavar="CONFIG", help="input size and detection maps are its (default: a run's)")
    anchors.add_argument("--ratios", type=int, metavar="N", help="aspect ratios (default: as many as now)")
    anchors.set_defaults(run_action=_anchors)
    for action in actions.choices.values():
        action.epilog = EXIT_CODES


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    return arguments.run_action(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from edge.atomic import check_writable
    from keras_sge.config import load_config
    from keras_sge.data.figures import check_picture_name

    if arguments.out:
        check_writable(arguments.out)
        # Before the minutes that a large set takes.
        check_picture_name(arguments.out)
    network = load_config(arguments.config).network if arguments.config else None
    with json_output(arguments.json) as write, source_videos(arguments, network=network) as dataset:
        report, document = _checked(dataset, network, arguments)
        write(document)
        if not report.problems:
            return 0
        print("\nproblems:")
        for problem in report.problems[:_SHOWN_PROBLEMS]:
            print(f"  {problem}")
        if len(report.problems) > _SHOWN_PROBLEMS:
            print(f"  and {len(report.problems) - _SHOWN_PROBLEMS} more")
        print(f"\n{len(report.problems)} of {report.clips} videos of {arguments.data} have a problem.")
    return 1


def _checked(
    dataset: VideoDataset, network: NetworkConfig | None, arguments: argparse.Namespace
) -> tuple[DataReport, dict[str, Any]]:
    """The report, and all figures as JSON takes them."""
    from keras_sge.boxes import anchor_maps
    from keras_sge.data import check_videos
    from keras_sge.data.anchors import anchor_fit
    from keras_sge.data.figures import data_figure

    report = check_videos(dataset, not arguments.no_frames, progress_bar("video", "check"))
    print(f"{arguments.data}, {arguments.split}: {type(dataset).__name__}\n\n{report.text()}")
    document = {"data": str(arguments.data), "split": arguments.split, **report.to_dict()}
    if network and len(report.boxes):
        maps = anchor_maps(network)
        fit = anchor_fit(report.boxes, maps)
        document["anchors"] = {
            "config": str(arguments.config),
            "recall": fit.recall,
            "mean_iou": fit.mean_iou,
            "by_map": [
                {"rows": grid.rows, "columns": grid.columns, "share": share}
                for grid, share in zip(maps, fit.by_map, strict=True)
            ],
        }
        shares = ", ".join("{rows} x {columns}: {share:.1%}".format(**entry) for entry in document["anchors"]["by_map"])
        print(f"\nanchors of {arguments.config}: best-possible recall at IoU 0.5 {fit.recall:.3f}")
        if fit.recall < _GOOD_RECALL:
            print("few boxes have an anchor that suits them: `sge data anchors` proposes others")
        print(f"mean best IoU {fit.mean_iou:.3f}; boxes answered by each map (rows x columns): {shares}")
    if arguments.out:
        data_figure(dataset, report, arguments.out)
        print(f"\nwrote {arguments.out}")
    return report, document


def _look(arguments: argparse.Namespace) -> int:
    import cv2

    from edge.atomic import atomic_path, check_writable
    from edge.errors import InputError
    from keras_sge.data.figures import sample_sheet

    if arguments.videos < 1 or arguments.frames < 1:
        raise InputError(f"--videos and --frames must be above 0. Received: {arguments.videos} and {arguments.frames}")
    check_writable(arguments.out)
    if not cv2.haveImageWriter(arguments.out):
        raise InputError(f"OpenCV cannot write pictures of the kind of {arguments.out}. Give a .png or .jpg name.")
    with source_videos(arguments) as dataset:
        sheet = sample_sheet(dataset, range(len(dataset)), arguments.videos, arguments.frames)
    with atomic_path(arguments.out) as temporary:
        if not cv2.imwrite(str(temporary), sheet):
            raise InputError(f"{arguments.out} could not be written; OpenCV does not say why.")
    print(f"wrote {arguments.out}")
    return 0


def _run_config(folder: str) -> Path:
    from edge.errors import InputError
    from keras_sge.config.run_folder import RunFolder, run_data

    if run_data(folder) is None:
        raise InputError(f"--config CONFIG is missing, which a run folder alone can do without. Received: {folder}")
    return RunFolder(folder).config


def _anchors(arguments: argparse.Namespace) -> int:
    import dataclasses

    from edge.errors import InputError
    from keras_sge.boxes import anchor_maps
    from keras_sge.config import load_config
    from keras_sge.data import check_videos, propose_anchors
    from keras_sge.data.anchors import anchor_fit

    arguments.config = arguments.config or _run_config(arguments.data)
    network = load_config(arguments.config).network
    with source_videos(arguments, of_run="train", network=network) as dataset:
        report = check_videos(dataset, read_frames=False, progress=progress_bar("video", "labels"))
    if report.problems:
        command = shlex.join(["sge", "data", "check", arguments.data, "--split", arguments.split])
        raise InputError(f"{report.problems[0]} For all of them: {command}")
    proposal = propose_anchors(report.boxes, network, arguments.ratios)
    print(f"{arguments.data}, {arguments.split}: {len(report.boxes):,} boxes; best-possible recall at IoU 0.5\n")
    print("| anchors | per cell | recall | mean best IoU |\n|---|---:|---:|---:|")
    for name, anchors in ((f"present, {arguments.config}", network.anchors), ("proposed", proposal)):
        maps = anchor_maps(dataclasses.replace(network, anchors=anchors))
        fit, counts = anchor_fit(report.boxes, maps), sorted({len(grid.boxes) for grid in maps})
        print(f"| {name} | {' or '.join(map(str, counts))} | {fit.recall:.4f} | {fit.mean_iou:.4f} |")
    sizes, ratios = (", ".join(f"{value:g}" for value in values) for values in (proposal.sizes, proposal.ratios))
    print(f"\nnetwork:\n  anchors:\n    sizes: [{sizes}]\n    ratios: [{ratios}]")
    return 0
