"""SGE-Net over clips and in steps."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import eager, outputs_of, random_clip, randomize, tiny_config

from edge.boxes import anchor_boxes, corners_to_centers, decode_boxes
from keras_sge.boxes import anchor_maps
from keras_sge.config import AnchorConfig, EntropyConfig, MemoryConfig, TrainingConfig, load_config
from keras_sge.models import SGENet, build_step_model, copy_weights, detector_graph, step_model_from
from keras_sge.models.checkpoints import scale_boxes
from keras_sge.models.memory import pass_through_weights
from keras_sge.models.step_model import state_tensors
from keras_sge.models.summary import summarize
from keras_sge.models.topology import weight_name
from keras_sge.models.weights import assign_weights
from keras_sge.training import compile_for_training

VARIANTS = {
    "squeezed_gru input": {},
    "squeezed_gru gate": {"memory": MemoryConfig(filters=120, squeeze="gate")},
    "bounded squeeze": {"memory": MemoryConfig(filters=120, squeeze_activation="tanh")},
    "lstm": {"memory": MemoryConfig("lstm", filters=200)},
    "gru": {"memory": MemoryConfig("gru", filters=200)},
    "conv_gru": {"memory": MemoryConfig("conv_gru", filters=120)},
    "bottleneck_lstm": {"memory": MemoryConfig("bottleneck_lstm", filters=120)},
    "mean-keeping attention": {"entropy": EntropyConfig(gain=2)},
    "reduction": {"memory": MemoryConfig(kind="reduction", filters=120, squeeze_activation="tanh")},
    "no memory": {"memory": None},
    "finer map": {"finer_map": True, "anchors": AnchorConfig(sizes=(8.0, 12.0, 24.0, 40.0, 56.0))},
    "top-down": {"top_down": True},
    "top-down, odd size": {"top_down": True, "input_size": (100, 132)},
    "no entropy": {"entropy": None},
    "single frame": {"memory": None, "entropy": None},
    "odd size": {"input_size": (100, 132)},
    "no extras": {"extras": (), "anchors": AnchorConfig(sizes=(12.0, 24.0, 40.0))},
    "other ratios": {"anchors": AnchorConfig(sizes=(12.0, 24.0, 40.0, 56.0), ratios=(1.5,))},
}


def test_paper_s_figures():
    summary = summarize(load_config("paper320").network)
    assert summary.temporal_params == 669_184
    assert summary.temporal_biases == 1_024
    assert summary.macs_per_frame == 1_188_438_016
    gate = summarize(load_config("paper320", ["network.memory.squeeze=gate"]).network)
    assert (gate.temporal_params, gate.temporal_biases) == (1_006_080, 768)


def test_baseline_s_figures():
    summary = summarize(load_config("mnet_ssd320").network)
    assert summary.temporal_params == 0
    assert round(summary.macs_per_frame * 10 / 1e9, 2) == 11.59


def test_summary_counts_what_the_clip_model_holds():
    config = tiny_config()
    summary = summarize(config)
    assert summary.params == SGENet(config).count_params() == sum(layer.params for layer in summary.layers)


@pytest.mark.parametrize("name", VARIANTS)
def test_steps_with_carried_state_equal_the_clip(name):
    config = tiny_config(**VARIANTS[name])
    model = randomize(SGENet(config))
    inputs = random_clip(config, frames=4)
    clip = outputs_of(model, inputs)
    step = step_model_from(model)
    assert set(step.output_names if hasattr(step, "output_names") else step.output) >= {"boxes", "scores"}
    states = {state.input: np.zeros(state.shape, np.float32) for state in state_tensors(config)}
    assert bool(states) == config.recurrent and set(step.input) == {*inputs, *states}
    for time in range(4):
        answer = outputs_of(step, {key: value[:, time] for key, value in inputs.items()} | states)
        states = {state.input: answer[state.output] for state in state_tensors(config)}
        for key in ("boxes", "scores"):
            # Else the comparison would hold for a network that answers nothing.
            assert 0.3 < clip[key][:, time].std() < 30
            np.testing.assert_allclose(answer[key], clip[key][:, time], atol=1e-5 * max(1, np.abs(clip[key]).max()))


def test_memory_carries_something(tiny_net):
    inputs = random_clip(tiny_net.config, frames=2)
    second = {key: value[:, 1:] for key, value in inputs.items()}
    remembered = outputs_of(tiny_net, inputs)["scores"][:, 1]
    forgotten = outputs_of(tiny_net, second)["scores"][:, 0]
    assert np.abs(remembered - forgotten).max() > 0.05


def test_frames_of_a_network_without_memory_are_independent():
    config = tiny_config(memory=None)
    model = randomize(SGENet(config))
    inputs = random_clip(config, frames=3)
    reversed_clip = outputs_of(model, {key: value[:, ::-1] for key, value in inputs.items()})
    clip = outputs_of(model, inputs)
    np.testing.assert_allclose(reversed_clip["scores"][:, ::-1], clip["scores"], atol=1e-5)


def test_batched_equals_single(tiny_net):
    inputs = random_clip(tiny_net.config, frames=3, batch=3)
    together = outputs_of(tiny_net, inputs)
    for item in range(3):
        alone = outputs_of(tiny_net, {key: value[item : item + 1] for key, value in inputs.items()})
        for key in together:
            np.testing.assert_allclose(together[key][item], alone[key][0], atol=1e-5)


def test_written_out_loop_equals_the_loop(tiny_net):
    unrolled = SGENet(tiny_net.config, clip_length=3)
    copy_weights(tiny_net, unrolled)
    inputs = random_clip(tiny_net.config, frames=3)
    # The one compiled, as `predict` does, the other not.
    expected = tiny_net.predict_on_batch(inputs)
    answer = outputs_of(unrolled, inputs)
    for key in expected:
        np.testing.assert_allclose(answer[key], expected[key], atol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_windows_carry_the_state_but_not_the_gradient(tiny_net, window):
    windows = SGENet(tiny_net.config, clip_length=5, backprop_window=window)
    copy_weights(tiny_net, windows)
    inputs = random_clip(tiny_net.config, frames=5)
    expected, answer = outputs_of(tiny_net, inputs), outputs_of(windows, inputs)
    for key in expected:
        np.testing.assert_allclose(answer[key], expected[key], atol=1e-5)
    # What the last frame's scores owe to each frame's attention.
    image, attention = (tf.constant(inputs[key]) for key in ("image", "attention"))
    with tf.GradientTape() as tape:
        tape.watch(attention)
        last = tf.reduce_sum(windows({"image": image, "attention": attention})["scores"][:, -1] ** 2)
    owed = np.abs(tape.gradient(last, attention)).max(axis=(0, 2, 3, 4))
    first_of_last_window = 4 // window * window
    assert (owed[:first_of_last_window] == 0).all() and (owed[first_of_last_window:] > 0).all()


def test_windows_need_a_known_length():
    with pytest.raises(ValueError, match=r"`clip_length`\. Received: backprop_window=2"):
        SGENet(tiny_config(), backprop_window=2)


def test_a_new_memory_passes_its_input_through():
    memory = MemoryConfig(filters=120, squeeze_activation="tanh")
    config = tiny_config(memory=memory)
    single = randomize(SGENet(tiny_config(memory=dataclasses.replace(memory, kind="reduction"))))
    joined = SGENet(config)
    weights = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in single.weights}
    assert assign_weights(joined, weights)[0] == [weight_name(weight) for weight in single.weights]
    assign_weights(joined, pass_through_weights(joined))
    inputs = random_clip(config, frames=3)
    one, other = outputs_of(single, inputs)["scores"], outputs_of(joined, inputs)["scores"]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_other_clip_length_than_built_for_is_refused():
    model = SGENet(tiny_config(), clip_length=2)
    with pytest.raises(ValueError):
        model.predict_on_batch(random_clip(model.config, frames=3))


@pytest.mark.parametrize("size", [(64, 96), (100, 132)])
def test_map_in_the_graph_equals_the_map_on_the_host(size):
    from edge.entropy import entropy_attention
    from keras_sge.models.step_model import entropy_settings

    config = tiny_config(input_size=size, memory=None)
    host = randomize(build_step_model(config))
    graph = build_step_model(config, entropy="graph")
    copy_weights(host, graph)
    frame = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    # Noise in one half only, so that the cells differ.
    frame[:, size[1] // 2 :] = 90
    image = (frame[None, ..., ::-1] / 127.5 - 1).astype(np.float32)
    attention = entropy_attention(frame, entropy_settings(config))[None, ..., None]
    expected = outputs_of(host, {"image": image, "attention": attention})
    answer = outputs_of(graph, {"image": image})
    for key in expected:
        np.testing.assert_allclose(answer[key], expected[key], atol=1e-4)


def test_weights_go_to_equal_networks_only(tiny_net):
    with pytest.raises(ValueError, match="differ"):
        copy_weights(tiny_net, SGENet(tiny_config(memory=None)))
    with pytest.raises(ValueError, match="shape"):
        copy_weights(tiny_net, SGENet(tiny_config(alpha=0.2)))


def test_saved_network_answers_alike(tiny_net, tiny_keras):
    loaded = keras.saving.load_model(tiny_keras)
    assert isinstance(loaded, SGENet)
    assert loaded.config == tiny_net.config and loaded.clip_length == tiny_net.clip_length
    inputs = random_clip(tiny_net.config, frames=2)
    expected = outputs_of(tiny_net, inputs)
    answer = outputs_of(loaded, inputs)
    for key in expected:
        np.testing.assert_allclose(answer[key], expected[key], atol=1e-6)


def test_a_mapping_describes_a_network_too():
    model = SGENet({"name": "n", "classes": ["a"], "input_size": [64, 64], "alpha": 0.1, "entropy": {}})
    assert model.config.entropy == EntropyConfig()


def test_one_training_step_moves_every_part():
    config = tiny_config()
    model = randomize(SGENet(config, clip_length=2))
    compile_for_training(model, TrainingConfig(learning_rate=1e-3, warmup=None))
    inputs = random_clip(config, frames=2, batch=2)
    anchors = model.output["scores"].shape[2]
    rng = np.random.default_rng(0)
    scores = np.where(rng.random((2, 2, anchors)) < 0.1, rng.integers(1, 5, (2, 2, anchors)), 0).astype(np.int32)
    boxes = np.concatenate([rng.normal(0, 1, (2, 2, anchors, 4)), scores[..., None] > 0], -1).astype(np.float32)
    before = {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights}
    with eager():
        loss = model.train_on_batch(inputs, {"boxes": boxes, "scores": scores})
    assert np.isfinite(loss).all() and np.max(loss) > 0
    unmoved = [
        weight.path
        for weight in model.trainable_weights
        if np.array_equal(before[weight.path], keras.ops.convert_to_numpy(weight))
    ]
    assert not unmoved


def test_the_top_down_path_repeats_every_cell():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    doubled = keras.ops.convert_to_numpy(detector_graph._doubled(keras.layers, keras.ops.convert_to_tensor(x)))
    np.testing.assert_array_equal(doubled, x.repeat(2, axis=1).repeat(2, axis=2))


def test_scaled_boxes_keep_centers_and_scores():
    model = randomize(SGENet(tiny_config(), clip_length=2))
    clip = random_clip(model.config, frames=2)
    anchors, variances = anchor_boxes(anchor_maps(model.config)), model.config.anchors.variances
    before = outputs_of(model, clip)
    scale_boxes(model, 1.25)
    after = outputs_of(model, clip)
    np.testing.assert_array_equal(after["scores"], before["scores"])
    first, second = (corners_to_centers(decode_boxes(one["boxes"], anchors, variances)) for one in (before, after))
    np.testing.assert_allclose(second[..., :2], first[..., :2], atol=1e-4)
    np.testing.assert_allclose(second[..., 2:], 1.25 * first[..., 2:], rtol=1e-4)
