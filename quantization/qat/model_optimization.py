"""tensorflow-model-optimization without the mark that it leaves on the environment.

Its import sets TF_USE_LEGACY_KERAS, which would change what `tf.keras` means in every process started from this one.
"""

from __future__ import annotations

import os

_KEY = "TF_USE_LEGACY_KERAS"
_before = os.environ.get(_KEY)

import tensorflow_model_optimization as tfmot  # noqa: E402

if _before is None:
    os.environ.pop(_KEY, None)
else:
    os.environ[_KEY] = _before

__all__ = ["tfmot"]
