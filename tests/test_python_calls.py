"""What the commands do, called from Python: names and paths in, objects out."""

import json

import numpy as np
import pytest
import yaml
from tiny import SINGLE, experiment

import keras_sge
from edge.errors import InputError
from edge.results import FrameResult
from keras_sge.config import config_to_dict, load_config
from keras_sge.evaluation import Protocol
from keras_sge.models import SGENet

pytestmark = pytest.mark.usefixtures("eagerly", "no_curves")


@pytest.fixture(scope="module")
def trained(eagerly, tiny_coco, tmp_path_factory):
    """A run of one step on `tiny_coco`, by a configuration's path: its folder and the network."""
    folder = tmp_path_factory.mktemp("calls")
    config = experiment(SINGLE, epochs=1, steps_per_epoch=1)
    (folder / "my.yaml").write_text(yaml.safe_dump(config_to_dict(config)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_sge.pictures.training_curves", lambda log, path: None)
        return folder / "run", keras_sge.train(folder / "my.yaml", data=tiny_coco, run=folder / "run", verbose=0)


def test_train_takes_a_configuration_by_path_and_a_data_set(trained, tiny_coco):
    run, model = trained
    assert isinstance(model, SGENet)
    assert load_config(run / "config.yaml").data.path == str(tiny_coco)


def test_train_takes_a_configuration_by_name(tmp_path):
    with pytest.raises(InputError, match="no/data"):
        keras_sge.train("quickstart", data="no/data", run=tmp_path / "run")
    with pytest.raises(InputError, match="quickstart"):
        keras_sge.train("quickstrat", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def figures(result):
    document = result.to_dict()
    return {name: document[name] for name in document if name not in ("protocol", "runtime")}


def test_evaluate_takes_a_network_a_run_and_a_folder_of_data(trained, tiny_coco):
    run, model = trained
    by_model = keras_sge.evaluate(model, tiny_coco)
    by_run = keras_sge.evaluate(str(run), keras_sge.open_videos(tiny_coco, "val"), progress=iter)
    assert figures(by_model) == figures(by_run)
    assert by_model.clips == 3
    assert f"{tiny_coco.name}, val; " in by_model.protocol


def test_evaluate_takes_a_tflite(tiny_tflite, tiny_keras, tiny_coco):
    by_file, by_keras = (keras_sge.evaluate(path, tiny_coco) for path in (tiny_tflite, tiny_keras))
    assert by_file.frames == by_keras.frames == 24
    assert by_file.map50 == pytest.approx(by_keras.map50, abs=2e-3)
    train = keras_sge.evaluate(tiny_tflite, tiny_coco, Protocol(degrade=1), split="train")
    assert f"{tiny_coco.name}, train; " in train.protocol and "degraded" in train.protocol


def test_a_result_is_a_row_of_a_table(tiny_tflite, tiny_coco):
    result = keras_sge.evaluate(tiny_tflite, tiny_coco)
    row = result.to_dict(flat=True)
    assert not any(isinstance(value, (dict, list)) for value in row.values())
    assert row["map50"] == result.map50 and row["ap50.bird"] == result.ap50["bird"]
    assert row["motion.slow"] == result.motion["slow"] and row["boxes.drone"] == result.boxes["drone"]
    assert json.loads(json.dumps(row)) == row


def detections(results):
    return [[(one.label, one.score, one.box) for one in result.detections] for result in results]


def test_predict_video_is_what_a_detector_finds(tiny_net, tiny_coco):
    """By path and by frames: one road."""
    path = next(tiny_coco.glob("**/*.mp4"))
    by_path = list(tiny_net.predict_video(str(path), score_threshold=0.2))
    assert all(isinstance(result, FrameResult) for result in by_path) and any(result.detections for result in by_path)
    frames = [result.frame for result in by_path]
    assert [result.frame_id for result in by_path] == list(range(8)) and frames[0].shape == (64, 64, 3)
    assert [result.reset for result in by_path] == ["start", *[None] * 7]
    assert detections(tiny_net.predict_video(iter(frames), 0.2)) == detections(by_path)


def test_predict_video_names_what_it_cannot_read(tiny_net, tmp_path):
    with pytest.raises(InputError, match=r"none\.mp4"):
        next(tiny_net.predict_video(tmp_path / "none.mp4"))
    with pytest.raises(InputError, match="uint8"):
        next(tiny_net.predict_video(np.zeros((2, 64, 64, 3), np.float32)))


def test_progress_bars_are_public(capsys):
    assert list(keras_sge.progress_bar("clip", "evaluate")([1, 2])) == [1, 2]
    assert "evaluate" in capsys.readouterr().err
