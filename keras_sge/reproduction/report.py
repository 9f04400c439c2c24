"""The report of a table: figures over seeds, as JSON, as Markdown and as a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import atomic_path

_OF_A_SEED = ("map50", "map50_degraded", "label_switches", "minutes")
# Those that reports of before lack.
_NEW = ("label_switches",)
_HEAD = (
    ("row", "---"),
    ("mAP@0.5", "---:"),
    ("degraded", "---:"),
    ("label switches", "---:"),
    ("T-params", "---:"),
    ("GMAC a clip", "---:"),
    ("latency", "---:"),
    ("minutes", "---:"),
    ("printed mAP", "---:"),
    ("printed T-params", "---:"),
    ("printed GMAC", "---:"),
)


def write_report(folder: str | Path, name: str, document: dict[str, Any]) -> None:
    """Writes `name.json`, `name.md` and `name.png`, each whole or not at all.

    Args:
        folder: is made if need be. document: what `keras_sge.reproduction.reproduction.Reproduction` reports.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / f"{name}.json") as temporary:
        Path(temporary).write_text(json.dumps(document, indent=1) + "\n")
    with atomic_path(folder / f"{name}.md") as temporary:
        Path(temporary).write_text(report_text(name, document))
    report_chart(document, folder / f"{name}.png")


def report_text(name: str, document: dict[str, Any]) -> str:
    """The table for people, as Markdown."""
    rows, wanted = document["rows"], document["rows_wanted"]
    names, rules = zip(*_HEAD, strict=True)
    lines = [
        f"# {document['title']}",
        "",
        f"Measured on {document['data']}, {document['network']}; the printed columns are the paper's, ImageNet VID at "
        "320 x 320: compare orders and differences, not values.",
        "",
        *(
            [f"**{len(rows)} of {wanted} rows so far**; the command goes on where it stopped.", ""]
            * (len(rows) < wanted)
        ),
        f"| {' | '.join(names)} |",
        f"|{'|'.join(rules)}|",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
        "",
        f"![{document['title']}]({name}.png)",
        "",
        "+- is the standard deviation over seeds; rows without it have one seed. T-params: kernels of the temporal "
        "module. Label switches: per 100 frames of a track, on clean frames. GMAC: convolutions, ten frames. Latency: "
        "the .tflite step's median over the first row's, one thread, turn by turn on one machine. Minutes: training, "
        "wall clock, of one seed. *Rows in italics are not in the paper's table.*",
        "",
        f"Budget: {document['budget']}, seeds {_seeds(rows)}. Protocol: {document['protocol']}.",
        "",
        f"    $ {document['command']} --seeds {_seeds(rows)}",
        "",
    ]
    return "\n".join(lines)


def report_chart(document: dict[str, Any], path: str | Path) -> None:
    """Draws mAP of every row, clean and degraded with the spread over seeds, and beside it what the paper prints, if
    it has any of these rows.

    Args:
        document: see `write_report`. path: the picture to write.
    """
    from matplotlib.figure import Figure

    rows = document["rows"]
    known = [((row["printed"] or {}).get("map50"), place) for place, row in enumerate(rows)]
    known = [(value, place) for value, place in known if value is not None]
    figure = Figure(figsize=(11 if known else 7.5, 1.6 + 0.45 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 2 if known else 1, sharey=True, width_ratios=(2, 1)[: 2 if known else 1], squeeze=False)
    ours = panels[0, 0]
    places = range(len(rows))
    for shift, key, label in ((-0.2, "map50", "clean"), (0.2, "map50_degraded", "degraded")):
        ours.barh(
            [place + shift for place in places],
            [row[key] for row in rows],
            0.38,
            xerr=[row[f"{key}_std"] or 0 for row in rows],
            label=label,
        )
    ours.set(title=document["data"], xlabel="mAP@0.5", yticks=list(places), yticklabels=[row["name"] for row in rows])
    figure.legend(loc="outside lower left", ncols=2)
    if known:
        values, own = zip(*known, strict=True)
        panels[0, 1].barh(own, values, 0.6, color="tab:gray")
        panels[0, 1].set(title="the paper, ImageNet VID", xlabel="mAP@0.5")
    for axes in panels[0]:
        shown = [bar.get_width() for bar in axes.patches if bar.get_width() > 0]
        # Rows differ by a few points: a scale from zero would hide that.
        axes.set_xlim(max(0.0, min(shown, default=0) - 0.05), max(shown, default=1) + 0.02)
        axes.grid(axis="x", alpha=0.3)
    ours.invert_yaxis()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def row_figures(by_seed: Mapping[int, Mapping[str, float | None]], **facts: Any) -> dict[str, Any]:
    """One entry of a report's `rows`.

    Args:
        by_seed: `map50`, `map50_degraded`, `label_switches` (or None) and `minutes` of each seed. facts: what seeds
            share.

    Returns:
        The facts; `seeds` in order; each figure's values as `map50_by_seed` and so on, its mean as `map50`, and the
        standard deviation of the two accuracies as `map50_std`, None for a single seed. Without a number it is None.
    """
    seeds = sorted(by_seed)
    row = {**facts, "seeds": seeds}
    for name in _OF_A_SEED:
        values = [by_seed[seed][name] for seed in seeds]
        known = [value for value in values if value is not None]
        row |= {name: float(np.mean(known)) if known else None, f"{name}_by_seed": values}
        if name.startswith("map50"):
            row[f"{name}_std"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return row


def joined_figures(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is now, with the seeds that only an earlier report has.

    The latency stays the earlier one's where it was not measured again.
    """
    facts = {name: value for name, value in now.items() if not name.startswith(_OF_A_SEED) and name != "seeds"}
    if facts["latency_ratio"] is None:
        facts["latency_ratio"] = before["latency_ratio"]
    return row_figures(_by_seed(before) | _by_seed(now), **facts)


def _by_seed(row: Mapping[str, Any]) -> dict[int, dict[str, float | None]]:
    return {
        seed: {
            name: row[f"{name}_by_seed"][place] if f"{name}_by_seed" in row or name not in _NEW else None
            for name in _OF_A_SEED
        }
        for place, seed in enumerate(row["seeds"])
    }


def _seeds(rows: list[dict[str, Any]]) -> str:
    return ",".join(map(str, sorted({seed for row in rows for seed in row["seeds"]})))


def _cells(row: dict[str, Any]) -> list[str]:
    printed = row["printed"] or {}
    return [
        f"*{row['name']}*" if row["ours"] else row["name"],
        _mean(row["map50"], row["map50_std"]),
        _mean(row["map50_degraded"], row["map50_degraded_std"]),
        _if_there(row.get("label_switches"), ".2f"),
        f"{row['temporal_params']:,}" if row["temporal_params"] else "-",
        f"{row['macs_per_clip'] / 1e9:.2f}",
        "-" if row["latency_ratio"] is None else f"{row['latency_ratio']:.2f}",
        f"{row['minutes']:.1f}",
        _if_there(printed.get("map50"), ".3f"),
        _if_there(printed.get("temporal_params"), ".2f", 1e-6, " M"),
        _if_there(printed.get("macs_per_clip"), ".2f", 1e-9),
    ]


def _mean(value: float, spread: float | None) -> str:
    return f"{value:.3f}" + (f" +- {spread:.3f}" if spread is not None else "")


def _if_there(value: float | None, form: str, scale: float = 1, unit: str = "") -> str:
    return "-" if value is None else f"{value * scale:{form}}{unit}"
