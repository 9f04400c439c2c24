"""What `inspect_file` found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from quantization.inspection.check import FAILED, Check
from quantization.inspection.gpu_run import GpuRun


@dataclass(frozen=True)
class Inspection:
    """All about one file.

    Attributes:
        file, bytes: its path and size. name, precision: from its metadata; empty in files of others.
        operators: rows of `name`, `count`, `versions` and `gpu`: `runs`, `unknown`, or why it is refused.
        parts: bytes by part, see `size_by_part`.
        dtypes: dtype -> `constants` and `computed` tensors, and the constants' `bytes`.
        tensors: rows of `name`, `dtype`, `shape`, `constant`, `scale`, `zero_point`: the precision map.
        states: rows of `name`, `shape`, `dtype`, `scale`, `zero_point`, both ends of each state.
        checks: see `Check`. gpu: the run on a GPU; None where there was none.
    """

    file: str
    bytes: int
    name: str
    precision: str
    operators: list[dict[str, Any]]
    parts: dict[str, int]
    dtypes: dict[str, dict[str, int]]
    tensors: list[dict[str, Any]]
    states: list[dict[str, Any]]
    checks: tuple[Check, ...]
    gpu: GpuRun | None

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings and checks that were skipped do not count."""
        return all(check.verdict != FAILED for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        what = f"{self.name}, {self.precision}" if self.name else "not written by sge export"
        yield f"{self.file}: {self.bytes:,} bytes, {what}"
        yield from ("", f"{'operator':32}{'count':>6}  {'version':8}GPU, by the list")
        for row in self.operators:
            versions = ", ".join(map(str, row["versions"]))
            yield f"{row['name']:32}{row['count']:6}  {versions:8}{row['gpu']}"
        yield from ("", f"{'part':24}{'bytes':>10}")
        yield from (f"{part:24}{size:10,}" for part, size in self.parts.items())
        yield from ("", f"{'precision':14}{'constants':>10}{'bytes':>12}{'computed':>10}")
        for dtype, row in self.dtypes.items():
            yield f"{dtype:14}{row['constants']:10}{row['bytes']:12,}{row['computed']:10}"
        if self.states:
            yield from ("", f"{'state':16}{'shape':18}{'dtype':10}{'scale':>12}{'zero point':>12}")
        for row in self.states:
            shape = " x ".join(map(str, row["shape"]))
            yield f"{row['name']:16}{shape:18}{row['dtype']:10}{row['scale']:12.8g}{row['zero_point']:12}"
        yield ""
        for check in self.checks:
            yield f"{check.verdict:8} {check.name}"
            yield from (f"         {reason}" for reason in check.reasons)
        if self.gpu and self.gpu.errors:
            worst = ", ".join(f"{name} {error:.1e}" for name, error in self.gpu.errors.items())
            yield f"         on {self.gpu.device}, {self.gpu.steps} frames, largest error relative to the CPU: {worst}"
