"""Results as an mp4 with the boxes drawn in."""

from __future__ import annotations

import os

from edge.frame_result import FrameResult
from edge.sinks.sink import Picture, Sink
from edge.sinks.video_sink import VideoSink


class AnnotatedVideo(Sink):
    """An mp4 with the boxes drawn in, see `VideoSink`; frames of another size than the first are fitted into it.

    Args:
        path: ends in .mp4.
        fps: frames a second of the video: the source's.
        live: whether the source skips frames: its times then keep the video at the speed of life.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, live: bool = False):
        self._video, self._live = VideoSink(path, fps, fit=True), live

    def __enter__(self) -> AnnotatedVideo:
        self._video.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._video.__exit__(*exception)

    @property
    def fitted(self) -> int:
        """How many frames were of another size than the first."""
        return self._video.fitted

    def write(self, result: FrameResult, picture: Picture) -> None:
        self._video.write(picture(), result.time if self._live else None)
