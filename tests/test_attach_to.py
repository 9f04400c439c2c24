"""Memory and entropy attention at every attach_to that the paper's Tables 2 and 3 name."""

import dataclasses

import keras
import numpy as np
import pytest
from tiny import outputs_of, random_clip, randomize, tiny_config

from edge.entropy import entropy_attention
from edge.errors import InputError
from keras_sge.boxes import attention_map_size, memory_map_size
from keras_sge.config import (
    AnchorConfig,
    EntropyConfig,
    HeadsConfig,
    MemoryConfig,
    NetworkConfig,
    ReductionConfig,
    TrainingConfig,
)
from keras_sge.config.maps import MAPS, TRUNK_MAPS
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
SOME_MAPS = ("conv3", "conv12", "conv13", "feature_map1", "feature_map4")


def config_at(memory_map=None, entropy_map=None, **changes):
    """A tiny network with its memory and its attention at the given maps."""
    elsewhere, deep = memory_map != "conv13", "conv14" in (memory_map, entropy_map)
    settings = {
        "last_block": "conv14" if deep else "conv13",
        "memory": MemoryConfig(filters=120, attach_to=memory_map) if memory_map else None,
        "entropy": EntropyConfig(attach_to=entropy_map) if entropy_map else None,
        "reduction": ReductionConfig(filters=120) if elsewhere and not deep else None,
        **FOUR_EXTRAS,
    }
    return tiny_config(**{**settings, **changes})


@pytest.mark.parametrize("attach_to", SOME_MAPS)
def test_steps_with_carried_state_equal_the_clip(attach_to):
    config = config_at(attach_to, attach_to, input_size=(100, 132))
    model = randomize(SGENet(config))
    step = step_model_from(model)
    inputs = random_clip(config, frames=2)
    clip = outputs_of(model, inputs)
    [state] = state_tensors(config)
    carried = np.zeros(state.shape, np.float32)
    for time in range(2):
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
    config = NetworkConfig("n", ("a",), last_block="conv14")
    sizes = {"conv3": 80, "conv4": 80, "conv12": 20, "conv13": 10, "conv14": 10}
    sizes |= {"feature_map1": 5, "feature_map2": 3, "feature_map3": 2, "feature_map4": 1}
    # At most 256, and at most what the map has: 128, 128, 512, 1,024, 1,024; 512, 256, 256, 256.
    channels = {"conv3": 128, "conv4": 128}
    for attach_to in MAPS:
        one = dataclasses.replace(
            config,
            memory=MemoryConfig("correction_gru", attach_to=attach_to),
            entropy=EntropyConfig(attach_to=attach_to),
        )
        assert memory_map_size(one, attach_to) == attention_map_size(one) == (sizes[attach_to],) * 2
        assert memory_filters(one, attach_to) == channels.get(attach_to, 256)
    lstm = dataclasses.replace(config, last_block="conv13", alpha=0.5, memory=MemoryConfig("lstm", filters=1024))
    assert memory_filters(lstm, "conv13") == 512


@pytest.mark.parametrize("attach_to", ["conv4", "feature_map1", "feature_map4"])
def test_the_map_in_the_graph_equals_the_map_on_the_host(attach_to):
    config = config_at(None, attach_to, entropy=EntropyConfig(attach_to=attach_to, gain=2), input_size=(96, 128))
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


def test_a_gain_of_two_doubles_the_attention():
    literal = randomize(build_step_model(config_at("conv13", "conv13")))
    doubled = build_step_model(config_at("conv13", entropy=EntropyConfig(gain=2)))
    copy_weights(literal, doubled)
    inputs = {key: value[:, 0] for key, value in random_clip(config_at("conv13", "conv13"), 1).items()}
    inputs["state"] = np.zeros(literal.input["state"].shape, np.float32)
    expected = outputs_of(literal, {**inputs, "attention": 2 * inputs["attention"]})["scores"]
    np.testing.assert_allclose(outputs_of(doubled, inputs)["scores"], expected, atol=1e-5)


def test_the_1x1_that_brings_channels_back_counts_as_temporal():
    base = dataclasses.replace(NetworkConfig("n", ("a",)), memory=MemoryConfig(attach_to="conv12"))
    # 1x1 512 -> 256, three gates over 512 channels, and 256 -> 512.
    assert summarize(base).temporal_params == 512 * 256 + 3 * (9 * 512 + 512 * 256) + 256 * 512
    inside = dataclasses.replace(base, memory=MemoryConfig(attach_to="conv3"))
    assert summarize(inside).temporal_params == 128 * 128 + 3 * (9 * 256 + 256 * 128) + 128 * 128
    assert summarize(dataclasses.replace(base, memory=MemoryConfig(kind="reduction"))).temporal_params == 0


@pytest.mark.parametrize("attach_to", [attach_to for attach_to in SOME_MAPS if attach_to != "conv13"])
def test_a_memory_elsewhere_changes_nothing_at_first(attach_to, tmp_path):
    single = randomize(
        SGENet(
            tiny_config(memory=MemoryConfig("reduction", 120, squeeze_activation="tanh"), entropy=None, **FOUR_EXTRAS)
        )
    )
    save_weights(single, tmp_path / "single.npz")
    joined = SGENet(config_at(attach_to))
    videos = SyntheticSky(videos=2, frames=2, size=64, seed=3)
    set_starting_weights(joined, TrainingConfig(start_from=str(tmp_path / "single.npz")), videos)
    inputs = random_clip(joined.config, frames=2)
    before, after = outputs_of(single, inputs), outputs_of(joined, inputs)
    for key in before:
        # The file holds half precision.
        assert np.corrcoef(before[key].ravel(), after[key].ravel())[0, 1] > 0.9999, key


