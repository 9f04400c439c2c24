"""Keras without its backend's start-up chatter."""

from __future__ import annotations

from edge.quiet import native_log


def import_keras() -> None:
    """Imports Keras and wakes its backend without what its libraries log; other lines and exceptions pass.

    TensorFlow's C++ libraries write about missing GPUs before any log level is looked at.
    """
    with native_log():
        import keras

        keras.ops.zeros(1)
