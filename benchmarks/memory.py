"""What a memory is worth: models with and without one over the same videos, clean and degraded, with all rival rows.

Rows: every model as it is and with what anchors saw held; the baseline with class scores averaged over the clip's past
and along tracks; every model with a memory, its state reset at each frame. Each row is run once per seed and its
detections are kept: a run that was stopped goes on, and a new row costs only itself. Written to OUT: NAME.json (rows),
NAME.md (a table) and NAME.png (mAP by position in the clip and by speed).

example:
  python benchmarks/memory.py mnet_ssd=a1.tflite,a2.tflite sge=b1.tflite,b2.tflite --data DIR --split train \\
      --fold 0/4 --degrade singly:1 --degrade bursts:1 --out docs/results --name skyzoom192_fold0
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from document import markdown_table

import edge
from edge.atomic import atomic_path
from edge.model_zoo import model_path
from keras_sge.config import Fold
from keras_sge.data.degradation import Damage
from keras_sge.data.open import open_videos
from keras_sge.evaluation import (
    SCORE_THRESHOLD,
    DetectionRecords,
    Protocol,
    bootstrap,
    open_detector,
    record_detections,
    score_records,
)
from keras_sge.progress import progress_bar

# Of a model's own row and of its rivals'.
_STYLES = ("-", "--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))


def main() -> int:
    """Parses the arguments, runs what is missing, writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="+", metavar="NAME=FILE[,FILE...]", help="one .tflite per seed; the baseline first"
    )
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--split", default="val", metavar="NAME")
    parser.add_argument("--fold", metavar="K/N", help="only the recordings that fold K of N holds back")
    parser.add_argument(
        "--degrade",
        action="append",
        metavar="[PATTERN:]SEED",
        help="degraded frames beside the clean ones, see sge evaluate; may be repeated (default: singly:1)",
    )
    parser.add_argument("--out", default="docs/results", metavar="DIR")
    parser.add_argument("--name", default="memory", help="of the files written (default: memory)")
    parser.add_argument("--records", default="runs/records", metavar="DIR", help="detections kept from run to run")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    arguments = parser.parse_args()
    try:
        models = dict(_model(text) for text in arguments.models)
        arguments.degrade = [str(Damage.parse(text)) for text in arguments.degrade or ["singly:1"]]
        rows = measure(models, arguments)
    except edge.InputError as error:
        print(f"memory.py: error: {error}", file=sys.stderr)
        return 2
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "models": {name: [model_path(file).stem for file in files] for name, files in models.items()},
        "rows": rows,
    }
    with atomic_path(out / f"{arguments.name}.json") as temporary:
        Path(temporary).write_text(json.dumps(document, indent=1) + "\n")
    with atomic_path(out / f"{arguments.name}.md") as temporary:
        Path(temporary).write_text(table(rows))
    chart(rows, out / f"{arguments.name}.png")
    print(table(rows))
    return 0


def measure(models: dict[str, list[str]], arguments: argparse.Namespace) -> list[dict[str, object]]:
    """One row for each model and way of running it, clean and degraded, against the baseline of the same seed."""
    baseline = next(iter(models))
    rows, first = [], {}
    for name, files in models.items():
        ways: dict[str, dict[str, object]] = {name: {}, f"{name}, hold": {"rival": "hold"}}
        if name == baseline:
            ways |= {f"{name}, scores averaged by {kind}": {"rival": kind} for kind in ("clip", "track")}
        if any(open_detector(file).metadata.states for file in files):
            ways[f"{name}, reset every frame"] = {"reset_every_frame": True}
        for row_name, way in ways.items():
            row: dict[str, object] = {"name": row_name}
            for condition in ("clean", *arguments.degrade):
                degrade = None if condition == "clean" else condition
                records = [run(file, way, degrade, arguments) for file in files]
                if row_name == baseline:
                    first[condition] = records
                row[condition] = _figures(records, None if row_name == baseline else first[condition])
            rows.append(row)
    return rows


def run(file: str, way: dict[str, object], degrade: str | None, arguments: argparse.Namespace) -> DetectionRecords:
    """The records of one model run one way, from the last time or anew."""
    data = Path(arguments.data).resolve().name
    content = hashlib.sha256(model_path(file).read_bytes() + str(Path(arguments.data).resolve()).encode())
    protocol = Protocol(
        data=f"{data}, {arguments.split}",
        fold=Fold.parse(arguments.fold),
        degrade=degrade,
        **way,
    )
    words = [
        model_path(file).stem,
        content.hexdigest()[:12],
        arguments.split,
        (arguments.fold or "all").replace("/", "of"),
        str(degrade).replace(":", ""),
        *way.values(),
    ]
    path = Path(arguments.records) / f"{'-'.join(map(str, words))}.npz"
    if path.is_file():
        return DetectionRecords.load(path)
    detector = open_detector(file, arguments.threads, SCORE_THRESHOLD)
    videos = open_videos(arguments.data, arguments.split)
    records = record_detections(detector, videos, protocol, progress_bar("clip", path.stem))
    path.parent.mkdir(parents=True, exist_ok=True)
    records.save(path)
    return records


