"""Training through the public door: run folders, stages, frozen layers, starting weights."""

import csv
import dataclasses
import importlib
import itertools
import os
import re
import subprocess
import sys
import types

import cv2
import keras
import numpy as np
import pytest
from tiny import SINGLE, assert_same_weights, eager, epochs_logged, experiment, randomize, tiny_config, weights_by_name

from edge.errors import InputError
from keras_sge.config import DataConfig, load_config
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import open_dataset, synthetic_split
from keras_sge.data.views import CachedVideos
from keras_sge.evaluation import SCORE_THRESHOLD, evaluate, open_detector
from keras_sge.models import SGENet, load_model
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.topology import weight_name
from keras_sge.models.weights import save_weights
from keras_sge.training import train
from keras_sge.training.callbacks import DataWait, Forecast
from keras_sge.training.fit import stage_of, with_clip_length

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """Weights that stand for trained ones: layers that are not trained must come from somewhere."""
    path = tmp_path_factory.mktemp("start") / "trunk.npz"
    save_weights(randomize(SGENet(tiny_config())), path)
    return path


CACHES = []


@pytest.fixture(scope="module")
def finished(eagerly, tmp_path_factory, trunk):
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = {"freeze_until": "conv3", "start_from": str(trunk), "start_layers": "conv"}
    config = experiment(single_frame_epochs=1, evaluation_epochs=2, evaluation_frames=12, **settings)
    module = importlib.import_module("keras_sge.training.fit")

    def cached(*arguments):
        CACHES.append(CachedVideos(*arguments))
        return CACHES[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CachedVideos", cached)
        return folder, config, train(config, folder, verbose=0)


def test_a_finished_run_gives_the_decoded_frames_back(finished):
    assert [cache.cached_bytes for cache in CACHES] == [0]


def test_a_run_leaves_a_model_a_log_and_its_configuration(finished):
    folder, config, model = finished
    assert epochs_logged(folder) == [0, 1]
    assert load_config(folder / "config.yaml") == config
    assert_same_weights(load_model(folder), model)
    assert not list(folder.glob(".*part*"))


def test_single_frames_come_first_with_the_same_number_of_frames_a_step():
    training = experiment(epochs=5, single_frame_epochs=2).training
    first, second = stage_of(training, 0), stage_of(training, 2)
    assert (first.clip_length, first.batch_size, first.epochs) == (1, 6, 2)
    assert second == training


def moved_layers(model, start):
    """Names of the trunk's layers whose weights are no longer those of the start, and of all others."""
    before = read_weights(start)[1]
    named = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}
    taken = {name for name in named if name.startswith("conv")}
    return {name.split("/")[0] for name in named if name not in taken or not np.array_equal(named[name], before[name])}


def test_frozen_layers_keep_their_weights_and_the_others_move(finished, trunk):
    moved = moved_layers(finished[2], trunk)
    assert not {name for name in moved if re.fullmatch(r"conv[123](_.*)?", name)}
    assert {"conv4_depthwise", "conv13_pointwise"} <= moved


def test_frozen_batch_norms_of_the_trunk_keep_everything_and_its_convolutions_move(tmp_path, trunk):
    settings = {"freeze_batch_norm": True, "start_from": str(trunk), "start_layers": "conv"}
    config = experiment(SINGLE, epochs=1, validation_steps=0, **settings)
    moved = moved_layers(train(config, tmp_path / "run", verbose=0), trunk)
    assert not {name for name in moved if re.fullmatch(r"conv\d+.*_bn", name)}
    assert {"conv4_depthwise", "conv13_pointwise"} <= moved


def test_the_average_is_what_is_kept(tmp_path, monkeypatch):
    step, after = DataWait.on_train_batch_end, []

    def remember(callback, batch, logs=None):
        step(callback, batch, logs)
        after.append(weights_by_name(callback.model))

    monkeypatch.setattr(DataWait, "on_train_batch_end", remember)
    config = experiment(SINGLE, epochs=1, validation_steps=0, warmup=None, average=0.75)
    names = [weight.path for weight in train(config, tmp_path / "run", verbose=0).trainable_weights]
    (one, two), stored = after, weights_by_name(load_model(tmp_path / "run"))
    assert max(np.abs(two[name] - one[name]).max() for name in names) > 1e-3
    for name in names:
        np.testing.assert_allclose(stored[name], 0.75 * one[name] + 0.25 * two[name], atol=1e-5)


