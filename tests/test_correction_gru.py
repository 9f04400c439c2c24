"""The correction GRU: its equations, how it starts, and what it is in a network."""

import keras
import numpy as np
import pytest
from layer_test import run_layer_test
from maps import COLUMNS, FILTERS, ROWS, array, clip, depthwise, randomize, sigmoid
from tiny import outputs_of, random_clip, tiny_config
from tiny import randomize as randomize_network

from edge.detector import Detector
from edge.errors import InputError
from keras_sge.config import Config, MemoryConfig, ReductionConfig, TrainingConfig, config_to_dict, load_config
from keras_sge.config.config import network_from_dict
from keras_sge.data import SyntheticSky
from keras_sge.evaluation.detector import KerasRuntime
from keras_sge.layers import RNN2D, CorrectionGRU2D, CorrectionGRUCell
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.memory import correction_weights
from keras_sge.models.step_model import network_metadata, state_tensors
from keras_sge.models.summary import summarize
from keras_sge.models.topology import topology, weight_name
from keras_sge.models.weights import read_weights_file, save_weights
from keras_sge.training.start import set_starting_weights
from quantization import CalibrationSource, Exporter

PLACES = ("conv12", "conv13")


def network(**changes):
    """The configuration of a tiny network with a correction GRU on both maps, in front of the reduction."""
    return tiny_config(**{"memory": at(*PLACES), "reduction": ReductionConfig(120), "entropy": None, **changes})


def at(*places):
    """A correction GRU on each of a list of maps."""
    return MemoryConfig("correction_gru", 120, attach_to=places)


def cell():
    one = CorrectionGRUCell(FILTERS, name="memory")
    one.build((None, ROWS, COLUMNS, FILTERS))
    return one


def plain_step(weights, s, h):
    def seen(role, side, x):
        kernel = weights[f"memory_{role}_{side}_pointwise/kernel"][0, 0]
        return depthwise(x, weights[f"memory_{role}_{side}_depthwise/kernel"]) @ kernel

    def total(role, h, *more):
        return seen(role, "x", s) + seen(role, "h", h) + sum(more) + weights[f"memory_{role}_x_pointwise/bias"]

    filled = np.tanh(np.maximum(np.maximum(h, 0) @ weights["memory_filled/kernel"][0, 0], 0))
    z = filled * sigmoid(total("keep", h, seen("keep", "d", np.abs(s - h))))
    r = sigmoid(total("reset", h))
    c = s + np.tanh(total("candidate", r * h))
    return z * h + (1 - z) * c


def test_one_step_equals_the_equations():
    layer = randomize(cell())
    weights = {weight_name(weight): array(weight).astype(np.float64) for weight in layer.weights}
    s, h = clip(1, channels=FILTERS)[:, 0], clip(1, seed=5, channels=FILTERS)[:, 0]
    output, states = layer(s, [h])
    expected = plain_step(weights, s.astype(np.float64), h.astype(np.float64))
    assert np.abs(expected - h).max() > 0.1
    np.testing.assert_allclose(array(output), expected, atol=1e-5)
    np.testing.assert_array_equal(array(states[0]), array(output))


def test_untrained_it_answers_its_first_input_and_then_keeps_about_a_quarter():
    layer, (first, second) = cell(), np.moveaxis(clip(2, channels=FILTERS), 1, 0)
    for part in layer.parts.values():
        if part.name.startswith("memory_keep") and hasattr(part, "kernel"):
            part.kernel.assign(0 * part.kernel)
    output, states = layer(first, layer.get_initial_state(2))
    np.testing.assert_array_equal(array(output), first)
    # Where something is remembered in a cell of the map.
    filled = np.tanh(np.maximum(first, 0).sum(-1, keepdims=True))
    z = filled * sigmoid(-1.0)
    np.testing.assert_allclose(array(layer(second, states)[0]), z * first + (1 - z) * second, atol=1e-6)


def test_state_stays_within_the_largest_input_plus_one():
    layer = randomize(cell())
    for name, part in layer.parts.items():
        if name.startswith("candidate") and getattr(part, "use_bias", False):
            part.bias.assign(part.bias + 60)
    sequence, states = np.moveaxis(clip(12, channels=FILTERS), 1, 0), layer.get_initial_state(2)
    for s in sequence:
        output, states = layer(s, states)
        assert np.abs(array(output)).max() <= np.abs(sequence).max() + 1


def test_the_layer(tmp_path):
    def make(dtype=None, **options):
        return RNN2D(CorrectionGRUCell(FILTERS, dtype=dtype), dtype=dtype, **options)

    # Seven depthwise and 1x1 kernels, three biases, and what tells whether anything is remembered.
    run_layer_test(make, 7 + 7 + 3 + 1, 1, tmp_path, channels=FILTERS)


