"""Times `edge.entropy_map` against scikit-image's entropy filter: one frame, one thread, alternating runs.

`skimage.filters.rank.entropy` computes the simpler one-dimensional entropy, of the gray values in a 3x3 window;
`edge.entropy_map` computes the two-dimensional one, of the pairs (gray value, mean of its window). The frame is a gray
one of the built-in synthetic set, so every run of this script measures the same pixels.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import cv2
import numpy as np

import edge
from edge.cli.run_command import add_json_option, json_output
from edge.missing_packages import missing_package

VIDEO, FRAME = 0, 8


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, metavar="N", help="counted runs of each (default: 30)")
    parser.add_argument(
        "--size", type=int, default=320, metavar="PX", help="side of the frame, 64 to 640 (default: 320)"
    )
    add_json_option(parser, "the figures")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error(f"--runs must be at least 1. Received: {arguments.runs}")
    try:
        with json_output(arguments.json) as write:
            figures = measure(arguments.size, arguments.runs)
            print(report(figures))
            write(figures)
    except edge.InputError as error:
        parser.error(str(error))
    except ModuleNotFoundError as error:
        parser.error(str(missing_package(error.name) or error))


def report(figures: dict[str, Any]) -> str:
    """The figures as text."""
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return f"""{figures["size"]} x {figures["size"]} gray frame, 1 thread, {figures["runs"]} runs each, alternating
edge.entropy_map              {figures["edge_ms"]:8.3f} ms   two-dimensional: gray value and local mean
skimage.filters.rank.entropy  {figures["skimage_ms"]:8.3f} ms   one-dimensional: gray value alone
ratio                         {figures["ratio"]:8.1f}      medians
{versions}"""


def measure(size: int, runs: int) -> dict[str, Any]:
    """Medians of both operators on the same frame.

    Args:
        size: side of the frame in pixels. runs: of each operator, after one that is not counted.

    Returns:
        edge_ms, skimage_ms and their ratio, and what was measured.
    """
    import skimage
    from skimage.filters.rank import entropy

    cv2.setNumThreads(1)
    gray = frame(size)
    # An explicit 3x3 window, every pixel counted.
    footprint = np.ones((3, 3), np.uint8)
    contestants: list[Callable[[], object]] = [lambda: edge.entropy_map(gray), lambda: entropy(gray, footprint)]
    seconds: list[list[float]] = [[], []]
    for run in range(runs + 1):
        for taken, contestant in zip(seconds, contestants, strict=True):
            start = perf_counter()
            contestant()
            elapsed = perf_counter() - start
            # The first run of each builds tables and warms caches.
            if run:
                taken.append(elapsed)
    edge_ms, skimage_ms = (1e3 * statistics.median(taken) for taken in seconds)
    return {
        "size": size,
        "runs": runs,
        "threads": 1,
        "edge_ms": edge_ms,
        "skimage_ms": skimage_ms,
        "ratio": skimage_ms / edge_ms,
        "versions": {
            "opencv": cv2.__version__,
            "numpy": np.__version__,
            "scikit-image": skimage.__version__,
            "python": platform.python_version(),
        },
    }


def frame(size: int) -> np.ndarray:
    """One frame of the built-in synthetic set: uint8 (size, size), gray."""
    from keras_sge.data.synthetic import SyntheticSky

    picture = SyntheticSky(videos=1, size=size, seed=2).read(VIDEO, FRAME, FRAME + 1)[0]
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


if __name__ == "__main__":
    main()
