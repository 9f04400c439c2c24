"""Training through the public door: run folders, stages, frozen layers, starting weights, resuming."""

import csv
import dataclasses
import importlib
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import yaml
from tiny import random_clip, randomize, tiny_config

from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config import AnchorConfig, Config, DataConfig, TrainingConfig, config_to_dict, load_config
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import open_dataset, synthetic_split
from keras_sge.data.loader import ClipLoader
from keras_sge.data.views import CachedVideos
from keras_sge.evaluation import SCORE_THRESHOLD, evaluate, open_detector
from keras_sge.models import SGENet, load_model, step_model_from
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.topology import weight_name
from keras_sge.models.weights import save_weights
from keras_sge.training import train
from keras_sge.training.callbacks import DataWait
from keras_sge.training.fit import stage_of, with_clip_length
from keras_sge.training.validation import ValidationClips

# Tracing is what takes the time: where the memory does not matter it is left out.
SINGLE = {"memory": None, "entropy": None, "extras": (), "anchors": AnchorConfig(sizes=(12.0, 24.0, 40.0))}


def experiment(network=None, **training):
    settings = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 2, "clip_length": 3, "validation_steps": 1}
    settings["evaluation_epochs"] = 0
    data = DataConfig(videos=3, validation_videos=2, frames=6)
    return Config(tiny_config(**(network or {})), data, TrainingConfig(**{**settings, **training}))


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """Weights that stand for trained ones: layers that are not trained must come from somewhere."""
    path = tmp_path_factory.mktemp("start") / "trunk.npz"
    save_weights(randomize(SGENet(tiny_config())), path)
    return path


def epochs_logged(folder):
    return [int(row["epoch"]) for row in csv.DictReader((folder / "log.csv").open())]


def weights_by_name(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


CACHES = []


@pytest.fixture(scope="module")
def finished(tmp_path_factory, trunk):
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = experiment(single_frame_epochs=1, freeze_until="conv3", start_from=str(trunk), start_layers="conv")
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, evaluation_epochs=2))
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
    stored = load_model(folder)
    for path, value in weights_by_name(model).items():
        np.testing.assert_array_equal(value, weights_by_name(stored)[path])
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


def losses(folder):
    columns = "loss", "val_loss", "val_map50"
    rows = csv.DictReader((folder / "log.csv").open())
    return [[float(row[column] or "nan") for column in columns] for row in rows]


def killed(config, run, epoch, when):
    """Goes on with a run in a process of its own, which is killed there."""
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run([sys.executable, script, config, run, str(epoch), when], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_run_that_was_killed_twice_has_the_losses_of_an_unbroken_one(tmp_path):
    """Killed in the middle of an epoch, and between an epoch's row in the log and its checkpoint."""
    config = experiment(SINGLE, epochs=4, single_frame_epochs=2, average=0.9, evaluation_epochs=1, learning_rate=3e-3)
    broken = tmp_path / "broken"
    train(config, tmp_path / "whole", verbose=0)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config_to_dict(config)))
    killed(file, broken, 1, "step")
    assert epochs_logged(broken) == [0]
    killed(file, broken, 2, "checkpoint")
    assert epochs_logged(broken) == [0, 1, 2]
    train(config, broken, resume=True, verbose=0)
    assert epochs_logged(broken) == [0, 1, 2, 3]
    np.testing.assert_allclose(losses(broken), losses(tmp_path / "whole"), rtol=1e-4)
    best, unbroken = (RunFolder(run) for run in (broken, tmp_path / "whole"))
    assert best.best_epoch() == unbroken.best_epoch()
    for path, value in weights_by_name(load_model(unbroken.best)).items():
        np.testing.assert_allclose(weights_by_name(load_model(best.best))[path], value, rtol=1e-3, atol=1e-5)


def test_the_average_is_what_is_kept(tmp_path):
    runs = {
        name: train(
            experiment(SINGLE, epochs=1, validation_steps=0, warmup=None, **settings), tmp_path / name, verbose=0
        )
        for name, settings in {
            "one": {"steps_per_epoch": 1},
            "two": {"steps_per_epoch": 2},
            "average": {"steps_per_epoch": 2, "average": 0.75},
        }.items()
    }
    one, two = weights_by_name(runs["one"]), weights_by_name(runs["two"])
    stored = weights_by_name(load_model(tmp_path / "average"))
    names = [weight.path for weight in runs["two"].trainable_weights]
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


