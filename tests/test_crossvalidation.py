"""`sge crossvalidate`: what is trained, measured, kept and refused; and records taken together."""

import dataclasses
import json

import numpy as np
import pytest
import yaml
from evaluated import random_frames, records_of
from tiny import tiny_config

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.config import AnchorConfig, Config, TrainingConfig, config_to_dict
from keras_sge.config.run_folder import RunFolder
from keras_sge.data import SyntheticSky, open_videos, write_coco_vid
from keras_sge.data.splits import video_blocks
from keras_sge.evaluation import DetectionRecords, average_precision, pool_records, score_records

NETWORK = tiny_config(memory=None, entropy=None, extras=(), anchors=AnchorConfig(sizes=(12.0, 24.0, 40.0)))
TRAINING = TrainingConfig(
    epochs=1, steps_per_epoch=1, batch_size=1, clip_length=2, validation_steps=0, evaluation_epochs=0
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set of eight recordings, a configuration, and a first stage's weights for each of two folds."""
    from keras_sge.models import SGENet

    folder = tmp_path_factory.mktemp("folds")
    write_coco_vid(SyntheticSky(videos=8, frames=4, size=64, seed=1), folder / "sky", "train")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config_to_dict(Config(NETWORK, training=TRAINING))))
    for fold in range(2):
        (folder / "first" / f"fold{fold}").mkdir(parents=True)
        SGENet(NETWORK).save(folder / "first" / f"fold{fold}" / "model.keras")
    return folder


COMMAND = ["crossvalidate", "tiny.yaml", "--data", "sky", "--folds", "2", "--run", "cv", "--quiet"]
COMMAND += ["--from", "first/fold{fold}"]


