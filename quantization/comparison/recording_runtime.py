"""A runtime that remembers what it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class RecordingRuntime:
    """Wraps a runtime; `frames` are the inputs of every call without the states, so that another runtime can be given
    them too.

    Args:
        runtime: with the face of `edge.runtime.Runtime`. states: names of inputs that are not kept.
    """

    def __init__(self, runtime: Any, states: Sequence[str]):
        self._runtime, self._states = runtime, set(states)
        self.name, self.version, self.quantization = runtime.name, runtime.version, runtime.quantization
        self.frames: list[dict[str, np.ndarray]] = []

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.frames.append({name: np.array(values) for name, values in inputs.items() if name not in self._states})
        return self._runtime(inputs)
