"""Teaching a memory by unlabelled video: what is trained, towards what, on what, and what comes of it."""

import argparse

import keras
import numpy as np
import pytest
from tiny import outputs_of, random_clip, randomize, tiny_config
from video_files import write_frames

from edge.errors import InputError
from keras_sge.cli.main import main
from keras_sge.config import Config, EntropyConfig, MemoryConfig, TeachingConfig
from keras_sge.config.run_folder import RunFolder
from keras_sge.config.teaching import PATTERNS
from keras_sge.data import SyntheticSky
from keras_sge.data.camera_damage import CAMERA_KINDS, CameraDamage
from keras_sge.data.formats.unlabelled_videos import UnlabelledVideos
from keras_sge.data.views import VideoSubset
from keras_sge.models import SGENet
from keras_sge.models.topology import topology, weight_name
from keras_sge.teaching import split_videos, teach
from keras_sge.teaching.clips import CachedClips, Clip, damage_mask
from keras_sge.teaching.network import distillation_losses, tail, trunk, with_memory
from keras_sge.teaching.report import AnsweredVideos, teaching_report
from keras_sge.training.validation import ValidationClips
from quantization.cli.export import calibration_source

SINGLE = tiny_config(memory=MemoryConfig(kind="reduction", filters=120, squeeze_activation="tanh"), entropy=None)
CORRECTION = MemoryConfig(kind="correction_gru", filters=120, attach_to=("conv12", "conv13"))
SKY = SyntheticSky(videos=4, frames=9, size=64, seed=6)
BUDGET = TeachingConfig(epochs=2, steps_per_epoch=2, batch_size=2, clip_length=3, clips=4, report_frames=0)


@pytest.fixture(scope="module")
def student():
    return randomize(SGENet(with_memory(SINGLE, CORRECTION), clip_length=3))


def test_all_layers_of_the_detector_stay_where_they_are():
    taught = with_memory(SINGLE, CORRECTION)
    assert taught.reduction.filters == 120 and taught.reduction.activation == "tanh"
    assert topology(SINGLE).of_part("heads") == topology(taught).of_part("heads")


@pytest.mark.parametrize(
    ("network", "memory", "message"),
    [
        (tiny_config(entropy=None), CORRECTION, "has a squeezed_gru already"),
        (tiny_config(memory=None, entropy=EntropyConfig()), CORRECTION, "without network.entropy"),
        (SINGLE, MemoryConfig(), "would take the map's place"),
        (SINGLE, MemoryConfig("correction_gru", attach_to="feature_map1"), "behind maps of the trunk"),
    ],
)
def test_what_cannot_be_taught_is_named(network, memory, message):
    with pytest.raises(InputError, match=message):
        with_memory(network, memory)


@pytest.mark.parametrize("memory", [True, False])
def test_trunk_and_tail_together_are_the_network(student, memory):
    """With the memory the student; without it what the student is where its memory adds nothing."""
    whole = SGENet(student.config, clip_length=3)
    for target, source in zip(whole.weights, student.weights, strict=True):
        silent = not memory and weight_name(source).endswith("restore/kernel")
        target.assign(keras.ops.zeros_like(source) if silent else source)
    behind = tail(student.config, 3, memory)
    values = {weight_name(weight): weight for weight in student.weights}
    for weight in behind.weights:
        weight.assign(values[weight_name(weight)])
    inputs = random_clip(student.config, 3, batch=2)
    frames = inputs["image"].reshape(6, 1, *inputs["image"].shape[2:])
    features = keras.ops.convert_to_numpy(trunk(student)(frames))
    found = outputs_of(behind, features.reshape(2, 3, *features.shape[1:]))
    for name, expected in outputs_of(whole, inputs).items():
        np.testing.assert_allclose(found[name], expected, atol=2e-5)


