"""What is new in a network starts where the network that it was started from stands."""

import dataclasses

import keras
import numpy as np
import pytest
from tiny import outputs_of, random_clip, randomize, tiny_config

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.config import EntropyConfig, MemoryConfig, TrainingConfig
from keras_sge.data import SyntheticSky
from keras_sge.models import SGENet
from keras_sge.models.step_model import entropy_settings
from keras_sge.models.topology import weight_name
from keras_sge.models.weights import read_weights_file, save_weights
from keras_sge.training.start import set_starting_weights, trained_weights

REDUCTION = MemoryConfig(kind="reduction", filters=120, squeeze_activation="tanh")
MEMORY = dataclasses.replace(REDUCTION, kind="squeezed_gru")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A single-frame network with the reduction, and its weights in a file."""
    model = randomize(SGENet(tiny_config(memory=REDUCTION, entropy=None)))
    path = tmp_path_factory.mktemp("start") / "single.npz"
    save_weights(model, path)
    return model, path


@pytest.fixture(scope="module")
def videos():
    return SyntheticSky(videos=4, frames=2, size=64, seed=3)


@pytest.mark.parametrize(
    "changes", [{"entropy": None}, {}, {"top_down": True}], ids=["memory", "attention", "top-down"]
)
def test_new_parts_hardly_change_the_answer(single, videos, changes):
    old, path = single
    joined = SGENet(tiny_config(memory=MEMORY, **changes))
    set_starting_weights(joined, TrainingConfig(start_from=str(path)), videos)
    inputs = random_clip(joined.config, frames=3)
    before = outputs_of(old, {"image": inputs["image"]})
    after = outputs_of(joined, inputs)
    for key in before:
        assert np.corrcoef(before[key].ravel(), after[key].ravel())[0, 1] > 0.95, key


def test_a_trained_memory_is_taken_over_as_it_is(videos, tmp_path):
    trained = randomize(SGENet(tiny_config(memory=MEMORY)))
    save_weights(trained, tmp_path / "trained.npz")
    other = SGENet(trained.config)
    set_starting_weights(other, TrainingConfig(start_from=str(tmp_path / "trained.npz")), videos)
    inputs = random_clip(other.config, frames=3)
    # The file holds half precision.
    np.testing.assert_allclose(outputs_of(other, inputs)["scores"], outputs_of(trained, inputs)["scores"], atol=0.05)
    assert read_weights_file(tmp_path / "trained.npz")[0] == trained.config


def test_weights_of_another_width_are_refused(single, videos):
    other = SGENet(tiny_config(memory=REDUCTION, entropy=None, alpha=0.5))
    with pytest.raises(InputError, match=r"network\.alpha"):
        set_starting_weights(other, TrainingConfig(start_from=str(single[1]), start_layers="conv"), videos)


def test_only_the_layers_asked_for_are_taken_over(tiny_net, videos, tmp_path, caplog):
    caplog.set_level("INFO", "keras_sge")
    save_weights(tiny_net, tmp_path / "tiny.npz")
    model = SGENet(tiny_net.config)
    set_starting_weights(model, TrainingConfig(start_from=str(tmp_path / "tiny.npz"), start_layers="conv"), videos)
    stored = read_weights_file(tmp_path / "tiny.npz")[1]
    values = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}
    np.testing.assert_array_equal(values["conv5_pointwise/kernel"], stored["conv5_pointwise/kernel"])
    assert not np.allclose(values["memory_squeeze/kernel"], stored["memory_squeeze/kernel"])
    assert "weights taken over" in caplog.text


@pytest.mark.parametrize(
    ("memory", "least"),
    [
        (MemoryConfig(filters=120, squeeze="gate"), 0.97),
        (MemoryConfig("gru", filters=400), 0.97),
        (MemoryConfig("conv_gru", filters=120), 0.97),
        (MemoryConfig("lstm", filters=400), 0.95),
        # Its states are not negative: half of what the heads know is missing.
        (MemoryConfig("bottleneck_lstm", filters=120), 0.5),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
@pytest.mark.parametrize("entropy", [None, EntropyConfig()], ids=["plain", "attention"])
def test_every_memory_starts_where_the_detector_stands(single, videos, memory, least, entropy):
    old, path = single
    joined = SGENet(tiny_config(memory=memory, entropy=entropy))
    set_starting_weights(joined, TrainingConfig(start_from=str(path)), videos)
    inputs = random_clip(joined.config, frames=4)
    if entropy:
        settings = entropy_settings(joined.config)
        inputs["attention"][:] = np.mean([entropy_attention(videos.read(i, 0, 1)[0], settings) for i in range(4)])
    before = outputs_of(old, {"image": inputs["image"]})
    after = outputs_of(joined, inputs)
    for key in before:
        assert np.corrcoef(before[key][:, -1].ravel(), after[key][:, -1].ravel())[0, 1] > least, key


def test_frozen_layers_that_nobody_trained_are_refused(videos, tmp_path):
    wide = randomize(SGENet(tiny_config(alpha=0.5)))
    save_weights(wide, tmp_path / "wide.npz")
    for start in (None, str(tmp_path / "wide.npz")):
        for frozen in ({"freeze_until": "conv6"}, {"freeze_batch_norm": True}):
            model = SGENet(tiny_config(alpha=0.25), **frozen)
            with pytest.raises(InputError) as caught:
                set_starting_weights(model, TrainingConfig(start_from=start, **frozen), videos)
            text = str(caught.value)
            assert f"training.{next(iter(frozen))}" in text and "--from FILE" in text and "mobilenet_v1_" in text
            assert "network.alpha=0.25 (none is shipped)" in text
    assert "quickstart_start.npz" in trained_weights(0.5)


def test_layers_that_are_trained_may_start_at_random(videos):
    set_starting_weights(SGENet(tiny_config()), TrainingConfig(), videos)


@pytest.mark.parametrize(("clip_length", "place"), [(None, "conv4"), (1, "conv13"), (3, "conv4")])
def test_a_public_trunk_starts_clips_of_any_length(clip_length, place, videos, monkeypatch):
    """The statistics of folded batch norms are filled in, and the network answers as before."""
    folded = randomize(SGENet(tiny_config()))
    weights = {weight_name(w): keras.ops.convert_to_numpy(w) for w in folded.weights}
    weights = {name: value for name, value in weights.items() if name.startswith("conv")}
    for name, value in weights.items():
        layer, _, part = name.partition("/")
        if layer.endswith("_bn"):
            plain = {"gamma": np.sqrt(1 + 1e-3), "moving_mean": 0.0, "moving_variance": 1.0}
            weights[name] = np.full_like(value, plain[part]) if part in plain else value
    monkeypatch.setattr("keras_sge.training.start.read_weights", lambda path: (None, weights))
    config = tiny_config(entropy=EntropyConfig(attach_to=place))
    model = SGENet(config, clip_length, freeze_until="conv6")
    set_starting_weights(model, TrainingConfig(start_from="trunk.tflite", freeze_until="conv6"), videos)
    values = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}
    assert not np.allclose(values["conv4_depthwise_bn/moving_mean"], 0)
    plain = SGENet(config, clip_length)
    for weight in plain.weights:
        name = weight_name(weight)
        weight.assign(weights.get(name, values[name]))
    inputs = random_clip(config, frames=clip_length or 3)
    after = outputs_of(model, inputs)
    for key, before in outputs_of(plain, inputs).items():
        np.testing.assert_allclose(after[key], before, atol=1e-3 * np.abs(before).max())
