"""`sge reproduce`: a table or figure of the paper, made here.

The command is registered by `quantization` because latency and mAP are those of the exported file: what a row is, how
it is trained and reported stands in `keras_sge.reproduction`, which gets the exporter as an argument and never imports
it.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from edge.atomic import check_folder
from edge.missing_packages import need_packages
from quantization.cli.tensorflow_backend import need_tensorflow

if TYPE_CHECKING:
    from keras_sge.data import VideoDataset

HELP = "train and measure a table of the paper, row by row, beside the printed figures"
CHECKPOINT = "single_skyzoom_192x0.5.npz"
EPILOG = f"""examples:
  sge reproduce table1 --data data/sky_zoom --seeds 1,2           temporal modules
  sge reproduce table2 --data data/sky_zoom                       placement of the Squeezed GRU
  sge reproduce table3 --data data/sky_zoom                       placement of the entropy map
  sge reproduce table1 --data data/sky_zoom --row GRU --row LSTM  some rows only; --list names them
  sge reproduce figure2 --data data/sky_zoom                      raw image, entropy map in 2-D and 3-D
  sge reproduce table1 --data data/ILSVRC2015 --from runs/single_vid --clips 20000 --frames reference

Every row starts from one single-frame detector (models/checkpoints/{CHECKPOINT} unless --from names another: train one
with network.memory.kind=reduction, docs/training.md) and gets the same clips, batch, rate and seeds. Each has a run
folder under --runs; its network is exported, and the .tflite is what is measured: mAP on clean and on degraded frames,
latency relative to the first row. TABLE.json, TABLE.md and TABLE.png in --out are written anew after every row.

Stopped with Ctrl-C, or killed: the same command goes on, with the row that it was in. More seeds or rows later use what
is there, and the report keeps the rows and seeds that it has. Other clips or another start are another experiment:
give it --runs and --out of its own. docs/paper.md reads the results.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("what", choices=("table1", "table2", "table3", "figure2"), help="of the paper")
    parser.add_argument("--data", metavar="DIR", help="a data set's directory (default: the built-in synthetic set)")
    parser.add_argument("--split", default="val", metavar="NAME", help="that is measured on (default: val)")
    parser.add_argument(
        "--out", default="runs/reproduce", metavar="DIR", help="of the report (default: runs/reproduce)"
    )
    table = parser.add_argument_group("tables")
    table.add_argument("--clips", type=int, default=2000, metavar="N", help="to train a row on (default: 2000)")
    table.add_argument("--seeds", default="1", metavar="N,N", help="of the trainings (default: 1)")
    table.add_argument(
        "--from", dest="start", metavar="FILE", help="the single-frame detector that all rows start from"
    )
    table.add_argument("--row", action="append", default=[], metavar="NAME", help="only this row; may be repeated")
    table.add_argument("--frames", default="all", choices=("all", "reference"), help="which are scored (default: all)")
    table.add_argument(
        "--freeze-until", default="conv6", metavar="CONV", help="frozen part of the trunk, or none (default: conv6)"
    )
    table.add_argument("--runs", default="runs/reproduce", metavar="DIR", help="run folders (default: runs/reproduce)")
    table.add_argument("--list", action="store_true", help="name the table's rows and stop")
    table.add_argument("--quiet", action="store_true", help="one line per epoch instead of a progress bar")
    figure = parser.add_argument_group("figure2")
    figure.add_argument("--pictures", type=int, default=3, metavar="N", help="how many frames are shown (default: 3)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.list and arguments.what != "figure2":
        from keras_sge.reproduction.tables import TABLES

        print("\n".join(row.name for row in TABLES[arguments.what].rows))
        return 0
    check_folder(arguments.out)
    if arguments.what == "figure2":
        need_packages("matplotlib")
        return _figure2(arguments)
    check_folder(arguments.runs)
    seeds = _seeds(arguments.seeds)
    need_tensorflow("reproduce", "tqdm", "matplotlib")

    from edge.model_zoo import models_folder
    from keras_sge.progress import progress_bar
    from keras_sge.reproduction.reproduction import Reproduction
    from keras_sge.reproduction.run import Settings
    from quantization import Exporter

    settings = Settings(
        data=arguments.data,
        start=arguments.start or str(models_folder() / "checkpoints" / CHECKPOINT),
        clips=arguments.clips,
        seeds=seeds,
        split=arguments.split,
        frames=arguments.frames,
        freeze_until=None if arguments.freeze_until == "none" else arguments.freeze_until,
    )
    reproduction = Reproduction(
        arguments.what,
        settings,
        arguments.runs,
        arguments.out,
        lambda model, path: Exporter(model).write(path),
        tuple(arguments.row),
        command=_command(arguments),
    )
    reproduction.run(2 if arguments.quiet else 1, progress_bar("clip", "evaluate", arguments.quiet))
    print(f"\n{arguments.out}/{arguments.what}.md holds {len(reproduction.rows)} rows; .json and .png beside it.")
    return 0


def _figure2(arguments: argparse.Namespace) -> int:
    from keras_sge.pictures import figure2

    pictures = figure2(_videos(arguments), arguments.out, arguments.pictures)
    print("\n".join(str(path) for path in pictures))
    return 0


def _videos(arguments: argparse.Namespace) -> VideoDataset:
    from keras_sge.data import synthetic_split
    from keras_sge.data.open import open_videos

    if arguments.data:
        return open_videos(arguments.data, arguments.split)
    return synthetic_split(arguments.split, 192)


def _seeds(text: str) -> tuple[int, ...]:
    from edge.errors import InputError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--seeds takes whole numbers with commas between, such as 1,2. Received: {text!r}") from error


def _command(arguments: argparse.Namespace) -> str:
    """What was asked for but rows and seeds, which a report adds up; without where things lie on this machine."""
    words = ["sge", "reproduce", arguments.what]
    if arguments.data:
        words += ["--data", Path(arguments.data).resolve().name]
    words += ["--clips", str(arguments.clips)]
    if arguments.start:
        words += ["--from", Path(arguments.start).name]
    for option, default in (("split", "val"), ("frames", "all"), ("freeze_until", "conv6")):
        if getattr(arguments, option) != default:
            words += [f"--{option.replace('_', '-')}", getattr(arguments, option)]
    return shlex.join(words)