def test_the_loss_in_numpy():
    rng = np.random.default_rng(0)
    wanted, answered = (
        {
            "scores": rng.normal(0, 2, (2, 3, 5, 4)).astype(np.float32),
            "boxes": rng.normal(0, 2, (2, 3, 5, 4)).astype(np.float32),
            "conv12": rng.normal(0, 1, (6, 2, 2, 3)).astype(np.float32),
        }
        for _ in range(2)
    )
    t, p = (np.exp(one["scores"]) / np.exp(one["scores"]).sum(axis=-1, keepdims=True) for one in (wanted, answered))
    sure = np.maximum(1 - t[..., 0] - 0.2, 0)
    apart = np.abs(p - t).sum(axis=-1) / 2
    error = np.abs(wanted["boxes"] - answered["boxes"])
    smooth = np.where(error < 1, error**2 / 2, error - 0.5).sum(axis=-1)
    expected = {
        "scores": (apart * (t * np.log(t / p)).sum(axis=-1)).sum() / (sure.sum() + 1),
        "boxes": (sure * smooth).sum() / (sure.sum() + 1),
        "features": ((wanted["conv12"] - answered["conv12"]) ** 2).mean(),
    }
    found = distillation_losses(wanted, answered, ("conv12",))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4)
    assert all(float(value) < 1e-6 for value in distillation_losses(wanted, wanted, ("conv12",)).values())