def _figures(records: list[DetectionRecords], baseline: list[DetectionRecords] | None) -> dict[str, object]:
    results = [score_records(one) for one in records]
    figures: dict[str, object] = {
        "map50": float(np.mean([result.map50 for result in results])),
        "map50_by_seed": [result.map50 for result in results],
        "map50_spread": _mean([result.map50_spread for result in results]),
        "stability": _mean([result.stability for result in results]),
        "ap50": _mean([result.ap50 for result in results]),
        "frame_index": _mean([result.frame_index for result in results]),
        "motion": _mean([result.motion for result in results]),
        "motion_weighted": _mean([result.motion_weighted for result in results]),
        "best_f1": float(np.mean([result.best_f1["f1"] for result in results])),
        "errors": _mean([result.errors for result in results]),
        "protocol": results[0].protocol,
    }
    if baseline is not None:
        pairs = [bootstrap(model, reference) for model, reference in zip(records, baseline, strict=False)]
        figures["minus_baseline"] = [
            {"difference": pair.difference, "interval": pair.interval, "share_above_zero": pair.share_above_zero}
            for pair in pairs
        ]
    return figures


def _mean(parts: list[dict[str, float | None]]) -> dict[str, float | None]:
    return {
        key: None if any(part[key] is None for part in parts) else float(np.mean([part[key] for part in parts]))
        for key in parts[0]
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown: mAP@0.5 with its spread over seeds, the standard deviation over blocks of recordings, the
    difference from the baseline with its interval, and label switches per 100 frames of a track."""
    conditions = [key for key in rows[0] if key != "name"]
    header = ["row"]
    for condition in conditions:
        header += [f"{condition}: mAP@0.5", "over blocks", "minus baseline [95%]", "label switches"]
    cells = [[cell for condition in conditions for cell in _cells(row[condition])] for row in rows]
    return markdown_table(header, [[str(row["name"]), *values] for row, values in zip(rows, cells, strict=True)]) + "\n"


def _cells(figures: dict[str, object]) -> list[str]:
    seeds = figures["map50_by_seed"]
    spread = f" ± {np.std(seeds, ddof=1):.3f}" if len(seeds) > 1 else ""
    pairs = "; ".join(
        f"{pair['difference']:+.3f} [{pair['interval'][0]:+.3f}, {pair['interval'][1]:+.3f}]"
        for pair in figures.get("minus_baseline", [])
    )
    blocks, switches = figures["map50_spread"].get("std"), figures["stability"]["label_switches"]
    return [
        f"{figures['map50']:.3f}{spread}",
        "-" if blocks is None else f"{blocks:.3f}",
        pairs or "-",
        "-" if switches is None else f"{switches:.2f}",
    ]


def chart(rows: list[dict[str, object]], path: Path) -> None:
    """mAP@0.5 by position in the clip and by speed, clean and degraded, a line or a group of bars for each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    conditions = [key for key in rows[0] if key != "name"]
    size = 5.5 * len(conditions), 7
    figure, axes = plt.subplots(2, len(conditions), figsize=size, sharey="row", squeeze=False, layout="constrained")
    colors = plt.get_cmap("tab10").colors
    # A rival row has its model's color, broken.
    names = [row["name"].partition(",")[0] for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    for column, condition in enumerate(conditions):
        for number, (row, model) in enumerate(zip(rows, names, strict=True)):
            color, style = colors[numbers[model] % 10], _STYLES[names[:number].count(model)]
            positions = row[condition]["frame_index"]
            axes[0, column].plot(
                list(positions), list(positions.values()), linestyle=style, marker="o", color=color, label=row["name"]
            )
            speeds = row[condition]["motion_weighted"]
            centers = np.arange(len(speeds)) + (number - (len(rows) - 1) / 2) * 0.8 / len(rows)
            values = [value or 0 for value in speeds.values()]
            axes[1, column].bar(centers, values, 0.8 / len(rows), color=color, alpha=1 if style == "-" else 0.5)
        axes[0, column].set(title=condition, xlabel="frame of the clip")
        axes[1, column].set(xlabel="speed of the object", xticks=range(len(speeds)), xticklabels=list(speeds))
        for axis in axes[:, column]:
            axis.grid(axis="y", alpha=0.3)
    axes[0, 0].set_ylabel("mAP@0.5")
    axes[1, 0].set_ylabel("mAP@0.5 (motion_weighted)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _model(text: str) -> tuple[str, list[str]]:
    name, equals, files = text.partition("=")
    if not equals or not name or not files:
        raise edge.InputError(f"a model is NAME=FILE, or NAME=FILE,FILE with one file per seed. Received: {text!r}")
    return name, files.split(",")


if __name__ == "__main__":
    sys.exit(main())