def test_the_log_says_how_long_training_waited(finished):
    folder, *_ = finished
    waits = [float(row["data_wait"]) for row in csv.DictReader((folder / "log.csv").open())]
    assert all(0 <= wait <= 1 for wait in waits)


def test_waiting_is_counted_from_the_end_of_a_step_to_its_batch(monkeypatch):
    clock = iter([1.0, 4.0, 5.0])
    monkeypatch.setattr("keras_sge.training.callbacks.time.perf_counter", lambda: next(clock))
    loader = types.SimpleNamespace(first=6, ready={6: 0.5, 7: 2.0, 8: 3.0})
    wait, logs = DataWait(loader), {}
    wait.on_train_begin()
    wait.on_epoch_begin(3)
    for batch in range(3):
        wait.on_train_batch_end(batch)
    wait.on_epoch_end(3, logs)
    # The second batch came 1 s after the first step's end at 1, the third before the second's end at 4.
    assert logs["data_wait"] == pytest.approx(1.0 / 4.0)


@pytest.mark.parametrize(
    ("step", "steps", "expected"),
    [
        (2.0, 731, "about 24 minutes to go, until .*: 720 steps of 2 s"),
        (0.25, 51, "about 10 seconds to go, until .*: 40 steps of 0.25 s"),
        (3.0, 100_011, "about 83 hours to go, until 1970-01-0.*: 100,000 steps of 3 s"),
        (2.0, 10, None),
    ],
)
def test_a_forecast_is_made_once_from_ten_steps_behind_the_first(step, steps, expected, caplog):
    caplog.set_level("INFO", "keras_sge")
    # The first step, traced, ends at 100.
    forecast = Forecast(steps, clock=itertools.count(100, 10 * step).__next__)
    for batch in range(min(steps, 30)):
        forecast.on_train_batch_end(batch)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (expected is not None)
    assert all(re.match(expected, text) for text in said)


def test_a_forecast_begins_a_line_below_keras_bar_which_stands_in_files_too(caplog):
    caplog.set_level("INFO", "keras_sge")
    forecast = Forecast(50, below_a_bar=True, clock=itertools.count(100, 20).__next__)
    for batch in range(12):
        forecast.on_train_batch_end(batch)
    assert caplog.records[0].getMessage().startswith("\nabout ")


def test_a_forecast_does_not_count_what_lies_between_epochs(caplog):
    caplog.set_level("INFO", "keras_sge")
    # Six steps, then a minute of validation and eleven steps of a second; the clock is asked at the 1st and the 11th.
    times = iter([5.0, 70.0, 80.0])
    forecast = Forecast(100, clock=times.__next__)
    for epoch, steps in enumerate((6, 11, 11)):
        forecast.on_epoch_begin(epoch)
        for batch in range(steps):
            forecast.on_train_batch_end(batch)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["about 83 seconds to go"]


def test_resume_goes_on_where_the_checkpoint_stands(finished, tmp_path, caplog):
    caplog.set_level("INFO", "keras_sge")
    folder, config, _ = finished
    more = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=3))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.yaml", "model.keras", "log.csv"):
        (copy / name).write_bytes((folder / name).read_bytes())
    model = train(more, copy, resume=True, verbose=0)
    assert epochs_logged(copy) == [0, 1, 2]
    assert f"epochs 3 to 3 of 3, on clips of {more.training.clip_length} frames" in caplog.messages
    assert int(model.optimizer.iterations) == 3 * more.training.steps_per_epoch
    # The learning rate has not come to its end with the first two epochs.
    before, after = weights_by_name(load_model(folder)), weights_by_name(model)
    trained = [weight.path for weight in model.trainable_weights]
    assert max(np.abs(after[path] - before[path]).max() for path in trained) > 1e-4


