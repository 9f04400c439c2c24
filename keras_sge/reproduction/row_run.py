"""One row's network with one seed: trained, exported, measured; what is done already is not done again."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import NetworkConfig
from keras_sge.data import synthetic_split
from keras_sge.data.open_videos import open_videos
from keras_sge.evaluation import SCORE_THRESHOLD, Protocol, evaluate, open_detector
from keras_sge.models import load_clip_model
from keras_sge.reproduction.settings import Settings
from keras_sge.training import RunFolder, train

DEGRADED_SEED = 1
# ImageNet VID takes a while to index, and every row asks twice.
_opened = functools.cache(open_videos)


class RowRun:
    """The run folder of one network and seed.

    Args:
        folder: `sge train`'s run folder; `step.tflite`, `trained.json` and the figures stand beside the model.
        network: the row's. settings: the table's. seed: of the training.
        export: (clip model, path) writes the .tflite of one step; `quantization.export.export`, which this package
            must not import.
    """

    def __init__(
        self,
        folder: Path,
        network: NetworkConfig,
        settings: Settings,
        seed: int,
        export: Callable[[Any, Path], Any],
    ):
        self.folder, self.settings, self.export = folder, settings, export
        self.config = settings.config(network, seed)
        self.file, self._trained = folder / "step.tflite", folder / "trained.json"

    def train(self, verbose: int = 1) -> None:
        """Trains and exports, or goes on where it was stopped.

        Raises:
            InputError: the folder holds a run of other settings.
        """
        run = RunFolder(self.folder)
        started = run.model.is_file()
        if started:
            run.check_resumable(self.config)
        if not self._trained.is_file():
            if not started:
                # A run that was stopped before its first checkpoint.
                run.config.unlink(missing_ok=True)
            start, before = time.monotonic(), self._minutes_before()
            try:
                train(self.config, self.folder, resume=started, verbose=verbose)
            finally:
                if self.folder.is_dir():
                    self._write("stopped.json", {"minutes": before + (time.monotonic() - start) / 60})
            self._write(self._trained.name, {"minutes": self._minutes_before()})
            keras.backend.clear_session(free_memory=True)
        if not self.file.is_file():
            self.export(load_clip_model(self.folder), self.file)

    @property
    def minutes(self) -> float:
        """What the training took, all parts of it, of wall clock."""
        return json.loads(self._trained.read_text())["minutes"]

    def map50(self, run: dict[str, Any], degraded: bool, progress: Callable[[Iterable[Any]], Iterable[Any]]) -> float:
        """mAP@.5 of the .tflite, from the folder where it was measured before.

        Args:
            run: arguments of `Protocol`. degraded: whether half of the frames are spoilt. progress: around the clips.
        """
        settings = self.settings
        protocol = Protocol(
            data=f"{settings.data_name}, {settings.split}",
            degrade=DEGRADED_SEED if degraded else None,
            frames=settings.frames,
            **run,
        )
        how = "_".join(f"{name}_{value}" for name, value in sorted(run.items()))
        name = "_".join(filter(None, ["degraded" if degraded else "clean", settings.split, settings.frames, how]))
        path = self.folder / f"{name.lower()}.json"
        if not path.is_file():
            detector = open_detector(self.file, 2, SCORE_THRESHOLD)
            evaluate(detector, self._videos(), progress, protocol).write_json(path)
        value = json.loads(path.read_text())["map50"]
        if value is None:
            raise InputError(f"no object in {protocol.data}: there is nothing to measure on.")
        return value

    def _videos(self):
        settings = self.settings
        if settings.data:
            return _opened(settings.data, settings.split)
        return synthetic_split(settings.split, max(self.config.network.input_size), self.config.data.validation_videos)

    def _minutes_before(self) -> float:
        path = self.folder / "stopped.json"
        return json.loads(path.read_text())["minutes"] if path.is_file() else 0.0

    def _write(self, name: str, document: dict[str, Any]) -> None:
        with atomic_path(self.folder / name) as temporary:
            Path(temporary).write_text(json.dumps(document) + "\n")
