"""The data set that a command of `sge data` is given: a folder, a zip file, an annotation file or a run's own."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sge.progress import progress_bar

if TYPE_CHECKING:
    from keras_sge.config import NetworkConfig
    from keras_sge.data import VideoDataset

SOURCE = "a folder, a zip file or an annotation file of any form; or a run folder, for the data of that run"


def add_source(parser: argparse.ArgumentParser, default_split: str = "val, or the only one") -> None:
    """SOURCE, --split, --format and --media."""
    parser.add_argument("data", metavar="SOURCE", help=SOURCE)
    parser.add_argument("--split", metavar="NAME", help=f"such as train (default: {default_split})")
    parser.add_argument("--format", metavar="NAME", help="the form of the annotations (default: found by looking)")
    parser.add_argument(
        "--media", metavar="PATH", help="the video file, or the folder of videos or pictures, if not beside the labels"
    )


@contextlib.contextmanager
def source_videos(
    arguments: argparse.Namespace, of_run: str = "val", network: NetworkConfig | None = None
) -> Iterator[VideoDataset]:
    """The videos meant, what they have to say said; `arguments.split` is set where none was named.

    Args:
        of_run: the part of a run's own data that is meant, `train` or `val`, unless --split names another.
        network: says also what it makes of the frames.
    """
    from keras_sge.config.run_folder import RunFolder, run_data
    from keras_sge.data import data_notes, open_dataset, open_videos
    from keras_sge.data.formats.form import unpacked
    from keras_sge.data.open import find_source

    own = run_data(arguments.data)
    with contextlib.ExitStack() as stack:
        if own and (own.path is None or arguments.split is None):
            arguments.split = arguments.split or of_run
            print(f"the run's own data: {own.path or 'built-in synthetic set'}, {arguments.split}")
            dataset = open_dataset(own, RunFolder(arguments.data).stored_config().network, arguments.split)
        else:
            folder = stack.enter_context(unpacked(Path((own.path if own else None) or arguments.data)))
            form, folder = find_source(folder, arguments.format)
            arguments.split = arguments.split or usual_split(form.splits(folder))
            bar = progress_bar("video", "index")
            dataset = open_videos(folder, arguments.split, bar, form.name, arguments.media)
        for note in data_notes(dataset, network) if network else dataset.notes:
            print(f"note: {note}", file=sys.stderr)
        yield dataset


def usual_split(splits: Sequence[str]) -> str:
    """The split that is meant where none is named: val, valid as others call it, or the only one."""
    named = [split for split in ("val", "valid") if split in splits]
    return named[0] if named else splits[0] if len(splits) == 1 else "val"