def test_parameters_are_the_ones_counted_by_hand():
    layer = CorrectionGRUCell(256)
    layer.build((None, 10, 10, 256))
    sizes = [(weight.path.endswith("bias"), int(np.prod(weight.shape))) for weight in layer.weights]
    assert sum(size for is_bias, size in sizes if not is_bias) == 7 * (9 * 256 + 256 * 256) + 256 == 475_136
    assert sum(size for is_bias, size in sizes if is_bias) == 3 * 256
    config = network(alpha=1.0, memory=MemoryConfig("correction_gru", attach_to=PLACES))
    # S and E of 512 and of 1,024 channels, S with a bias.
    assert summarize(config).temporal_params == 2 * 475_136 + 2 * 256 * (512 + 1024)
    assert summarize(config).temporal_biases == 2 * (3 * 256 + 256)


def corrected(frames=3, **options):
    """A layer with weights of which none is at its start, and a clip for it."""
    layer, sequence = CorrectionGRU2D(FILTERS, **options), clip(frames)
    layer.build(sequence.shape)
    randomize(layer)
    # Of a negative sum the ReLU behind it would learn nothing.
    filled = layer.memory.cell.parts["filled"].kernel
    filled.assign(abs(filled))
    return layer, sequence


def test_the_layer_adds_what_it_remembers_beyond_what_it_sees():
    layer, sequence = corrected(return_state=True)
    squeeze, bias = (array(weight) for weight in layer.squeeze.weights)
    state, expected = np.zeros((2, ROWS, COLUMNS, FILTERS), np.float32), []
    for frame in np.moveaxis(sequence, 1, 0):
        seen = frame @ squeeze + bias
        state = array(layer.memory.cell(seen, [state])[0])
        expected.append(frame + (state - seen) @ array(layer.restore.kernel))
    answer, last = layer(sequence)
    assert np.abs(array(answer) - sequence).max() > 0.1
    np.testing.assert_allclose(array(answer), np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(array(last), state, atol=1e-5)
    # In two parts with the state handed on it is the same clip.
    first, between = layer(sequence[:, :2])
    second, _ = layer(sequence[:, 2:], initial_state=[between])
    np.testing.assert_allclose(np.concatenate([array(first), array(second)], axis=1), array(answer), atol=1e-5)


def test_the_layer_starts_as_nothing_and_after_adapt_repeats_a_frame_that_is_as_the_one_before():
    sequence = np.repeat(clip(1), 3, axis=1)
    layer = CorrectionGRU2D(FILTERS)
    np.testing.assert_array_equal(array(layer(clip(3))), clip(3))
    share = layer.adapt(clip(4))
    assert 0.5 < share <= 1
    np.testing.assert_allclose(array(layer(sequence)), sequence, atol=1e-5)
    assert np.abs(array(layer(clip(3)))[:, 1:] - clip(3)[:, 1:]).max() > 0.1
    flat = np.random.default_rng(1).normal(size=(500, FILTERS)) @ np.random.default_rng(2).normal(size=(FILTERS, 7))
    layer = CorrectionGRU2D(FILTERS)
    layer.build((None, 3, ROWS, COLUMNS, 7))
    assert layer.adapt(flat) == pytest.approx(1)
    centered = flat - flat.mean(axis=0)
    np.testing.assert_allclose(array(layer.restore(layer.squeeze(flat))), centered, atol=1e-4)


def test_the_layer_is_saved_and_trained(tmp_path):
    layer, sequence = corrected()
    inputs = keras.Input(sequence.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *sequence.shape[1:]) and len(layer.trainable_weights) == 18 + 3
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict_on_batch(sequence), model.predict_on_batch(sequence), atol=1e-6)
    before = [array(weight) for weight in model.weights]
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(sequence, 0 * sequence)
    assert all(np.abs(array(weight) - value).max() > 0 for weight, value in zip(model.weights, before, strict=True))


def test_a_stateful_layer_goes_on_until_it_is_reset():
    layer, sequence = corrected(stateful=True)
    whole = array(corrected()[0](sequence))
    np.testing.assert_allclose(array(layer(sequence[:, :1])), whole[:, :1], atol=1e-5)
    np.testing.assert_allclose(array(layer(sequence[:, 1:2])), whole[:, 1:2], atol=1e-5)
    layer.reset_state()
    np.testing.assert_allclose(array(layer(sequence[:, :1])), whole[:, :1], atol=1e-5)


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match=r"as many input channels as it has filters, 3\. Received"):
        CorrectionGRUCell(3).build((None, ROWS, COLUMNS, 4))
    with pytest.raises(ValueError, match=r"\(batch, time, rows, columns, channels\)\. Received"):
        CorrectionGRU2D(3).build((None, ROWS, COLUMNS, 4))