@pytest.fixture(scope="module")
def done(place, eagerly):
    """The command's own document, after it has run for the first time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_sge.pictures.training_curves", lambda log, path: None)
        patch.chdir(place)
        assert main([*COMMAND, "--json", "cv.json"]) == 0
    return json.loads((place / "cv.json").read_text())


def test_every_recording_is_measured_once_by_a_network_that_never_saw_it(place, done):
    videos = open_videos(place / "sky", "train")
    blocks = dict(zip([video.name for video in videos.videos], video_blocks(videos).tolist(), strict=True))
    parts = [DetectionRecords.load(place / "cv" / f"fold{fold}.npz") for fold in range(2)]
    for fold, part in enumerate(parts):
        config = RunFolder(place / "cv" / f"fold{fold}").stored_config()
        assert str(config.data.held_back) == f"{fold}/2" and config.training.start_from == f"first/fold{fold}"
        assert {blocks[name] // 4 for name in part.video_names} == {fold}
    assert sorted(name for part in parts for name in part.video_names) == sorted(blocks)
    pooled = score_records(pool_records(parts))
    assert done["pooled"] == pooled.to_dict() and done["pooled"]["clips"] == 8
    assert [fold["clips"] for fold in done["folds"]] == [len(part.video_names) for part in parts]
    assert "sky, train; folds 0/2, 1/2, each held back" in done["pooled"]["protocol"]


def test_what_is_done_is_not_done_again(place, done, monkeypatch, capsys):
    monkeypatch.chdir(place)
    trained = []
    monkeypatch.setattr("keras_sge.training.train", lambda config, *rest, **more: trained.append(config.data.fold))
    monkeypatch.setattr("keras_sge.evaluation.record_detections", None)
    assert main([*COMMAND, "--json", "again.json"]) == 0
    assert json.loads((place / "again.json").read_text()) == done and not trained
    text = capsys.readouterr().out
    assert "| 1 | " in text and "all folds together" in text


def test_other_frames_have_records_of_their_own_and_need_no_training(place, done, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr("keras_sge.training.train", None)
    assert main([*COMMAND, "--degrade", "bursts:1", "--rival", "hold"]) == 0
    assert DetectionRecords.load(place / "cv" / "fold1-bursts1-hold.npz").degrade == "bursts:1"
    assert main(["evaluate", "cv/fold0.npz,cv/fold1.npz", "--json", "both.json"]) == 0
    assert json.loads((place / "both.json").read_text()) == done["pooled"]
    capsys.readouterr()
    assert main(["bootstrap", "cv/fold0.npz,cv/fold1.npz", "cv/fold0.npz,cv/fold1.npz", "--resamples", "20"]) == 0
    assert "of 8 source videos" in capsys.readouterr().out


def test_a_training_that_was_stopped_goes_on(place, done, monkeypatch):
    monkeypatch.chdir(place)
    began = []

    def stop(config, folder, resume, verbose):
        began.append((config.data.fold, resume))
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_sge.training.train", stop)
    assert main([*COMMAND, "--set", "training.epochs=2"]) == 130
    assert began == [(0, True)]
    # Stopped in its first epoch there is no checkpoint to go on from.
    folder = RunFolder(place / "new" / "fold0")
    folder.write_config(RunFolder(place / "cv" / "fold0").stored_config())
    other = [word if word != "cv" else "new" for word in COMMAND]
    assert main(other) == 130
    assert began[1:] == [(0, False)]
    folder.write_config(RunFolder(place / "cv" / "fold1").stored_config())
    assert main(other) == 2 and len(began) == 2


MEASURED = ["--set", "training.validation_steps=1", "--set", "training.evaluation_epochs=1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--folds", "9"], ["N from 2 to 8", "0/9"]),
        (["--folds", "1"], ["N from 2 to 8"]),
        (["--data", "nowhere"], ["nowhere"]),
        (["--from", "second/fold{fold}"], ["second/fold0"]),
        (["--degrade", "often:1"], ["often:1"]),
        ([*MEASURED, "--set", "training.early_stopping=1"], ["early_stopping"]),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(arguments, words, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setattr("keras_sge.training.train", None)
    command = [word if word != "cv" else "wrong" for word in COMMAND]
    assert main([*command, *arguments]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert all(word in line for word in words), line
    assert not (place / "wrong").exists()


def test_the_built_in_set_has_no_folds(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert main(["crossvalidate", "tiny.yaml", "--run", "wrong"]) == 2
    assert "--data DIR" in capsys.readouterr().err


def parts_of(seed=3):
    """Twelve random frames in four videos, whole and in two parts."""
    frames = random_frames(seed, 12, regions=1)
    whole = records_of(frames, [3, 4, 2, 3])
    names = {"video_names": ("v2", "v3"), "sources": ("v2", "v3")}
    return frames, whole, [records_of(frames[:7], [3, 4]), records_of(frames[7:], [2, 3], **names)]


def test_pooled_records_are_those_of_all_frames():
    frames, whole, parts = parts_of()
    parts[1] = parts[1].with_labels(("cat", "ant", "bee"))
    pooled = pool_records([dataclasses.replace(part, unlabelled=4) for part in parts])
    assert pooled.unlabelled == 8 and pooled.videos.tolist() == whole.videos.tolist()
    for name in ("boxes", "scores", "classes", "true_classes", "frame_ids", "video_names", "ignored_classes", "blocks"):
        np.testing.assert_array_equal(getattr(pooled, name), getattr(whole, name))
    ap50 = score_records(pooled).ap50
    assert [ap50[name] for name in whole.labels] == [average_precision(frames, number) for number in range(3)]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"labels": ("ant", "bee", "dog")}, "classes"),
        ({"degrade": "all:1"}, "degraded frames"),
        ({"video_names": ("v1", "v3")}, "video v1"),
    ],
)
def test_records_that_do_not_fit_are_not_pooled(changes, word):
    _, _, (one, other) = parts_of()
    with pytest.raises(InputError, match=word):
        pool_records([one, dataclasses.replace(other, **changes)])
