"""Memory and entropy attention at every place that the paper's Tables 2 and 3 name."""

import dataclasses

import keras
import numpy as np
import pytest
from tiny import outputs_of, random_clip, randomize, tiny_config

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.boxes import attention_map_size, memory_map_size
from keras_sge.config import AnchorConfig, EntropyConfig, MemoryConfig, NeckConfig, NetworkConfig, TrainingConfig
from keras_sge.config.network import PLACES, TRUNK_PLACES
from keras_sge.data import SyntheticSky
from keras_sge.models import SGENet, build_step_model, copy_weights, step_model_from
from keras_sge.models.memory import memory_filters
from keras_sge.models.step_model import entropy_settings, state_tensors
from keras_sge.models.summary import summarize
from keras_sge.models.topology import weight_name
from keras_sge.models.weights import save_weights
from keras_sge.training.start import set_starting_weights

FOUR_EXTRAS = {
    "extras": ((64, 128), (32, 64), (32, 64), (32, 64)),
    "anchors": AnchorConfig(sizes=(12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 60.0)),
}


# One of each kind: the trunk's finest, another that the heads read, the default, an extra, the last.
SOME_PLACES = ("conv3", "conv12", "conv13", "feature_map1", "feature_map4")


def config_at(memory_place=None, entropy_place=None, **changes):
    """A tiny network with its memory and its attention at the given places."""
    elsewhere = memory_place != "conv13"
    settings = {
        "memory": MemoryConfig(filters=120, place=memory_place) if memory_place else None,
        "entropy": EntropyConfig(place=entropy_place) if entropy_place else None,
        "neck": NeckConfig(filters=120) if elsewhere else None,
        **FOUR_EXTRAS,
    }
    return tiny_config(**{**settings, **changes})


@pytest.mark.parametrize("place", PLACES)
def test_steps_with_carried_state_equal_the_clip(place):
    config = config_at(place, place, input_size=(100, 132))
    model = randomize(SGENet(config))
    step = step_model_from(model)
    inputs = random_clip(config, frames=3)
    clip = outputs_of(model, inputs)
    [state] = state_tensors(config)
    carried = np.zeros(state.shape, np.float32)
    for time in range(3):
        frame = {key: value[:, time] for key, value in inputs.items()}
        given = outputs_of(step, {**frame, "state": carried})
        carried = given["next_state"]
        for key in ("boxes", "scores"):
            np.testing.assert_allclose(given[key], clip[key][:, time], atol=1e-5 * max(1, np.abs(clip[key]).max()))
    # What the memory remembers, and what the attention says, reach the answer.
    for name in ("state", "attention"):
        other = outputs_of(step, {**frame, "state": carried, name: 0 * (carried if name == "state" else frame[name])})
        same = outputs_of(step, {**frame, "state": carried})
        assert np.abs(other["scores"] - same["scores"]).max() > 1e-3, name


def test_sizes_and_channels_follow_the_place():
    config = NetworkConfig("n", ("a",))
    sizes = {"conv3": 80, "conv4": 80, "conv12": 20, "conv13": 10}
    sizes |= {"feature_map1": 5, "feature_map2": 3, "feature_map3": 2, "feature_map4": 1}
    # At most 256, and at most what the map has: 128, 128, 512, 1,024; 512, 256, 256, 256.
    channels = {"conv3": 128, "conv4": 128}
    for place in PLACES:
        one = dataclasses.replace(config, memory=MemoryConfig(place=place), entropy=EntropyConfig(place=place))
        assert memory_map_size(one) == attention_map_size(one) == (sizes[place],) * 2
        assert memory_filters(one) == channels.get(place, 256)
    lstm = dataclasses.replace(config, alpha=0.5, memory=MemoryConfig("lstm", filters=1024))
    assert memory_filters(lstm) == 512


@pytest.mark.parametrize("place", ["conv4", "feature_map1", "feature_map4"])
def test_the_map_in_the_graph_equals_the_map_on_the_host(place):
    config = config_at(None, place, entropy=EntropyConfig(place=place, form="mean_keeping"), input_size=(96, 128))
    host = randomize(build_step_model(config))
    graph = build_step_model(config, entropy="graph")
    copy_weights(host, graph)
    frame = np.random.default_rng(3).integers(0, 256, (96, 128, 3), np.uint8)
    frame[:, 64:] = 90
    image = (frame[None, ..., ::-1] / 127.5 - 1).astype(np.float32)
    attention = entropy_attention(frame, entropy_settings(config))[None, ..., None]
    expected = outputs_of(host, {"image": image, "attention": attention})
    for key, value in outputs_of(graph, {"image": image}).items():
        np.testing.assert_allclose(value, expected[key], atol=1e-4 * max(1, np.abs(expected[key]).max()))


def test_mean_keeping_doubles_the_attention():
    literal = randomize(build_step_model(config_at("conv13", "conv13")))
    doubled = build_step_model(config_at("conv13", entropy=EntropyConfig(form="mean_keeping")))
    copy_weights(literal, doubled)
    inputs = {key: value[:, 0] for key, value in random_clip(config_at("conv13", "conv13"), 1).items()}
    inputs["state"] = np.zeros(literal.input["state"].shape, np.float32)
    expected = outputs_of(literal, {**inputs, "attention": 2 * inputs["attention"]})["scores"]
    np.testing.assert_allclose(outputs_of(doubled, inputs)["scores"], expected, atol=1e-5)