@pytest.mark.parametrize("places", [PLACES, "conv13", "feature_map1"])
def test_steps_with_carried_states_equal_the_clip(places):
    config = network(memory=MemoryConfig("correction_gru", 120, attach_to=places))
    model = randomize_network(SGENet(config))
    step, inputs = step_model_from(model), random_clip(config, frames=3)
    whole = outputs_of(model, inputs)
    carried = {state.input: np.zeros(state.shape, np.float32) for state in state_tensors(config)}
    assert list(carried) == (["state_conv12", "state_conv13"] if places == PLACES else ["state"])
    for time in range(3):
        given = outputs_of(step, {"image": inputs["image"][:, time], **carried})
        for key in ("boxes", "scores"):
            np.testing.assert_allclose(given[key], whole[key][:, time], atol=1e-5 * max(1, np.abs(whole[key]).max()))
        if time == 2:
            # What each cell remembers reaches the answer.
            for name, state in carried.items():
                other = outputs_of(step, {"image": inputs["image"][:, time], **carried, name: 0 * state})
                assert np.abs(other["scores"] - given["scores"]).max() > 1e-4, name
        carried = {name: given[f"next_{name}"] for name in carried}


@pytest.fixture(scope="module")
def videos():
    return SyntheticSky(videos=4, frames=8, size=64, seed=3)


@pytest.fixture(scope="module")
def started(videos, tmp_path_factory):
    """A single-frame network as its file holds it, and one with a correction GRU that starts from it."""
    path = tmp_path_factory.mktemp("start") / "single.npz"
    reduction = MemoryConfig("reduction", 120, squeeze_activation="tanh")
    single = randomize_network(SGENet(tiny_config(memory=reduction, entropy=None)))
    stored = {weight.path: array(weight).astype(np.float16).astype(np.float32) for weight in single.weights}
    for weight in single.weights:
        weight.assign(stored[weight.path])
    save_weights(single, path)
    training = TrainingConfig(start_from=str(path), freeze_until="conv13", freeze_detector=True)
    model = SGENet(network(), clip_length=3, freeze_until="conv13", freeze_detector=True)
    set_starting_weights(model, training, videos)
    return single, model


def test_it_starts_as_the_baseline(started):
    """On the first frame, and as long as nothing changes."""
    single, model = started
    inputs = random_clip(model.config, frames=3)
    before, after = outputs_of(single, inputs), outputs_of(model, inputs)
    for name, value in before.items():
        np.testing.assert_allclose(after[name][:, 0], value[:, 0], atol=1e-5 * np.abs(value).max())
        assert np.abs(after[name][:, 1] - value[:, 1]).max() > 1e-3
    inputs["image"][:] = inputs["image"][:, :1]
    for name, value in outputs_of(single, inputs).items():
        np.testing.assert_allclose(outputs_of(model, inputs)[name], value, atol=1e-4 * np.abs(value).max())


def test_squeeze_and_restore_are_the_principal_components(started):
    _, model = started
    rng = np.random.default_rng(0)
    channels = model.get_layer("memory_conv12_restore").kernel.shape[-1]
    mixing, offset = rng.normal(size=(5, channels)), rng.uniform(0, 3, channels)
    features = rng.normal(size=(4000, 5)) @ mixing + offset
    weights, share = correction_weights(model, "conv12", features.mean(0), np.cov(features.T))
    assert share == pytest.approx(1, abs=1e-6)
    squeezed = features @ weights["memory_conv12_squeeze/kernel"][0, 0] + weights["memory_conv12_squeeze/bias"]
    np.testing.assert_allclose(squeezed.mean(0), 0, atol=1e-4)
    assert squeezed.var(0).mean() == pytest.approx(1, rel=1e-2)
    restored = squeezed @ weights["memory_conv12_restore/kernel"][0, 0] + features.mean(0)
    np.testing.assert_allclose(restored, features, atol=1e-3)


def test_only_the_memory_is_trained(started):
    _, model = started
    free = {weight_name(weight) for weight in model.trainable_weights}
    memory = topology(model.config).of_part("memory")
    assert free == {name for name in map(weight_name, model.weights) if name.partition("/")[0] in memory}


def test_a_trained_one_is_taken_over_as_it_is(videos, tmp_path):
    """Also beside a reduction, whose weights a Squeezed GRU's would be."""
    for places in (PLACES, "conv13"):
        trained = randomize_network(SGENet(network(memory=MemoryConfig("correction_gru", 120, attach_to=places))))
        save_weights(trained, tmp_path / "trained.npz")
        other = SGENet(trained.config)
        set_starting_weights(other, TrainingConfig(start_from=str(tmp_path / "trained.npz")), videos)
        stored = read_weights_file(tmp_path / "trained.npz")[1]
        for weight in other.weights:
            np.testing.assert_array_equal(array(weight), stored[weight_name(weight)], err_msg=weight.path)


