"""Figures in docs/benchmarks.md: each script replaces its own section and keeps the rest."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path
from edge.benchmark import processor_name
from edge.errors import InputError

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def machine() -> dict[str, str]:
    """The processor and the versions that a figure depends on."""
    import cv2
    import numpy

    return {
        "processor": processor_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": numpy.__version__,
    }


def circumstances(figures: dict[str, Any]) -> str:
    """What figures with `threads` and `machine` depend on, for their report."""
    versions = ", ".join(f"{name} {value}" for name, value in figures["machine"].items())
    return f"{figures['threads']} thread{'s' * (figures['threads'] != 1)} ({versions})"


def write_figures(name: str, figures: dict[str, Any], text: str) -> None:
    """Writes `figures` to docs/results/`name`.json and `text` into the document's section `name`.

    Raises:
        InputError: the document has no such section.
    """
    document = DOCUMENT.read_text(encoding="utf-8")
    section = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not section.search(document):
        raise InputError(f"{DOCUMENT} has no lines <!-- begin {name} --> and <!-- end {name} -->. Add them.")
    with atomic_path(DOCUMENT.parent / "results" / f"{name}.json") as path:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    with atomic_path(DOCUMENT) as path:
        path.write_text(section.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", document), encoding="utf-8")


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first stand right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
