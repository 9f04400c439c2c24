"""A reproduced table as JSON, Markdown and a chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path
from keras_sge.reproduction.report_chart import report_chart

_HEAD = (
    ("row", "---"),
    ("mAP@.5", "---:"),
    ("degraded", "---:"),
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
        folder: is made if need be. document: what `keras_sge.reproduction.Reproduction` reports.
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
        "module. GMAC: convolutions, ten frames. Latency: the .tflite step's median over the first row's, one thread, "
        "turn by turn on one machine. Minutes: training, wall clock, of one seed. *Rows in italics are not in the "
        "paper's table.*",
        "",
        f"Budget: {document['budget']}, seeds {_seeds(rows)}. Protocol: {document['protocol']}.",
        "",
        f"    $ {document['command']} --seeds {_seeds(rows)}",
        "",
    ]
    return "\n".join(lines)


def _seeds(rows: list[dict[str, Any]]) -> str:
    return ",".join(map(str, sorted({seed for row in rows for seed in row["seeds"]})))


def _cells(row: dict[str, Any]) -> list[str]:
    printed = row["printed"] or {}
    return [
        f"*{row['name']}*" if row["ours"] else row["name"],
        _mean(row["map50"], row["map50_std"]),
        _mean(row["map50_degraded"], row["map50_degraded_std"]),
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
