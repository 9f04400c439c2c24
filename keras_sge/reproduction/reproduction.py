"""A table of the paper, row by row."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import NetworkConfig
from keras_sge.evaluation.protocol import current_words
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.summary import summarize
from keras_sge.progress import Progress, no_progress
from keras_sge.reproduction.report import joined_figures, row_figures, write_report
from keras_sge.reproduction.run import RowRun, Settings, latency_ratio
from keras_sge.reproduction.tables import TABLES, Row

_logger = logging.getLogger(__name__)
FRAMES_OF_A_CLIP = 10


class Reproduction:
    """Trains and measures the rows of a table under equal conditions, and reports after every one of them.

    Args:
        table: a name in `TABLES`. settings: the conditions.
        runs: folder for the run folders, `runs/TABLE/ROW_seedN`. What is in it is gone on with, not done again.
        out: folder for `TABLE.json`, `.md` and `.png`.
        export: (clip model, path) writes the .tflite of one step.
        rows: names of the rows that are wanted; none for all. command: what the report says it was made with, but for
            rows and seeds, which it adds up over calls.

    Raises:
        InputError: an unknown row, the start holds no network, or `out` holds the report of another experiment.
    """

    def __init__(
        self,
        table: str,
        settings: Settings,
        runs: str | Path,
        out: str | Path,
        export: Callable[[Any, Path], Any],
        rows: tuple[str, ...] = (),
        command: str = "",
    ):
        self.name, self.table, self.settings, self.command = table, TABLES[table], settings, command
        self.rows = self.table.chosen(rows)
        self._runs, self._out, self._export = Path(runs) / table, Path(out), export
        start, _ = read_weights(settings.start)
        if start is None:
            raise InputError(
                f"{settings.start} holds a trunk only. Rows start from a trained single-frame detector: a run folder, "
                "a .keras or an .npz file."
            )
        if start.recurrent or start.entropy is not None:
            raise InputError(
                f"{settings.start} is {start.name}, which has a memory or an attention. Rows start from a single-frame "
                "detector: train one with network.memory.kind=reduction, see docs/training.md."
            )
        self._start = start
        self._networks = {row.name: self._network(row) for row in self.rows}
        self._before = self._earlier_rows()

    def run(
        self,
        verbose: int = 1,
        progress: Progress = no_progress,
    ) -> list[dict[str, Any]]:
        """Does what is not done yet.

        Args:
            verbose: Keras' progress bar, see `keras_sge.training.fit`. progress: around the clips of evaluations.

        Returns:
            The rows done, as `row_figures` has them. The report keeps rows and seeds that it had under the same
            conditions.
        """
        done = []
        for number, row in enumerate(self.rows, start=1):
            runs = []
            for seed in self.settings.seeds:
                _logger.info("\n[%d/%d] %s, seed %d", number, len(self.rows), row.name, seed)
                runs.append(self._trained(row, seed, verbose))
            done.append(self._figures(row, runs, progress))
            write_report(self._out, self.name, self._document(self._with_reported(done)))
            _logger.info(_line(done[-1]))
        return done

    def _network(self, row: Row) -> NetworkConfig:
        if row.of is not None:
            row = next(other for other in self.table.rows if other.name == row.of)
        # Named, so that the files under runs/ tell what they are.
        return dataclasses.replace(row.change(self._start), name=row.folder)

    def _trained(self, row: Row, seed: int, verbose: int) -> RowRun:
        network = self._networks[row.name]
        run = RowRun(self._runs / f"{network.name}_seed{seed}", network, self.settings, seed, self._export)
        run.train(verbose)
        return run

    def _figures(self, row: Row, runs: list[RowRun], progress: Progress) -> dict[str, Any]:
        summary = summarize(self._networks[row.name])
        return row_figures(
            {run.config.training.seed: _measured(run, row, progress) for run in runs},
            name=row.name,
            ours=row.ours,
            temporal_params=summary.temporal_params,
            macs_per_clip=FRAMES_OF_A_CLIP * summary.macs_per_frame,
            latency_ratio=self._latency(runs[0]),
            printed=row.printed or None,
        )

    def _latency(self, run: RowRun) -> float | None:
        """Over the table's first row, kept beside the run; None where that was not wanted."""
        first = self.table.rows[0]
        if first.name not in self._networks:
            return None
        baseline = self._runs / f"{self._networks[first.name].name}_seed{self.settings.seeds[0]}" / run.file.name
        if run.file == baseline:
            return 1.0
        path = run.folder / "latency.json"
        if not path.is_file():
            with atomic_path(path) as temporary:
                Path(temporary).write_text(json.dumps({"ratio": latency_ratio(run.file, baseline)}) + "\n")
        return json.loads(path.read_text())["ratio"]

    def _document(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        settings = self.settings
        scored = "every frame of every clip" if settings.frames == "all" else "the reference frame list"
        return {
            "table": self.name,
            "title": self.table.title,
            "data": f"{settings.data_name}, {settings.split}",
            "protocol": f"AP at IoU 0.5, all-point interpolation, {scored}, in order with carried state, of the "
            "float32 .tflite; degraded: half of the frames, seed 1 (docs/evaluation.md)",
            "budget": settings.text(),
            "network": f"{self._start.input_size[1]} x {self._start.input_size[0]}, alpha {self._start.alpha:g}",
            "command": self.command,
            "rows_wanted": len(self.table.rows),
            "rows": rows,
        }

    def _earlier_rows(self) -> list[dict[str, Any]]:
        """The rows of the report that is there already.

        Raises:
            InputError: it was made under other conditions: this one would replace it.
        """
        path = self._out / f"{self.name}.json"
        if not path.is_file():
            return []
        now = self._document([])
        try:
            before = json.loads(path.read_text())
            before["protocol"] = current_words(before["protocol"])
            other = [key for key in ("data", "protocol", "budget", "network") if before[key] != now[key]]
            rows = before["rows"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no report of `sge reproduce`. Give another folder with --out.") from error
        if other:
            raise InputError(
                f"{path} is a report of another experiment: {other[0]} is {before[other[0]]!r} there and "
                f"{now[other[0]]!r} now. Give another folder with --out."
            )
        return rows

    def _with_reported(self, done: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What is done now and what an earlier call reported, in the table's order."""
        rows = {row["name"]: row for row in done}
        for row in self._before:
            name = row["name"]
            rows[name] = joined_figures(row, rows[name]) if name in rows else row
        return [rows[row.name] for row in self.table.rows if row.name in rows]


def _measured(run: RowRun, row: Row, progress: Progress) -> dict[str, float | None]:
    clean, degraded = (run.figures(row.run, degraded, progress) for degraded in (False, True))
    # Figures that were measured before stability was have none.
    switches = clean.get("stability", {}).get("label_switches")
    return {
        "map50": clean["map50"],
        "map50_degraded": degraded["map50"],
        "label_switches": switches,
        "minutes": run.minutes,
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['name']}: mAP {row['map50']:.3f}, degraded {row['map50_degraded']:.3f}, {row['minutes']:.1f} minutes"