def test_resume_goes_on_where_the_checkpoint_stands(finished, tmp_path):
    folder, config, _ = finished
    more = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=3))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.yaml", "model.keras", "log.csv"):
        (copy / name).write_bytes((folder / name).read_bytes())
    model = train(more, copy, resume=True, verbose=0)
    assert epochs_logged(copy) == [0, 1, 2]
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


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    read = ClipLoader.__getitem__

    def poisoned(loader, index):
        inputs, targets = read(loader, index)
        if loader.augment and loader.first + index >= 2:
            inputs["image"] = inputs["image"] * np.nan
        return inputs, targets

    monkeypatch.setattr(ClipLoader, "__getitem__", poisoned)
    with pytest.raises(InputError, match="no longer a number in epoch 2"):
        train(experiment(SINGLE, validation_steps=0), tmp_path / "run", verbose=0)
    assert all(np.isfinite(value).all() for value in weights_by_name(load_model(tmp_path / "run")).values())


@pytest.mark.parametrize("lost", ["scores1_depthwise_bn/moving_variance", "optimizer"])
def test_weights_that_are_no_numbers_are_not_written_although_the_loss_is_one(lost, tmp_path, monkeypatch):
    end = DataWait.on_epoch_end

    def damage(callback, epoch, logs=None):
        end(callback, epoch, logs)
        if epoch == 1:
            assert np.isfinite(logs["loss"])
            model = callback.model
            found = [weight for weight in model.weights if weight_name(weight) == lost] or model.optimizer.variables[
                -1:
            ]
            found[0].assign(found[0] * np.nan)

    monkeypatch.setattr(DataWait, "on_epoch_end", damage)
    with pytest.raises(InputError, match=r"after epoch 2: 1 of \d+ weights.*holds the epoch before"):
        train(experiment(SINGLE, epochs=3, average=0.9), tmp_path / "run", verbose=0)
    kept = load_model(tmp_path / "run", compile=True)
    assert int(kept.optimizer.iterations) == 2 and epochs_logged(tmp_path / "run") == [0]
    assert all(np.isfinite(keras.ops.convert_to_numpy(one)).all() for one in [*kept.weights, *kept.optimizer.variables])


def test_a_network_that_is_no_numbers_is_neither_read_nor_deployed(tmp_path):
    model = randomize(SGENet(tiny_config(**SINGLE)))
    model.weights[3].assign(model.weights[3] * np.nan)
    model.save(tmp_path / "lost.keras")
    for use in (lambda: load_model(tmp_path / "lost.keras"), lambda: step_model_from(model)):
        with pytest.raises(InputError, match=r"1 of .* weights are no finite numbers"):
            use()
    with pytest.raises(InputError, match=r"1 of .* weights are no finite numbers"):
        save_weights(model, tmp_path / "weights.npz")
    assert not (tmp_path / "weights.npz").exists()


@pytest.fixture
def measured(monkeypatch):
    """mAP on validation clips after each epoch, as the test says."""

    def say(*values):
        values = iter(values)
        result = types.SimpleNamespace(mean_average_precision=lambda classes: next(values))
        monkeypatch.setattr("keras_sge.training.validation.match", lambda frames: result)

    return say


def test_the_best_epoch_is_kept_beside_the_last_and_training_ends_early(tmp_path, measured):
    measured(0.3, 0.5, 0.5, 0.4, 0.9)
    config = experiment(SINGLE, epochs=9, evaluation_epochs=1, early_stopping=2, average=0.9)
    model, folder = train(config, tmp_path / "run", verbose=0), RunFolder(tmp_path / "run")
    assert folder.measured() == {0: 0.3, 1: 0.5, 2: 0.5, 3: 0.4} and folder.best_epoch() == 1
    best, last = (load_model(path, compile=True) for path in (folder.best, folder.model))
    assert (int(best.optimizer.iterations), int(last.optimizer.iterations)) == (4, 8)
    for path, value in weights_by_name(last).items():
        np.testing.assert_array_equal(weights_by_name(model)[path], value)
    # A run that ended early has ended; with more patience it goes on.
    train(config, folder.path, resume=True, verbose=0)
    assert len(folder.measured()) == 4
    more = dataclasses.replace(config, training=dataclasses.replace(config.training, early_stopping=3, epochs=5))
    train(more, folder.path, resume=True, verbose=0)
    assert folder.measured()[4] == 0.9 and folder.best_epoch() == 4
    assert int(load_model(folder.best, compile=True).optimizer.iterations) == 10


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


def test_validation_clips_are_bounded_and_scaled_with_their_boxes():
    videos = synthetic_split("val", 128, 5, 40)
    clips = ValidationClips(videos, tiny_config(), frames=75)
    assert [(video.width, video.height, video.length) for video in clips.videos] == [(64, 64, 25)] * 3
    assert clips.read(0).shape == (25, 64, 64, 3) and len(clips.labels(0)) == 25
    np.testing.assert_allclose(clips.labels(2)[24].boxes * 2, videos.labels(4)[24].boxes, rtol=1e-5)
    assert len(ValidationClips(videos, tiny_config(), frames=3).videos) == 1