def test_the_loss_of_sigmoid_scores_in_numpy():
    rng = np.random.default_rng(0)
    wanted, answered = (
        {"scores": rng.normal(0, 2, (2, 3, 5, 4)).astype(np.float32), "boxes": np.zeros((2, 3, 5, 4), np.float32)}
        for _ in range(2)
    )
    t, p = (1 / (1 + np.exp(-one["scores"].astype(np.float64))) for one in (wanted, answered))
    divergence = t * np.log(t / p) + (1 - t) * np.log((1 - t) / (1 - p))
    expected = (np.abs(t - p) * divergence).sum() / (np.maximum(t.max(axis=-1) - 0.2, 0).sum() + 1)
    found = distillation_losses(wanted, answered, (), "sigmoid")["scores"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_damage_follows_its_pattern():
    rng = np.random.default_rng(1)
    masks = {pattern: np.stack([damage_mask(pattern, 40, rng) for _ in range(200)]) for pattern in PATTERNS}
    assert not masks["clean"].any() and masks["all"].all()
    changes = {name: (mask[:, 1:] != mask[:, :-1]).mean() for name, mask in masks.items()}
    for name in ("singly", "bursts"):
        assert abs(masks[name].mean() - 0.5) < 0.04
    assert abs(changes["singly"] - 0.5) < 0.03 and abs(changes["bursts"] - 1 / 8) < 0.03


def test_every_kind_of_camera_damage_changes_the_picture():
    frames = [np.roll(SKY.read(0)[0], 7 * number, axis=1) for number in range(6)]
    damage, seen = CameraDamage(), 0
    for seed in range(60):
        run = np.zeros(6, int)
        result = damage.degrade(frames, [np.random.default_rng(seed)] * 6, run, [seed])
        assert all(one.shape == frames[0].shape and one.dtype == np.uint8 for one in result)
        seen += not np.array_equal(result[3], frames[3])
    assert seen == 60 and len(CAMERA_KINDS) == 7


def test_a_frozen_camera_shows_the_last_frame_that_was_not():
    frames, damage = list(SKY.read(0)), CameraDamage()
    frozen = next(
        seed for seed in range(99) if CAMERA_KINDS[np.random.default_rng([seed, 1, 3]).integers(7)] == "frozen"
    )
    rngs = [np.random.default_rng(0)] * len(frames)
    result = damage.degrade(frames, rngs, np.array([-1, -1, 1, 1, 1, -1, -1, -1, -1]), [frozen])
    for shown, number in zip(result, (0, 1, 1, 1, 1, 5, 6, 7, 8), strict=True):
        np.testing.assert_array_equal(shown, frames[number])


def test_a_clip_depends_on_its_seed_alone_and_fills_up_short_videos():
    budget = TeachingConfig(clip_length=12)
    clips = [Clip(SKY, (64, 64), budget, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(clips[0].damaged, clips[1].damaged)
    assert clips[0].clean.shape == clips[0].damaged.shape == (12, 64, 64, 3)


def test_batches_depend_on_their_number_alone():
    features = np.random.default_rng(0).normal(size=(5, 3, 2, 2, 4)).astype(np.float16)
    whole, later = (CachedClips(features, -features, BUDGET, None, first=first) for first in (0, 4))
    for name, value in whole[5][0].items():
        np.testing.assert_array_equal(value, later[1][0][name])
    clean, seen = whole[2][0]["clean"], whole[2][0]["seen"]
    assert ((seen == clean) | (seen == -clean)).all()


def test_videos_are_held_out_the_same_way_every_time():
    taught, held_out = split_videos(SKY, BUDGET)
    again = split_videos(SKY, BUDGET)[1]
    names = [{video.name for video in part.videos} for part in (taught, held_out, again)]
    assert names[1] == names[2] and not names[0] & names[1] and len(names[0] | names[1]) == 4


def test_a_run_is_taught_in_its_memory_alone_and_resumes_as_if_never_stopped(tmp_path, eagerly, monkeypatch):
    single = randomize(SGENet(SINGLE, clip_length=1))
    single.save(tmp_path / "single.keras")
    arguments = (tmp_path / "single.keras", SKY)
    whole = teach(*arguments, tmp_path / "whole", CORRECTION, BUDGET, verbose=0)
    values = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in single.weights}
    memory, moved = topology(whole.config).of_part("memory"), 0
    for weight in whole.weights:
        name, value = weight_name(weight), keras.ops.convert_to_numpy(weight)
        if name.partition("/")[0] not in memory:
            np.testing.assert_array_equal(value, values[name.replace("neck_squeeze", "memory_squeeze")])
        moved += name.endswith("candidate_x_pointwise/kernel") and bool(value.any())
    assert moved == 2 and whole.config.name == "tiny_taught"

    def stop(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("keras_sge.teaching.teaching.Log.on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            teach(*arguments, tmp_path / "parts", CORRECTION, BUDGET, verbose=0)
    parts = teach(*arguments, tmp_path / "parts", CORRECTION, BUDGET, resume=True, verbose=0)
    for one, other in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(InputError, match="holds a run already"):
        teach(*arguments, tmp_path / "whole", CORRECTION, BUDGET, verbose=0)


def test_the_report_compares_with_what_costs_nothing(student):
    teacher = randomize(SGENet(SINGLE))
    truth = AnsweredVideos(ValidationClips(VideoSubset(SKY, [0, 1]), SINGLE, 6), teacher)
    report = teaching_report(teacher, student, truth)
    rows = {(row["damage"], row["model"]): row for row in report.rows}
    assert len(report.rows) == 17 and rows["clean", "detector alone"]["map50"] in (1.0, None)
    assert {"bursts:1", "all:1"} <= {damage for damage, _ in rows} and "held-out videos" in report.table()


def test_files_are_calibrated_on_a_folder_of_videos_and_a_run_s_on_those_it_was_taught_by(tmp_path):
    for number in range(3):
        write_frames(tmp_path / f"{number}.avi", SKY.read(number), 12, "MJPG")
    model = SGENet(SINGLE)
    options = argparse.Namespace(calibrate=str(tmp_path), calibration_clips=2, seed=0, split="train", fold=None)
    source = calibration_source(model, options)
    assert len(source.videos) == 3 and source.videos.classes == SINGLE.classes and tmp_path.name in source.name
    taught = TeachingConfig(videos=(str(tmp_path),))
    RunFolder(tmp_path / "run").write_config(Config(SINGLE, teaching=taught))
    options.calibrate, options.model = None, str(tmp_path / "run")
    source = calibration_source(model, options)
    assert len(source.videos) == 2 and "taught" in source.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/none", "--videos", "nowhere", "--out", "out"], "no file or folder nowhere"),
        (["runs/none", "--out", "out"], "name videos to teach with"),
        (["runs/none", "--videos", ".", "--out", "out", "--set", "training.epochs=3"], "teaching.KEY=VALUE"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["teach", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_videos_without_labels_are_read_as_they_are(tmp_path):
    frames = SKY.read(0)
    write_frames(tmp_path / "a.avi", frames, 12, "MJPG")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    videos = UnlabelledVideos([tmp_path], ("a",))
    video = videos.videos[0]
    assert (len(videos), video.name, video.length, video.fps) == (1, "a", 9, 12)
    assert video.unlabelled == frozenset(range(9)) and "broken.mp4" in videos.notes[0]
    assert np.abs(videos.read(0, 2, 4).astype(int) - frames[2:4]).mean() < 6
    with pytest.raises(InputError, match="no file or folder"):
        UnlabelledVideos([tmp_path / "nowhere"])
