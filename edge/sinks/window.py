"""Results in a window."""

from __future__ import annotations

import os
import sys

import cv2

from edge.errors import InputError
from edge.frame_result import FrameResult
from edge.sinks.sink import Picture, Sink

_INSTEAD = "Use --save for a video, or --serve to look from a browser."


class Window(Sink):
    """A window with the boxes drawn in. `closed` once q or Esc is pressed or the window is closed.

    Raises:
        InputError: there is no screen, or this OpenCV was built without windows.
    """

    def __init__(self, title: str = "sge-edge"):
        self._title, self._shown = title, False
        # Qt ends the whole process where there is no display.
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError(f"a window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set. {_INSTEAD}")

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            cv2.destroyWindow(self._title)

    def write(self, result: FrameResult, picture: Picture) -> None:
        if self.closed:
            return
        try:
            cv2.imshow(self._title, picture())
            key = cv2.waitKey(1) & 0xFF
            # 0 or below: the window's own button closed it; asked only once it is there.
            gone = self._shown and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error as error:
            raise InputError(f"this OpenCV was built without windows. {_INSTEAD}") from error
        self._shown = not gone
        self.closed = gone or key in (ord("q"), 27)
