"""A comparison as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from quantization.comparison.comparison import ComparedFile, Comparison
from quantization.comparison.long_run import WINDOW
from quantization.validation import Agreement

_WORST_LAYERS = 10


def markdown(comparison: Comparison, pictures: Sequence[str]) -> str:
    """The whole report; `pictures` are file names beside it."""
    return "\n".join(_lines(comparison, pictures)) + "\n"


def _lines(comparison: Comparison, pictures: Sequence[str]) -> Iterator[str]:
    first, others = comparison.files[0], comparison.files[1:]
    yield f"# {', '.join(file.name for file in comparison.files)}"
    yield from ("", f"`{comparison.command}`", "", f"{comparison.data}. Times: {comparison.machine}.")
    yield f"Everything is held against the first file, {first.name}."
    yield from ("", "## Size and accuracy", "")
    head = ["file", "precision", "bytes", "without metadata", "ratio", "mAP@0.5", "minus first [95%]", "best F1"]
    yield from _table(head, (_size_row(file, first) for file in comparison.files))
    for title, which in (("frame since the reset", "frame_index"), ("speed", "motion_weighted")):
        yield from ("", f"mAP@0.5 by {title}:", "")
        names = list(getattr(first.accuracy, which))
        rows = ([file.name, *map(_number, getattr(file.accuracy, which).values())] for file in comparison.files)
        yield from _table(["file", *names], rows)
    yield from _latency(comparison)
    yield from _agreements(comparison)
    if any(file.run is not None for file in comparison.files):
        yield from _state(comparison)
    for file in others:
        if file.layers:
            yield from _layers(file)
    yield from ("", "## Pictures", "")
    yield from (f"![{name}]({name})\n" for name in pictures)
    yield first.accuracy.protocol + "."


def _size_row(file: ComparedFile, first: ComparedFile) -> list[str]:
    difference = "-"
    if file.difference:
        low, high = file.difference.interval
        difference = f"{file.difference.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
    figures = [f"{file.bytes:,}", f"{file.weights:,}", f"1/{first.weights / file.weights:.2f}"]
    return [
        file.name,
        file.precision,
        *figures,
        f"{file.accuracy.map50:.4f}",
        difference,
        _number(file.accuracy.best_f1["f1"]),
    ]


def _latency(comparison: Comparison) -> Iterator[str]:
    settings = list(comparison.files[0].latency)
    yield from ("", "## Latency", "")
    yield "Milliseconds of one invocation: median, least, and in brackets the median of its ratio to the first file in"
    yield "the same round; the files take turns. On a busy machine only the least says something."
    yield ""
    head = ["file", *(f"{runtime}, {threads} thread{'s' * (threads > 1)}" for runtime, threads in settings)]
    rows = []
    for file in comparison.files:
        figures = [file.latency[setting] for setting in settings]
        cells = [f"{times['median']:.2f}, {times['least']:.2f} ({times['ratio']:.2f})" for times in figures]
        rows.append([file.name, *cells])
    yield from _table(head, rows)


def _agreements(comparison: Comparison) -> Iterator[str]:
    yield from ("", "## Do they find the same?", "")
    yield f"Detections above the model's threshold on {comparison.agreement_frames} frames in clips, partners of the"
    yield "same class at IoU 0.5 or more. Within: share of the partners that keep both limits."
    yield ""
    head = ["of", "against", "detections", "matched", "within", "limits", "least IoU", "mean IoU"]
    head += ["largest score difference", "mean score difference"]
    rows = []
    for file in comparison.files:
        if file.agreement:
            rows.append([file.name, comparison.files[0].name, *_agreement(file.agreement)])
        rows += [[file.name, f"itself on {name}", *_agreement(found)] for name, found in file.runtimes.items()]
    yield from _table(head, rows)


def _agreement(found: Agreement) -> list[str]:
    return [
        f"{found.detections:,}",
        f"{found.matched:.2%}",
        f"{found.within:.2%}",
        f"IoU {found.limits[0]:g}, score {found.limits[1]:g}",
        f"{found.least_iou:.4f}",
        f"{found.mean_iou:.4f}",
        f"{found.largest_score_difference:.4f}",
        f"{found.mean_score_difference:.4f}",
    ]


def _state(comparison: Comparison) -> Iterator[str]:
    first = comparison.files[0].run
    frames = (len(first.mean_difference) if first else 0) or comparison.frames
    yield from ("", f"## The state over {frames:,} frames without a reset", "")
    yield "Cells are in units of what int8 files can say, -1 to 1."
    yield "Near limit: share of cells beyond 0.98. At limit: at the first or last value of int8, or where rounding"
    yield "would put a float. Clipped: at that limit while the first file's cell is within 0.98. Frozen: still for"
    yield f"{WINDOW} frames while the first file's cell moves by more than 1/128. Means over all frames; in brackets"
    yield "the worst frame or window."
    yield ""
    head = ["file", "mean difference", "largest", "correlation (first, last 10%)", "near limit", "at limit"]
    head += ["clipped", "frozen"]
    rows = []
    for file in comparison.files:
        run = file.run
        if run is None or not run.mean_difference.size:
            continue
        tenth = max(1, len(run.correlation) // 10)
        rows.append(
            [
                file.name,
                f"{run.mean_difference.mean():.4f} ({run.mean_difference.max():.4f})",
                f"{run.largest_difference.max():.3f}",
                f"{np.nanmean(run.correlation[:tenth]):.4f}, {np.nanmean(run.correlation[-tenth:]):.4f}",
                f"{run.near_limit.mean():.2%} ({run.near_limit.max():.2%})",
                f"{run.at_limit.mean():.2%} ({run.at_limit.max():.2%})",
                f"{run.clipped.mean():.2%} ({run.clipped.max():.2%})",
                f"{run.frozen.mean():.2%} ({run.frozen.max():.2%})" if run.frozen.size else "-",
            ]
        )
    yield from _table(head, rows)
    if comparison.laps > 1:
        yield from ("", "mAP@0.5 of each lap over the same frames, the state carried from lap to lap:", "")
        laps = [[file.name, *(f"{value:.4f}" for value in file.run.laps)] for file in comparison.files if file.run]
        yield from _table(["file", *map(str, range(1, comparison.laps + 1))], laps)


def _layers(file: ComparedFile) -> Iterator[str]:
    worst = sorted(file.layers, key=lambda row: row.sqnr)[:_WORST_LAYERS]
    yield from ("", f"## Layers of {file.name}: {len(file.layers)} compared, the {len(worst)} worst", "")
    rows = ([r.layer, r.part, r.operator, r.dtype, f"{r.sqnr:.1f}", f"{r.relative:.2%}"] for r in worst)
    yield from _table(["layer", "part", "operator", "dtype", "SQNR dB", "mean error"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
