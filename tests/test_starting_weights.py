"""What is new in a network starts where the network that it was started from stands."""

import dataclasses

import keras
import numpy as np
import pytest
from tiny import random_clip, randomise, tiny_config

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.config import EntropyConfig, MemoryConfig, TrainingConfig
from keras_sge.data import SyntheticSky
from keras_sge.models import SGENet
from keras_sge.models.network_metadata import entropy_settings
from keras_sge.models.step_model import weight_name
from keras_sge.models.weights_file import read_weights_file, save_weights
from keras_sge.training.starting_weights import set_starting_weights

NECK = MemoryConfig(kind="neck", filters=120, squeeze_activation="tanh")
MEMORY = dataclasses.replace(NECK, kind="squeezed_gru")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A single-frame network with the neck, and its weights in a file."""
    model = randomise(SGENet(tiny_config(memory=NECK, entropy=None)))
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
    before = old.predict_on_batch({"image": inputs["image"]})
    after = joined.predict_on_batch(inputs)
    for key in before:
        assert np.corrcoef(before[key].ravel(), after[key].ravel())[0, 1] > 0.95, key


def test_a_trained_memory_is_taken_over_as_it_is(videos, tmp_path):
    trained = randomise(SGENet(tiny_config(memory=MEMORY)))
    save_weights(trained, tmp_path / "trained.npz")
    other = SGENet(trained.config)
    set_starting_weights(other, TrainingConfig(start_from=str(tmp_path / "trained.npz")), videos)
    inputs = random_clip(other.config, frames=3)
    # The file holds half precision.
    np.testing.assert_allclose(
        other.predict_on_batch(inputs)["scores"], trained.predict_on_batch(inputs)["scores"], atol=0.05
    )
    assert read_weights_file(tmp_path / "trained.npz")[0] == trained.config


def test_weights_of_another_width_are_refused(single, videos):
    other = SGENet(tiny_config(memory=NECK, entropy=None, alpha=0.5))
    with pytest.raises(InputError, match=r"network\.alpha"):
        set_starting_weights(other, TrainingConfig(start_from=str(single[1]), start_layers="conv"), videos)


def test_only_the_layers_asked_for_are_taken_over(tiny_net, videos, tmp_path, capsys):
    save_weights(tiny_net, tmp_path / "tiny.npz")
    model = SGENet(tiny_net.config)
    set_starting_weights(model, TrainingConfig(start_from=str(tmp_path / "tiny.npz"), start_layers="conv"), videos)
    stored = read_weights_file(tmp_path / "tiny.npz")[1]
    values = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in model.weights}
    np.testing.assert_array_equal(values["conv5_pointwise/kernel"], stored["conv5_pointwise/kernel"])
    assert not np.allclose(values["memory_squeeze/kernel"], stored["memory_squeeze/kernel"])
    assert "weights taken over" in capsys.readouterr().out


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
    before = old.predict_on_batch({"image": inputs["image"]})
    after = joined.predict_on_batch(inputs)
    for key in before:
        assert np.corrcoef(before[key][:, -1].ravel(), after[key][:, -1].ravel())[0, 1] > least, key