def test_another_clip_length_keeps_weights_and_optimizer(finished):
    _, config, model = finished
    other = with_clip_length(model, 2, config)
    pairs = [(model.weights, other.weights), (model.optimizer.variables, other.optimizer.variables)]
    for mine, theirs in pairs:
        assert len(mine) == len(theirs)
        for one, two in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(two))


def test_a_folder_with_a_run_is_not_overwritten(finished):
    folder, config, _ = finished
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(InputError, match="--resume"):
        train(config, folder, verbose=0)
    assert (folder / "model.keras").read_bytes() == before


@pytest.mark.parametrize(
    "changes", [{"average": 0.9}, {"learning_rate": 1e-3}, {"freeze_until": None}, {"seed": 2}, {"clip_length": 4}]
)
def test_a_run_is_not_resumed_with_other_settings(finished, changes):
    folder, config, _ = finished
    other = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=5, **changes))
    with pytest.raises(InputError, match=f"training.{next(iter(changes))} would change"):
        train(other, folder, resume=True, verbose=0)
    assert load_config(folder / "config.yaml") == config


def test_a_wrong_start_leaves_nothing_in_the_way(tmp_path):
    with pytest.raises(InputError, match="no weights"):
        train(experiment(start_from=str(tmp_path / "none.npz")), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_input_size_and_notes_on_the_data_are_said_first(tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "keras_sge")
    monkeypatch.setattr(importlib.import_module("keras_sge.training.fit"), "data_notes", lambda *_: ["look here"])
    with pytest.raises(InputError, match="no weights"):
        train(experiment({"input_size": (64, 96)}, start_from=str(tmp_path / "none.npz")), tmp_path / "run")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "network input: 96 wide, 64 high"),
        ("WARNING", "look here"),
    ]


def test_what_is_measured_is_what_an_evaluation_finds(finished):
    folder, config, _ = finished
    run = RunFolder(folder)
    assert list(run.measured()) == [1]
    videos = open_dataset(config.data, config.network, "val")
    assert run.measured()[1] == pytest.approx(
        evaluate(open_detector(folder, 1, SCORE_THRESHOLD), videos).map50, abs=1e-3
    )
    for picture, size in ((run.results, 300), (run.pictures, 600)):
        assert cv2.imread(str(picture)).shape[0] > size


@pytest.mark.parametrize("imports", ["import keras_sge, keras", "import keras, keras_sge"])
def test_plain_keras_reads_a_network_once_the_package_is_imported(imports, tiny_keras):
    """Without TensorFlow, which takes longest to import; test_checkpoints.py reads a run with it."""
    code = f"import sys; sys.modules['tensorflow'] = None; {imports}"
    code += f"; print(type(keras.models.load_model({str(tiny_keras)!r})).__name__)"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "SGENet", done.stderr[-2000:]


def test_wrong_classes_stop_before_anything_is_written(tmp_path):
    config = experiment()
    wrong = dataclasses.replace(config, network=dataclasses.replace(config.network, classes=("cat", "dog")))
    with pytest.raises(InputError, match="cat"):
        train(wrong, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_loss_falls_on_a_set_small_enough_to_remember(tmp_path):
    """As users train: traced, with memory and entropy."""
    settings = {"epochs": 3, "steps_per_epoch": 8, "learning_rate": 2e-3, "validation_steps": 0, "warmup": None}
    settings["clip_length"] = 2
    config = experiment({"extras": (), "anchors": SINGLE["anchors"]}, **settings)
    calm = dataclasses.replace(config.training.augmentation, flip=0.0, zoom=(1.0, 1.0), shift=0.0, color=0.0)
    config = dataclasses.replace(
        config,
        data=DataConfig(videos=1, validation_videos=1, frames=3),
        training=dataclasses.replace(config.training, augmentation=calm),
    )
    assert any(len(label.boxes) for label in synthetic_split("train", 64, 1, 3).labels(0))
    with eager(False):
        train(config, tmp_path / "run", verbose=0)
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "run" / "log.csv").open())]
    assert losses[-1] < 0.7 * losses[0]