@pytest.mark.parametrize("attach_to", SOME_MAPS)
def test_a_new_attention_is_made_up_for_in_what_reads_its_map(attach_to, tmp_path):
    single = randomize(
        SGENet(
            tiny_config(memory=MemoryConfig("reduction", 120, squeeze_activation="tanh"), entropy=None, **FOUR_EXTRAS)
        )
    )
    save_weights(single, tmp_path / "single.npz")
    videos = SyntheticSky(videos=2, frames=2, size=64, seed=3)
    reduction = {"memory": single.config.memory, "reduction": None} if attach_to == "conv13" else {"memory": None}
    joined = SGENet(config_at(None, attach_to, **reduction))
    set_starting_weights(joined, TrainingConfig(start_from=str(tmp_path / "single.npz")), videos)
    inputs = random_clip(joined.config, frames=2)
    settings = entropy_settings(joined.config)
    inputs["attention"][:] = np.mean([entropy_attention(videos.read(k, 0, 1)[0], settings) for k in range(2)])
    before, after = outputs_of(single, {"image": inputs["image"]}), outputs_of(joined, inputs)
    for key in before:
        np.testing.assert_allclose(after[key], before[key], atol=0.02 * np.abs(before[key]).max())


@pytest.mark.parametrize("attach_to", TRUNK_MAPS)
def test_freezing_the_trunk_leaves_the_memory_inside_it_free(attach_to):
    model = SGENet(config_at(attach_to), clip_length=2, freeze_until="conv6")
    free = {weight_name(weight) for weight in model.trainable_weights}
    assert any(name.startswith("memory_update") for name in free)
    assert "conv3_pointwise/kernel" not in free and "conv7_pointwise/kernel" in free
    assert (attach_to == "conv13") != ("memory_restore/kernel" in free)


def test_saved_network_answers_alike(tmp_path):
    model = randomize(
        SGENet(config_at("feature_map2", "conv3", memory=MemoryConfig("lstm", 120, attach_to="feature_map2")))
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.config == model.config
    inputs = random_clip(model.config, frames=2)
    np.testing.assert_allclose(outputs_of(loaded, inputs)["scores"], outputs_of(model, inputs)["scores"], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda: {"memory": MemoryConfig(attach_to="conv14")}, ["network.memory.attach_to", "network.last_block"]),
        (lambda: {"memory": MemoryConfig(attach_to="conv15")}, ["network.memory.attach_to", "conv13", "conv15"]),
        (lambda: {"last_block": "conv14"}, ["network.last_block", "network.memory.attach_to"]),
        (lambda: {"last_block": "conv12"}, ["network.last_block", "conv13, conv14"]),
        (lambda: {"extras_kind": "full"}, ["network.extras_kind", "conv3x3"]),
        (lambda: {"heads": HeadsConfig(kind="conv3x3")}, ["network.heads.kind", "conv1x1"]),
        (lambda: {"heads": HeadsConfig(scores="logits")}, ["network.heads.scores", "sigmoid"]),
        (lambda: {"heads": HeadsConfig(score_limits=((-1.0, 1.0),))}, ["network.heads.score_limits", "3 detection"]),
        (lambda: {"heads": HeadsConfig(box_limits=((2.0, 1.0),) * 3)}, ["network.heads.box_limits[0]", "ascend"]),
        (lambda: {"anchors": AnchorConfig(boxes=(((4.0, 4.0),),))}, ["network.anchors.boxes", "3 detection maps"]),
        (lambda: {"anchors": AnchorConfig(boxes=(((4.0, 0.0),),))}, ["network.anchors.boxes[0]", "above 0"]),
        (
            lambda: {"entropy": EntropyConfig(attach_to="none")},
            ["network.entropy.attach_to", "network.entropy to null"],
        ),
        (lambda: {"entropy": EntropyConfig(gain=3)}, ["network.entropy.gain", "1, 2"]),
        (
            lambda: {"memory": MemoryConfig(attach_to="feature_map2")},
            ["feature_map2", "1 feature maps", "extras"],
        ),
        (
            lambda: {"memory": MemoryConfig(kind="reduction", attach_to="conv12")},
            ["network.memory.attach_to", "reduction"],
        ),
        (lambda: {"memory": MemoryConfig("lstm", squeeze="gate")}, ["network.memory.squeeze", "lstm"]),
        (lambda: {"memory": MemoryConfig(attach_to="conv12"), "top_down": True}, ["network.top_down", "conv12"]),
        (lambda: {"reduction": ReductionConfig()}, ["network.reduction", "network.memory.attach_to"]),
        (lambda: {"reduction": ReductionConfig(activation="relu")}, ["network.reduction.activation", "tanh"]),
    ],
)
def test_what_does_not_fit_together_is_named(changes, words):
    with pytest.raises(InputError) as caught:
        tiny_config(**changes())
    assert all(word in str(caught.value) for word in words), caught.value