def test_another_memory_s_weights_are_not_taken_for_its_own(videos, tmp_path):
    squeezed = randomize_network(SGENet(tiny_config(memory=MemoryConfig(filters=120), entropy=None)))
    save_weights(squeezed, tmp_path / "squeezed.npz")
    model = SGENet(network(memory=MemoryConfig("correction_gru", 120)))
    set_starting_weights(model, TrainingConfig(start_from=str(tmp_path / "squeezed.npz")), videos)
    values = {weight_name(weight): array(weight) for weight in model.weights}
    assert not values["memory_candidate_x_pointwise/kernel"].any()
    stored = read_weights_file(tmp_path / "squeezed.npz")[1]
    np.testing.assert_array_equal(values["neck_squeeze/kernel"], stored["memory_squeeze/kernel"])


@pytest.fixture(scope="module")
def trained():
    return randomize_network(SGENet(network()))


def keras_detector(model):
    return Detector.from_runtime(KerasRuntime(step_model_from(model)), network_metadata(model.config))


def test_the_file_equals_keras_with_carried_states(trained, tmp_path):
    Exporter(trained).write(tmp_path / "model.tflite")
    file, exact = Detector(tmp_path / "model.tflite"), keras_detector(trained)
    for frame in SyntheticSky(videos=1, frames=6, size=64, seed=4).read(0):
        for answer, expected in zip(file.raw(frame), exact.raw(frame), strict=True):
            np.testing.assert_allclose(answer, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    for name, state in exact.state.items():
        np.testing.assert_allclose(file.state[name], state, atol=1e-4)


def test_int8_follows_keras_and_its_states_have_scales_of_their_own(trained, videos, tmp_path):
    exporter = Exporter(trained, "int8")
    exporter.calibrate(CalibrationSource(videos, "tests", clips=4))
    metadata = exporter.write(tmp_path / "model_int8.tflite").metadata
    rounded, exact = Detector(tmp_path / "model_int8.tflite"), keras_detector(trained)
    differences = []
    for number, frame in enumerate(SyntheticSky(videos=1, frames=30, size=64, seed=9).read(0)):
        if number == 20:
            rounded.reset()
            exact.reset()
        pairs = list(zip(rounded.raw(frame), exact.raw(frame), strict=True))
        differences.append([np.abs(answer - expected).mean() / np.abs(expected).mean() for answer, expected in pairs])
    assert np.mean(differences) < 0.1
    for state in metadata.states:
        assert (state.dtype, state.zero_point, state.reset) == ("int8", 0, 0) and state.scale > 1 / 128
        real, expected = rounded.state[state.input] * state.scale, exact.state[state.input]
        assert np.abs(real - expected).mean() < 0.15 * np.abs(expected).mean()


def test_a_network_s_configuration_goes_round():
    config = network()
    assert network_from_dict(config_to_dict(config)) == config
    assert config_to_dict(config)["memory"]["attach_to"] == [*PLACES]
    loaded = load_config("skyzoom192_correction")
    assert loaded.network.memory.places == PLACES and loaded.training.freeze_detector


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda: {"memory": MemoryConfig(attach_to=PLACES)}, ["network.memory.attach_to", "list", "squeezed_gru"]),
        (lambda: {"memory": at("conv13", "conv12")}, ["network.memory.attach_to", "order", "['conv13', 'conv12']"]),
        (lambda: {"memory": at("conv13")}, ["network.memory.attach_to", "two or more"]),
        (lambda: {"memory": at("conv12", "conv14")}, ["conv14", "conv13"]),
        (lambda: {"memory": at("conv13", "feature_map2")}, ["feature_map2", "1 feature maps"]),
        (lambda: {"memory": MemoryConfig("correction_gru"), "top_down": True}, ["network.top_down", "correction_gru"]),
        (lambda: {"memory": MemoryConfig("correction_gru", squeeze="gate")}, ["network.memory.squeeze"]),
    ],
)
def test_what_does_not_fit_together_is_named(changes, words):
    with pytest.raises(InputError) as caught:
        network(**changes())
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_detector_without_memory_cannot_be_frozen_whole():
    with pytest.raises(InputError, match=r"training\.freeze_detector trains the memory alone"):
        Config(network(memory=None), training=TrainingConfig(freeze_detector=True))
    with pytest.raises(InputError, match=r"network\.memory\.attach_to must be text"):
        load_config("skyzoom192_correction", ["network.memory.attach_to=7"])


def test_mixed_precision_keeps_the_start(videos):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = SGENet(network(), clip_length=2)
        set_starting_weights(model, TrainingConfig(), videos)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(outputs_of(model, random_clip(model.config, 2))["scores"].astype(np.float32)).all()
