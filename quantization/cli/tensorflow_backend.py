"""What every command asks for that converts or fine-tunes."""

from __future__ import annotations

from edge.errors import InputError
from edge.missing_packages import need_packages
from keras_sge.cli.quiet_keras import import_keras


def need_tensorflow(command: str, *packages: str) -> None:
    """Imports Keras on the TensorFlow backend.

    Args:
        command: for the message. packages: that the command needs beside TensorFlow.

    Raises:
        InputError: a package is missing, or KERAS_BACKEND names another backend.
    """
    need_packages("tensorflow", "keras", *packages)
    import_keras()

    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{command} needs Keras' TensorFlow backend, KERAS_BACKEND is {keras.backend.backend()}. A model trained "
            "with another backend will do: unset KERAS_BACKEND and run this again."
        )