def test_the_1x1_that_brings_channels_back_counts_as_temporal():
    base = dataclasses.replace(NetworkConfig("n", ("a",)), memory=MemoryConfig(place="conv12"))
    # 1x1 512 -> 256, three gates over 512 channels, and 256 -> 512.
    assert summarize(base).temporal_params == 512 * 256 + 3 * (9 * 512 + 512 * 256) + 256 * 512
    inside = dataclasses.replace(base, memory=MemoryConfig(place="conv3"))
    assert summarize(inside).temporal_params == 128 * 128 + 3 * (9 * 256 + 256 * 128) + 128 * 128
    assert summarize(dataclasses.replace(base, memory=MemoryConfig(kind="neck"))).temporal_params == 0


@pytest.mark.parametrize("place", [place for place in SOME_PLACES if place != "conv13"])
def test_a_memory_elsewhere_changes_nothing_at_first(place, tmp_path):
    single = randomize(
        SGENet(tiny_config(memory=MemoryConfig("neck", 120, squeeze_activation="tanh"), entropy=None, **FOUR_EXTRAS))
    )
    save_weights(single, tmp_path / "single.npz")
    joined = SGENet(config_at(place))
    videos = SyntheticSky(videos=2, frames=2, size=64, seed=3)
    set_starting_weights(joined, TrainingConfig(start_from=str(tmp_path / "single.npz")), videos)
    inputs = random_clip(joined.config, frames=2)
    before, after = outputs_of(single, inputs), outputs_of(joined, inputs)
    for key in before:
        # The file holds half precision.
        assert np.corrcoef(before[key].ravel(), after[key].ravel())[0, 1] > 0.9999, key


@pytest.mark.parametrize("place", SOME_PLACES)
def test_a_new_attention_is_made_up_for_in_what_reads_its_map(place, tmp_path):
    single = randomize(
        SGENet(tiny_config(memory=MemoryConfig("neck", 120, squeeze_activation="tanh"), entropy=None, **FOUR_EXTRAS))
    )
    save_weights(single, tmp_path / "single.npz")
    videos = SyntheticSky(videos=2, frames=2, size=64, seed=3)
    neck = {"memory": single.config.memory, "neck": None} if place == "conv13" else {"memory": None}
    joined = SGENet(config_at(None, place, **neck))
    set_starting_weights(joined, TrainingConfig(start_from=str(tmp_path / "single.npz")), videos)
    inputs = random_clip(joined.config, frames=2)
    settings = entropy_settings(joined.config)
    inputs["attention"][:] = np.mean([entropy_attention(videos.read(k, 0, 1)[0], settings) for k in range(2)])
    before, after = outputs_of(single, {"image": inputs["image"]}), outputs_of(joined, inputs)
    for key in before:
        np.testing.assert_allclose(after[key], before[key], atol=0.02 * np.abs(before[key]).max())


@pytest.mark.parametrize("place", TRUNK_PLACES)
def test_freezing_the_trunk_leaves_the_memory_inside_it_free(place):
    model = SGENet(config_at(place), clip_length=2, freeze_until="conv6")
    free = {weight_name(weight) for weight in model.trainable_weights}
    assert any(name.startswith("memory_update") for name in free)
    assert "conv3_pointwise/kernel" not in free and "conv7_pointwise/kernel" in free
    assert (place == "conv13") != ("memory_restore/kernel" in free)


def test_saved_network_answers_alike(tmp_path):
    model = randomize(
        SGENet(config_at("feature_map2", "conv3", memory=MemoryConfig("lstm", 120, place="feature_map2")))
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.config == model.config
    inputs = random_clip(model.config, frames=2)
    np.testing.assert_allclose(outputs_of(loaded, inputs)["scores"], outputs_of(model, inputs)["scores"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda: {"memory": MemoryConfig(place="conv14")}, ["network.memory.place", "conv13", "conv14"]),
        (lambda: {"entropy": EntropyConfig(place="none")}, ["network.entropy.place", "network.entropy to null"]),
        (lambda: {"entropy": EntropyConfig(form="both")}, ["network.entropy.form", "mean_keeping"]),
        (lambda: {"memory": MemoryConfig(place="feature_map2")}, ["feature_map2", "1 feature maps", "network.extras"]),
        (lambda: {"memory": MemoryConfig(kind="neck", place="conv12")}, ["network.memory.place", "neck"]),
        (lambda: {"memory": MemoryConfig("lstm", squeeze="gate")}, ["network.memory.squeeze", "lstm"]),
        (lambda: {"memory": MemoryConfig(place="conv12"), "top_down": True}, ["network.top_down", "conv12"]),
        (lambda: {"neck": NeckConfig()}, ["network.neck", "network.memory.place"]),
        (lambda: {"neck": NeckConfig(activation="relu")}, ["network.neck.activation", "tanh"]),
    ],
)
def test_what_does_not_fit_together_is_named(changes, words):
    with pytest.raises(InputError) as caught:
        tiny_config(**changes())
    assert all(word in str(caught.value) for word in words), caught.value