def test_validation_clips_have_a_labelled_frame_and_know_the_others():
    videos = synthetic_split("val", 128, videos=1, frames=30)
    labels, region = list(videos.labels(0)), np.float32([[2, 4, 60, 80]])
    videos.labels = lambda index: [
        dataclasses.replace(one, ignored=region, ignored_classes=np.int32([0])) for one in labels
    ]
    videos.videos = [dataclasses.replace(videos.videos[0], unlabelled=frozenset(range(30)) - {20, 25})]
    clips = ValidationClips(videos, tiny_config(), frames=10)
    assert clips.videos[0].unlabelled == frozenset(range(9)) and clips.videos[0].length == 10
    np.testing.assert_allclose(clips.labels(0)[9].boxes * 2, labels[20].boxes, rtol=1e-5)
    np.testing.assert_allclose(clips.labels(0)[9].ignored, region / 2)
    np.testing.assert_array_equal(clips.read(0)[9], resize_frame(videos.read(0, 20, 21)[0], 64, 64))


@pytest.mark.parametrize("changes", [{"validation_steps": 0, "evaluation_epochs": 1}, {"evaluation_epochs": 0}])
def test_early_stopping_without_anything_measured_is_refused(changes):
    with pytest.raises(InputError, match=r"training\.early_stopping goes by the mAP"):
        experiment(early_stopping=3, **changes)


def batch_for(model):
    """Inputs and targets of one batch without objects."""
    clip = random_clip(model.config, model.clip_length)
    anchors = model.output["scores"].shape[2]
    shape = 1, model.clip_length, anchors
    return clip, {"boxes": np.zeros((*shape, 5), np.float32), "scores": np.zeros(shape, np.int32)}


def test_plain_keras_reads_a_run_and_goes_on_in_its_precision(tmp_path):
    config = experiment(SINGLE, epochs=1, precision="mixed_bfloat16", evaluation_epochs=1)
    train(config, tmp_path / "run", verbose=0)
    for name in ("model.keras", "best.keras"):
        model = keras.models.load_model(tmp_path / "run" / name)
        assert model.get_layer("conv5_pointwise").compute_dtype == "bfloat16"
        assert int(model.optimizer.iterations) == 2
        assert np.isfinite(model.fit(*batch_for(model), verbose=0).history["loss"]).all()
        assert int(model.optimizer.iterations) == 3
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("imports", ["import keras_sge, keras", "import keras, keras_sge"])
def test_plain_keras_reads_a_run_once_the_package_is_imported(imports, finished):
    code = f"{imports}; print(type(keras.models.load_model({str(finished[0] / 'model.keras')!r})).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "SGENet", done.stderr[-2000:]


def test_resume_without_a_checkpoint_says_so(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        train(experiment(), tmp_path / "none", resume=True, verbose=0)


def test_wrong_classes_stop_before_anything_is_written(tmp_path):
    config = experiment()
    wrong = dataclasses.replace(config, network=dataclasses.replace(config.network, classes=("cat", "dog")))
    with pytest.raises(InputError, match="cat"):
        train(wrong, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_loss_falls_on_a_set_small_enough_to_remember(tmp_path):
    config = experiment(epochs=3, steps_per_epoch=12, learning_rate=2e-3, validation_steps=0, warmup=None)
    calm = dataclasses.replace(config.training.augmentation, flip=0.0, zoom=(1.0, 1.0), shift=0.0, color=0.0)
    config = dataclasses.replace(
        config,
        data=DataConfig(videos=1, validation_videos=1, frames=3),
        training=dataclasses.replace(config.training, augmentation=calm),
    )
    assert any(len(label.boxes) for label in synthetic_split("train", 64, 1, 3).labels(0))
    train(config, tmp_path / "run", verbose=0)
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "run" / "log.csv").open())]
    assert losses[-1] < 0.7 * losses[0]


def test_saved_weights_come_back_in_half_precision(tiny_net, tmp_path):
    save_weights(tiny_net, tmp_path / "tiny.npz")
    loaded = load_model(tmp_path / "tiny.npz")
    assert config_to_dict(loaded.config) == config_to_dict(tiny_net.config)
    for path, value in weights_by_name(tiny_net).items():
        np.testing.assert_allclose(weights_by_name(loaded)[path], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut"])
def test_a_damaged_start_is_an_input_error(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(InputError, match="weights"):
        read_weights(tmp_path / "weights.npz")
