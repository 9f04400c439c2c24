"""One row of a table: the conditions that all rows share, its training, its figures."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from edge.metadata import read_model
from edge.runtimes.runtime import open_runtime
from keras_sge.config import AugmentationConfig, Config, DataConfig, NetworkConfig, TrainingConfig
from keras_sge.data import synthetic_split
from keras_sge.data.open import open_videos
from keras_sge.evaluation import SCORE_THRESHOLD, Protocol, evaluate, open_detector
from keras_sge.models import load_model
from keras_sge.progress import Progress
from keras_sge.training import RunFolder, train

_EPOCHS, _BATCH = 5, 4
_ANY_NETWORK = NetworkConfig("any", ("a",))
_WARM_UP = 5
DEGRADED_SEED = 1
# ImageNet VID takes a while to index, and every row asks twice.
_opened = functools.cache(open_videos)


@dataclass(frozen=True)
class Settings:
    """The equal conditions of a table's rows.

    Attributes:
        data: a data set's directory; None for the built-in synthetic set, 200 training and 20 validation videos.
        split: of the evaluation; rows are trained on `train`.
        start: the single-frame checkpoint that every row starts from.
        clips: training clips of ten frames for every row. seeds: of the trainings; figures are their means.
        frames: which frames are scored, `all` or `reference`, see `keras_sge.evaluation.Protocol`.
        freeze_until: trunk layers up to this one keep the start's weights; None trains all.

    Raises:
        InputError: a value out of its range.
    """

    data: str | None
    start: str
    clips: int = 2000
    seeds: tuple[int, ...] = (1,)
    split: str = "val"
    frames: str = "all"
    freeze_until: str | None = "conv6"

    def __post_init__(self):
        if self.clips < 1:
            raise InputError(f"a row needs at least 1 training clip. Received: {self.clips}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds must be different numbers, at least one. Received: {list(self.seeds)}")

    @property
    def data_name(self) -> str:
        """For reports: the directory's own name, or the built-in set's."""
        return Path(self.data).resolve().name if self.data else "built-in synthetic set"

    def config(self, network: NetworkConfig, seed: int) -> Config:
        """The experiment that trains `network`."""
        batch = min(_BATCH, self.clips)
        steps = -(-self.clips // batch)
        epochs = min(_EPOCHS, steps)
        return Config(
            network=network,
            data=DataConfig(path=self.data, validation_split=self.split, videos=200, validation_videos=20),
            training=TrainingConfig(
                epochs=epochs,
                steps_per_epoch=-(-steps // epochs),
                batch_size=batch,
                clip_length=10,
                learning_rate=5e-4,
                # Of some hundred steps the average must not remember the first.
                average=0.99,
                start_from=self.start,
                freeze_until=self.freeze_until,
                validation_steps=0,
                seed=seed,
                augmentation=AugmentationConfig(
                    zoom=(0.6, 1.6), shift=0.2, color=0.4, blur=1.5, drop=0.05, degrade=0.3
                ),
            ),
        )

    def text(self) -> str:
        """The budget of a row and seed in words."""
        training = self.config(_ANY_NETWORK, self.seeds[0]).training
        clips = training.epochs * training.steps_per_epoch * training.batch_size
        frozen = f"trunk frozen up to {self.freeze_until}" if self.freeze_until else "all layers trained"
        return (
            f"every row starts from {Path(self.start).name} and is trained on {clips:,} clips of "
            f"{training.clip_length} frames ({frozen}, RMSprop {training.learning_rate:g}, batch "
            f"{training.batch_size}, weights averaged)"
        )


class RowRun:
    """The run folder of one network and seed.

    Args:
        folder: `sge train`'s run folder; `step.tflite`, `trained.json` and the figures stand beside the model.
        network: the row's. settings: the table's. seed: of the training.
        export: (clip model, path) writes the .tflite of one step; `quantization.Exporter`, which this package
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
            self.export(load_model(self.folder), self.file)

    @property
    def minutes(self) -> float:
        """What the training took, all parts of it, of wall clock."""
        return json.loads(self._trained.read_text())["minutes"]

    def figures(self, run: dict[str, Any], degraded: bool, progress: Progress) -> dict[str, Any]:
        """The figures of the .tflite, see `EvaluationResult.to_dict`, from the folder where it was measured before.

        Args:
            run: arguments of `Protocol`. degraded: whether half of the frames are degraded. progress: around the clips.
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
            evaluate(detector, self._videos(), protocol, progress).write_json(path)
        figures = json.loads(path.read_text())
        if figures["map50"] is None:
            raise InputError(f"no object in {protocol.data}: there is nothing to measure on.")
        return figures

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


def latency_ratio(path: str | Path, baseline: str | Path, rounds: int = 60) -> float:
    """Median time of the network of one .tflite over that of another, one thread each, turn by turn.

    Turn by turn, so that what else the machine does meets both; it is a ratio, and says nothing of another machine.
    """
    steps = [_step(path), _step(baseline)]
    times = np.empty((rounds + _WARM_UP, 2))
    for turn in times:
        for number, (runtime, inputs) in enumerate(steps):
            start = perf_counter()
            runtime(inputs)
            turn[number] = perf_counter() - start
    own, baseline_time = np.median(times[_WARM_UP:], axis=0)
    return float(own / baseline_time)


def _step(path):
    flatbuffer, metadata = read_model(path)
    rng = np.random.default_rng(0)
    inputs = {"image": rng.uniform(-1, 1, (1, metadata.height, metadata.width, 3)).astype(np.float32)}
    if metadata.entropy:
        rows, columns = (-(-side // metadata.entropy.stride) for side in (metadata.height, metadata.width))
        inputs["attention"] = rng.uniform(0.5, 0.96, (1, rows, columns, 1)).astype(np.float32)
    inputs |= {state.input: np.zeros(state.shape, np.float32) for state in metadata.states}
    return open_runtime(flatbuffer, metadata, threads=1), inputs
