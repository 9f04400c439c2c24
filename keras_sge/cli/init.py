"""`sge init`: looks at a data set and writes a configuration that explains itself."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import InputError
from keras_sge.cli.own_data import print_next
from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.config import Config

HELP = "look at a data set and write a commented configuration for it"
EPILOG = """examples:
  sge init data/mine --out mine.yaml                 classes, input size, anchors, clip length and steps, each explained
  sge init data/mine --out mine.yaml --minutes 20    a shorter training
  sge init data/mine --out mine.yaml --split all     of annotations without splits

DIR is a data set in any form that `sge data check` reads. Labels are read, frames are not. The file is YAML for
`sge train`; nothing that is there already is written over.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("data", metavar="DIR", help="a data set's directory, or an annotation file")
    parser.add_argument("--out", metavar="FILE.yaml", required=True, help="the configuration")
    parser.add_argument("--split", metavar="NAME", help="what is trained on (default: train, or the only one)")
    parser.add_argument(
        "--minutes", type=float, default=60.0, metavar="N", help="of training, on two idle CPU cores (default: 60)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from edge.atomic import atomic_path, check_writable
    from keras_sge.data import check_videos, open_videos
    from keras_sge.data.open import find_source
    from keras_sge.data.proposal import propose_config

    out = Path(arguments.out)
    if out.suffix not in (".yaml", ".yml"):
        raise InputError(f"--out names a configuration, FILE.yaml. Received: {out}")
    if Path(arguments.data).suffix.lower() == ".zip":
        convert = shlex.join(["sge", "data", "convert", arguments.data, "--out", "data/mine"])
        raise InputError(f"training reads folders, {arguments.data} is a zip file. First: {convert}")
    if out.exists():
        raise InputError(f"{out} is there and would be written over. Give another name with --out.")
    check_writable(out)
    form, source = find_source(Path(arguments.data))
    splits = list(form.splits(source))
    split = arguments.split or ("train" if "train" in splits or len(splits) != 1 else splits[0])
    dataset = open_videos(source, split, progress_bar("video", "index"), form.name)
    for note in dataset.notes:
        print(f"note: {note}", file=sys.stderr)
    report = check_videos(dataset, read_frames=False, progress=progress_bar("video", "labels"))
    proposal = propose_config(dataset, report, str(arguments.data), split, splits, arguments.minutes)
    folder = Path("runs") / out.stem
    train = ["sge", "train", str(out), "--run", str(folder)]
    with atomic_path(out) as temporary:
        Path(temporary).write_text(proposal.text([shlex.join(train)]), encoding="utf-8")
    network, training = proposal.config.network, proposal.config.training
    print(f"{proposal.title}\nwrote {out}: {len(network.classes)} classes, {network.size_text}, ", end="")
    print(f"clips of {training.clip_length}, {training.epochs} epochs of {training.steps_per_epoch:,} steps")
    print(f"measured on while training: {_measured_on(proposal.config)}")
    print_next(
        ["sge", "data", "check", str(arguments.data), "--split", split, "--config", str(out)],
        ["sge", "summary", str(out)],
        train,
    )
    return 0


def _measured_on(config: Config) -> str:
    if not config.training.validation_steps:
        return "nothing, there are too few recordings"
    if config.data.held_back is None:
        return config.data.validation_split
    return f"fold {config.data.held_back} of {config.data.train_split}; `sge data split` makes train and val"
