"""Video object detection on the device: a .tflite with explicit recurrent state in, detections out, frame by frame.

    from edge import Detector
    detector = Detector("model.tflite")
    for result in detector.stream("clip.mp4"):
        print(result.frame_id, result.detections)

Nothing heavy is imported before a name is used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Detection": "edge.results",
    "Detector": "edge.detector",
    "FrameResult": "edge.results",
    "InputError": "edge.errors",
    "entropy_attention": "edge.entropy",
    "entropy_map": "edge.entropy",
    "list_models": "edge.model_zoo",
    "LiveLimits": "edge.video.live",
    "Pipeline": "edge.pipeline",
    "StreamEvent": "edge.results",
    "VideoSource": "edge.video.source",
    "open_source": "edge.video.open",
    "open_sources": "edge.video.open",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
