"""Video object detection on the device: a .tflite with explicit recurrent state in, detections out, frame by frame.

    from edge import Detector
    detector = Detector("model.tflite")
    for result in detector.stream("clip.mp4"):
        print(result.frame_id, result.detections)

Nothing heavy is imported before a name is used.
"""

from edge.lazy import lazy_names

__version__ = "0.1.0"

__all__, __getattr__, __dir__ = lazy_names(
    globals(),
    {
        "Detection": "edge.results",
        "Detector": "edge.detector",
        "FrameResult": "edge.results",
        "InputError": "edge.errors",
        "LiveLimits": "edge.video.live",
        "Pipeline": "edge.pipeline",
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
