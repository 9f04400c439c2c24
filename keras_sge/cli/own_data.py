"""What commands take from the run that a model belongs to, and the commands that they say come next."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from keras_sge.config import DataConfig, Fold
from keras_sge.config.run_folder import run_data


def take_own_data(arguments: argparse.Namespace, key: str, training: bool) -> None:
    """Fills in where a model's own data are, if the command line does not say, and prints what was taken.

    Args:
        arguments: with `model`, `split`, `fold` and the option for the data's directory; `split` becomes a name
            in any case. key: that option's name. training: whether the training split is wanted.
    """
    own = run_data(arguments.model) if getattr(arguments, key) is None else None
    if own is not None and own.path is not None:
        setattr(arguments, key, own.path)
        if arguments.split is None:
            arguments.split, arguments.fold = _split(own, training, arguments.fold)
        part = f", {'without' if training else 'only'} fold {arguments.fold}"
        print(f"the run's own data: {own.path}, {arguments.split}{part if arguments.fold else ''}")
    arguments.split = arguments.split or ("train" if training else "val")


def evaluate_command(model: str | Path, classes: Sequence[str], data: DataConfig | None) -> list[list[str]]:
    """`sge evaluate` of a file on the validation videos of the run that it was made from; none without videos for it.

    Args:
        model: the file. classes: its class names. data: the run's; None for a file that is of no run.
    """
    from keras_sge.data import SyntheticSky

    command = ["sge", "evaluate", str(model)]
    if data is None or data.path is None:
        return [command] if set(classes) == set(SyntheticSky.classes) else []
    # A file in the run folder finds them by itself.
    if run_data(model) != data:
        split, fold = _split(data, False, None)
        command += ["--data", data.path, "--split", split]
        command += ["--fold", str(fold)] if fold else []
    return [command]


def print_next(*commands: Sequence[str]) -> None:
    """Prints commands that can be pasted as they are, one a line."""
    print("next:")
    for words in commands:
        print(f"  {shlex.join(words)}")


def _split(data: DataConfig, training: bool, fold: Fold | None) -> tuple[str, Fold | None]:
    fold = fold or data.held_back
    return (data.train_split if training or fold else data.validation_split), fold
