"""mAP while training: the clips that it is measured on, the best epoch, the early end."""

import dataclasses
import types

import numpy as np
import pytest
from tiny import SINGLE, assert_same_weights, experiment, tiny_config

from edge.errors import InputError
from edge.preprocess import resize_frame
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import synthetic_split
from keras_sge.models import load_model
from keras_sge.training import train
from keras_sge.training.validation import ValidationClips

pytestmark = pytest.mark.usefixtures("eagerly", "no_curves")


@pytest.fixture
def measured(monkeypatch):
    """mAP on validation clips after each epoch, as the test says."""

    def say(*values):
        values = iter(values)
        result = types.SimpleNamespace(mean_average_precision=lambda classes: next(values))
        monkeypatch.setattr("keras_sge.training.validation.match", lambda frames: result)

    return say


def test_the_best_epoch_is_kept_beside_the_last_and_training_ends_early(tmp_path, measured):
    measured(0.3, 0.5, 0.5, 0.9)
    config = experiment(SINGLE, epochs=9, steps_per_epoch=1, evaluation_epochs=1, early_stopping=1, average=0.9)
    model, folder = train(config, tmp_path / "run", verbose=0), RunFolder(tmp_path / "run")
    assert folder.measured() == {0: 0.3, 1: 0.5, 2: 0.5} and folder.best_epoch() == 1
    best, last = (load_model(path, compile=True) for path in (folder.best, folder.model))
    assert (int(best.optimizer.iterations), int(last.optimizer.iterations)) == (2, 3)
    assert_same_weights(last, model)
    # A run that ended early has ended; with more patience it goes on.
    train(config, folder.path, resume=True, verbose=0)
    assert len(folder.measured()) == 3
    more = dataclasses.replace(config, training=dataclasses.replace(config.training, early_stopping=2, epochs=4))
    train(more, folder.path, resume=True, verbose=0)
    assert folder.measured()[3] == 0.9 and folder.best_epoch() == 3
    assert int(load_model(folder.best, compile=True).optimizer.iterations) == 4


@pytest.mark.parametrize("changes", [{"validation_steps": 0, "evaluation_epochs": 1}, {"evaluation_epochs": 0}])
def test_early_stopping_without_anything_measured_is_refused(changes):
    with pytest.raises(InputError, match=r"training\.early_stopping goes by the mAP"):
        experiment(early_stopping=3, **changes)


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
