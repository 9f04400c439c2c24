"""Video object detection on the device: a .tflite with explicit recurrent state in, detections out, frame by frame.

    from edge import Detector
    detector = Detector("model.tflite")
    for result in detector.stream("clip.mp4"):
        print(result.frame_id, result.detections)

Nothing heavy is imported before a name is used.
"""

from typing import TYPE_CHECKING

from edge.lazy import lazy_names

if TYPE_CHECKING:
    from edge.detector import Detector as Detector
    from edge.entropy import entropy_attention as entropy_attention
    from edge.entropy import entropy_map as entropy_map
    from edge.errors import InputError as InputError
    from edge.model_zoo import list_models as list_models
    from edge.pipeline import Pipeline as Pipeline
    from edge.results import Box as Box
    from edge.results import Detection as Detection
    from edge.results import FrameResult as FrameResult
    from edge.results import StreamEvent as StreamEvent
    from edge.runtimes.runtime import StepRuntime as StepRuntime
    from edge.video.live import LiveLimits as LiveLimits
    from edge.video.open import open_source as open_source
    from edge.video.open import open_sources as open_sources
    from edge.video.source import VideoSource as VideoSource

__version__ = "0.1.0"

__all__, __getattr__, __dir__ = lazy_names(
    globals(),
    {
        "Box": "edge.results",
        "Detection": "edge.results",
        "Detector": "edge.detector",
        "FrameResult": "edge.results",
        "InputError": "edge.errors",
        "LiveLimits": "edge.video.live",
        "Pipeline": "edge.pipeline",
        "StepRuntime": "edge.runtimes.runtime",
        "StreamEvent": "edge.results",
        "VideoSource": "edge.video.source",
        "entropy_attention": "edge.entropy",
        "entropy_map": "edge.entropy",
        "list_models": "edge.model_zoo",
        "open_source": "edge.video.open",
        "open_sources": "edge.video.open",
    },
)
__all__ += ["__version__"]
