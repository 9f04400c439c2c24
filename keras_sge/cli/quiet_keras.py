"""Keras as commands start it: without its backend's start-up chatter, with memory that stays with the process."""

from __future__ import annotations

import ctypes

from edge.quiet import native_log

# glibc's malloc.h: how much free memory stays at the heap's end, how much more it grows by than asked for, and from
# which size on a block is mapped by itself, at most 32 MiB.
_MALLOC_OPTIONS = {-1: 2**31 - 1, -2: 2**28, -3: 2**25}


def import_keras() -> None:
    """Imports Keras and wakes its backend without what its libraries log; other lines and exceptions pass.

    TensorFlow's C++ libraries write about missing GPUs before any log level is looked at.
    """
    keep_freed_memory()
    with native_log():
        import keras

        keras.ops.zeros(1)


def keep_freed_memory() -> bool:
    """Lets malloc keep what is freed instead of handing it back to the system, for this process; False where it cannot.

    TensorFlow allocates each step's tensors anew: mapped and unmapped every time, they cost a third of a training.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        # Another C library than glibc.
        return False
    return all([mallopt(option, value) for option, value in _MALLOC_OPTIONS.items()])
