"""A reproduced table as bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.atomic import atomic_path


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
    ours.set(title=document["data"], xlabel="mAP@.5", yticks=list(places), yticklabels=[row["name"] for row in rows])
    figure.legend(loc="outside lower left", ncols=2)
    if known:
        values, own = zip(*known, strict=True)
        panels[0, 1].barh(own, values, 0.6, color="tab:gray")
        panels[0, 1].set(title="the paper, ImageNet VID", xlabel="mAP@.5")
    for axes in panels[0]:
        shown = [bar.get_width() for bar in axes.patches if bar.get_width() > 0]
        # Rows differ by a few points: a scale from zero would hide that.
        axes.set_xlim(max(0.0, min(shown, default=0) - 0.05), max(shown, default=1) + 0.02)
        axes.grid(axis="x", alpha=0.3)
    ours.invert_yaxis()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
