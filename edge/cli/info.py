"""`sge-edge info`: what a model file says about itself, without running it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from typing import Any

from edge.cli.run_command import add_json_option, json_output
from edge.metadata import Metadata, read_model
from edge.model_zoo import model_path

EPILOG = """examples:
  sge-edge info model.tflite           one file
  sge-edge info model.tflite --json -  for a program
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="FILE_OR_NAME", help="a .tflite, or one of `sge-edge models`")
    add_json_option(parser, "everything")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    with json_output(arguments.json) as write:
        path = model_path(arguments.model)
        _, metadata = read_model(path)
        size = path.stat().st_size
        rows = [("file", f"{path}, {size / 1e6:.2f} MB"), *_rows(metadata), *_details(metadata.details)]
        width = max(len(name) for name, _ in rows) + 2
        for name, value in rows:
            print(f"{name:{width}}{value}")
        write({"file": str(path), "bytes": size, **dataclasses.asdict(metadata)})
    return 0


def _rows(metadata: Metadata) -> Iterator[tuple[str, str]]:
    yield "model", f"{metadata.name}, {metadata.precision}"
    yield "labels", ", ".join(metadata.labels)
    yield "input", f"RGB, {metadata.width} wide, {metadata.height} high, (x - {metadata.mean:g}) / {metadata.scale:g}"
    if metadata.entropy is None:
        yield "entropy", "none, or inside the file"
    else:
        settings = dataclasses.asdict(metadata.entropy)
        yield "entropy", "on the host: " + ", ".join(f"{name} {value}" for name, value in settings.items())
    if not metadata.states:
        yield "states", "none: a single-frame model"
    for state in metadata.states:
        shape = " x ".join(map(str, state.shape))
        scale = f", scale {state.scale:g}, zero point {state.zero_point}" if state.scale else ""
        yield "state", f"{state.input} <- {state.output}: {shape} {state.dtype}, reset {state.reset:g}{scale}"
    for grid in metadata.anchors:
        yield "anchors", f"{grid.rows} x {grid.columns} cells, {len(grid.boxes)} boxes each"
    yield (
        "defaults",
        f"score {metadata.score_threshold:g}, IoU {metadata.iou_threshold:g}, {metadata.max_detections} detections"
        f"{', boxes vote' * metadata.box_voting}",
    )
    yield "sha256", metadata.sha256


def _details(details: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in details.items():
        if isinstance(value, dict):
            yield from _details(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
