"""Keras without its backend's start-up chatter."""

from __future__ import annotations

from edge.quiet import quiet_stderr


def import_keras() -> None:
    """Imports Keras and wakes its backend while the process' stderr is dropped; exceptions pass.

    TensorFlow's C++ libraries write about missing GPUs before any log level is looked at.
    """
    with quiet_stderr():
        import keras

        keras.ops.zeros(1)
