"""What every command asks for that converts or fine-tunes."""

from __future__ import annotations

import importlib.util

from edge.errors import InputError
from keras_sge.cli.quiet_keras import import_keras


def need_tensorflow(command: str, *packages: str) -> None:
    """Imports Keras on the TensorFlow backend.

    Args:
        command: for the message. packages: that the command needs beside TensorFlow.

    Raises:
        ModuleNotFoundError: a package is missing; `sge` says which extra brings it.
        InputError: KERAS_BACKEND names another backend.
    """
    for package in ("tensorflow", *packages):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    import_keras()

    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{command} needs Keras' TensorFlow backend, KERAS_BACKEND is {keras.backend.backend()}. A model trained "
            "with another backend will do: unset KERAS_BACKEND and run this again."
        )
