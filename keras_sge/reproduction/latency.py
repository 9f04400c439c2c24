"""How long one step takes, relative to another network's on the same machine at the same time."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np

from edge.metadata import read_model
from edge.open_runtime import open_runtime

_WARM_UP = 5


def latency_ratio(path: str | Path, baseline: str | Path, rounds: int = 60) -> float:
    """Median time of the network of one .tflite over that of another, one thread each, turn by turn.

    Turn by turn, so that what else the machine does meets both; it is a ratio, and says nothing of another machine.
    """
    steps = [_step(path), _step(baseline)]
    times = np.empty((rounds + _WARM_UP, 2))
    for turn in times:
        for place, (runtime, inputs) in enumerate(steps):
            start = perf_counter()
            runtime(inputs)
            turn[place] = perf_counter() - start
    one, other = np.median(times[_WARM_UP:], axis=0)
    return float(one / other)


def _step(path):
    flatbuffer, metadata = read_model(path)
    rng = np.random.default_rng(0)
    inputs = {"image": rng.uniform(-1, 1, (1, metadata.height, metadata.width, 3)).astype(np.float32)}
    if metadata.entropy:
        rows, columns = (-(-side // metadata.entropy.stride) for side in (metadata.height, metadata.width))
        inputs["attention"] = rng.uniform(0.5, 0.96, (1, rows, columns, 1)).astype(np.float32)
    inputs |= {state.input: np.zeros(state.shape, np.float32) for state in metadata.states}
    return open_runtime(flatbuffer, metadata, threads=1), inputs
