"""A frame on its way to the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PreparedFrame:
    """What `edge.engine.Engine.prepare` made of a frame; it belongs to no stream yet.

    Attributes:
        frame: the frame itself, or what was made of one that was not BGR.
        inputs: the network's inputs without the states, by name.
        thumbnail: for `edge.scene_cut`; None where cuts are not looked for.
        timings: milliseconds of the stages so far.
    """

    frame: np.ndarray
    inputs: dict[str, np.ndarray]
    thumbnail: np.ndarray | None
    timings: dict[str, float]
