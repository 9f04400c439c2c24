"""`sge-edge models`: the files that come with the package, what they find and how long they take here."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import cv2
import numpy as np

from edge.cli.run_command import add_json_option, json_output
from edge.detector import Detector
from edge.metadata import read_model
from edge.model_zoo import default_model, list_models, model_path
from edge.quiet import native_log

EPILOG = """examples:
  sge-edge models                      names, classes, input, size, milliseconds on this machine
  sge-edge models --no-time            without running them
  sge-edge models --json -             for a program

A name can be given wherever a model can: sge-edge detect clip.mp4 --model NAME. Milliseconds are the median of whole
calls on one thread, from a frame of 640 x 480 px to detections; `sge-edge benchmark --model NAME` takes them apart.
"""
_CALLS, _CLASSES_SHOWN = 20, 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--no-time", action="store_true", help="do not run them")
    add_json_option(parser, "the list")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    cv2.setNumThreads(1)
    names = list_models()
    with json_output(arguments.json) as write:
        entries = [_entry(name, not arguments.no_time) for name in names]
        rows = [("name", "input", "MB", "ms", "memory", "finds"), *map(_row, entries)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows if names else ():
            print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
        print(f"taken where none is named: {default_model()}" if names else "This installation ships no models.")
        write(entries)
    return 0


def _entry(name: str, timed: bool) -> dict[str, Any]:
    path = model_path(name)
    _, metadata = read_model(path)
    return {
        "name": name,
        "width": metadata.width,
        "height": metadata.height,
        "bytes": path.stat().st_size,
        "milliseconds": _milliseconds(name) if timed else None,
        "states": len(metadata.states),
        "labels": list(metadata.labels),
    }


def _milliseconds(name: str) -> float:
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    times = []
    with native_log(), Detector(name) as detector:
        for _ in range(_CALLS):
            start = time.perf_counter()
            detector(frame)
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    labels, milliseconds = entry["labels"], entry["milliseconds"]
    more = f" and {len(labels) - _CLASSES_SHOWN} more" if len(labels) > _CLASSES_SHOWN else ""
    return (
        entry["name"],
        f"{entry['width']} x {entry['height']}",
        f"{entry['bytes'] / 1e6:.2f}",
        "-" if milliseconds is None else f"{milliseconds:.1f}",
        "yes" if entry["states"] else "no",
        ", ".join(labels[:_CLASSES_SHOWN]) + more,
    )
