"""The Squeezed GRU against the paper's equations in numpy, and its contracts as a layer."""

import keras
import numpy as np
import pytest
from maps import CHANNELS, COLUMNS, FILTERS, ROWS, array, clip, randomize

from keras_sge.layers import SqueezedGRU2D, SqueezedGRUCell

SQUEEZES = ("input", "gate")


def gru(seed=1, **options):
    layer = SqueezedGRU2D(FILTERS, **{"return_sequences": True, "cell_name": "memory", **options})
    layer.build((2, 4, ROWS, COLUMNS, CHANNELS))
    randomize(layer.cell, seed)
    return layer


def cell(squeeze="input", seed=1):
    one = SqueezedGRUCell(FILTERS, squeeze=squeeze, name="memory")
    one.build((None, ROWS, COLUMNS, CHANNELS))
    return randomize(one, seed)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def separable(x, depthwise, pointwise, bias):
    """A depthwise 3x3 `same` convolution and a 1x1."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1:3]
    total = np.zeros_like(x)
    for dy in range(3):
        for dx in range(3):
            total += padded[:, dy : dy + rows, dx : dx + columns] * depthwise[dy, dx, :, 0]
    return total @ pointwise[0, 0] + bias


def plain_step(weights, squeeze, x, h):
    """Eq. 5-8 as they stand: one convolution over the concatenation, its kernel stacked from the x and the h part."""

    def convolved(gate, depthwise, x, h):
        stacked = [
            np.concatenate([weights[f"memory_{role}_{part}_{kind}/kernel"] for part in "xh"], axis=2)
            for role, kind in ((depthwise, "depthwise"), (gate, "pointwise"))
        ]
        return separable(np.concatenate([x, h], axis=-1), *stacked, weights[f"memory_{gate}_x_pointwise/bias"])

    if squeeze == "input":
        x = x @ weights["memory_squeeze/kernel"][0, 0] + weights["memory_squeeze/bias"]
        places = {"update": "update", "reset": "reset"}
    else:
        places = {"update": "gates", "reset": "gates"}
    z = sigmoid(convolved("update", places["update"], x, h))
    r = sigmoid(convolved("reset", places["reset"], x, h))
    candidate = np.tanh(convolved("candidate", "candidate", x, r * h))
    return (1 - z) * h + z * candidate


@pytest.mark.parametrize(("squeeze", "kernels", "biases"), [("input", 669_184, 1_024), ("gate", 1_006_080, 768)])
def test_parameters_are_the_paper_s(squeeze, kernels, biases):
    layer = SqueezedGRUCell(256, squeeze=squeeze)
    layer.build((None, 10, 10, 1024))
    sizes = [(weight.path.endswith("bias"), int(np.prod(weight.shape))) for weight in layer.weights]
    assert sum(size for is_bias, size in sizes if not is_bias) == kernels
    assert sum(size for is_bias, size in sizes if is_bias) == biases
    assert layer.count_params() == kernels + biases


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_one_step_equals_the_equations(squeeze):
    layer = cell(squeeze)
    weights = {"/".join(weight.path.split("/")[-2:]): array(weight).astype(np.float64) for weight in layer.weights}
    x = clip(1)[:, 0]
    h = np.random.default_rng(5).uniform(-1, 1, (2, ROWS, COLUMNS, FILTERS)).astype(np.float32)
    output, states = layer(x, [h])
    expected = plain_step(weights, squeeze, x.astype(np.float64), h.astype(np.float64))
    assert np.abs(expected - h).max() > 0.1
    np.testing.assert_allclose(array(output), expected, atol=1e-5)
    np.testing.assert_array_equal(array(states[0]), array(output))


CHECKSUMS = {"input": 3.868956, "gate": 8.475261}


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_checksum_with_constant_weights(squeeze):
    layer = SqueezedGRU2D(
        2,
        squeeze=squeeze,
        kernel_initializer=keras.initializers.Constant(0.05),
        depthwise_initializer=keras.initializers.Constant(0.2),
        bias_initializer=keras.initializers.Constant(0.1),
    )
    sequence = np.linspace(-1, 2, 3 * 4 * 4 * 3, dtype=np.float32).reshape(1, 3, 4, 4, 3)
    np.testing.assert_allclose(np.sum(array(layer(sequence))), CHECKSUMS[squeeze], rtol=1e-5)


def test_squeeze_activation_bounds_what_enters_the_gates():
    """The same as a linear squeeze of which someone else took the hyperbolic tangent."""
    x, h = clip()[:, 0], clip(seed=3)[:, 0, ..., :FILTERS]
    bounded = SqueezedGRUCell(FILTERS, squeeze_activation="tanh", name="memory")
    bounded.build(x.shape)
    randomize(bounded)
    weights = {"/".join(weight.path.split("/")[-2:]): array(weight) for weight in bounded.weights}
    squeezed = np.tanh(x @ weights["memory_squeeze/kernel"][0, 0] + weights["memory_squeeze/bias"])
    twin = SqueezedGRUCell(FILTERS, name="memory")
    twin.build(squeezed.shape)
    through = {
        "memory_squeeze/kernel": np.eye(FILTERS, dtype=np.float32)[None, None],
        "memory_squeeze/bias": np.zeros(FILTERS, np.float32),
    }
    for weight in twin.weights:
        weight.assign({**weights, **through}["/".join(weight.path.split("/")[-2:])])
    np.testing.assert_allclose(array(bounded(x, [h])[0]), array(twin(squeezed, [h])[0]), atol=1e-6)


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_gates_start_with_kernels_of_their_own(squeeze):
    layer = SqueezedGRUCell(FILTERS, squeeze=squeeze, kernel_initializer=keras.initializers.GlorotUniform(seed=None))
    layer.build((None, ROWS, COLUMNS, CHANNELS))
    kernels = [array(weight) for weight in layer.weights if weight.path.endswith("kernel")]
    for number, one in enumerate(kernels):
        for other in kernels[number + 1 :]:
            assert one.shape != other.shape or not np.allclose(one, other)


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("unroll", [False, True])
def test_layer_equals_the_cell_step_by_step(squeeze, unroll):
    layer = gru(squeeze=squeeze, unroll=unroll)
    sequence = clip()
    whole = array(layer(sequence))
    state = np.zeros((2, ROWS, COLUMNS, FILTERS), np.float32)
    for time in range(sequence.shape[1]):
        output, [state] = layer.cell(sequence[:, time], [state])
        np.testing.assert_allclose(whole[:, time], array(output), atol=1e-6)


def test_last_output_alone_is_the_end_of_the_sequence():
    every, last = gru(), gru(return_sequences=False)
    np.testing.assert_allclose(array(last(clip())), array(every(clip()))[:, -1], atol=1e-6)


def test_returned_state_continues_a_clip():
    layer = gru(return_state=True)
    sequence = clip(6)
    whole, end = layer(sequence)
    first, state = layer(sequence[:, :4])
    second, last = layer(sequence[:, 4:], initial_state=[state])
    np.testing.assert_allclose(np.concatenate([array(first), array(second)], 1), array(whole), atol=1e-6)
    np.testing.assert_allclose(array(last), array(end), atol=1e-6)


def test_stateful_layer_continues_until_reset():
    sequence = clip(8)
    whole = array(gru()(sequence))
    layer = gru(stateful=True)
    parts = [array(layer(sequence[:, start : start + 4])) for start in (0, 4)]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-6)
    layer.reset_state()
    np.testing.assert_allclose(array(layer(sequence[:, :4])), whole[:, :4], atol=1e-6)


@pytest.mark.parametrize("unroll", [False, True])
def test_masked_steps_keep_the_state_and_repeat_the_output(unroll):
    layer = gru(return_state=True, unroll=unroll)
    sequence = clip(4)
    mask = np.array([[True, True, False, True], [True, False, False, True]])
    output, state = (array(part) for part in layer(sequence, mask=mask))
    for item in range(2):
        # As if the masked frames were not there.
        seen = sequence[item : item + 1, mask[item]]
        expected = array(gru()(seen))[0][np.cumsum(mask[item]) - 1]
        np.testing.assert_allclose(output[item], expected, atol=1e-6)
        np.testing.assert_allclose(state[item], expected[-1], atol=1e-6)


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_state_stays_within_one_from_zero(squeeze):
    output = array(gru(squeeze=squeeze)(clip(4) * 30))
    assert 0.9 < np.abs(output).max() <= 1


def test_configuration_round_trip():
    layer = gru(
        squeeze="gate",
        kernel_initializer="he_normal",
        depthwise_initializer="ones",
        kernel_regularizer="l2",
        unroll=True,
    )
    twin = SqueezedGRU2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.cell.squeeze, twin.return_sequences, twin.unroll) == ("gate", True, True)
    one = SqueezedGRUCell.from_config(layer.cell.get_config())
    assert one.get_config() == layer.cell.get_config()


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_saved_model_answers_alike(squeeze, tmp_path):
    layer = SqueezedGRU2D(FILTERS, squeeze=squeeze, return_sequences=True)
    inputs = keras.Input((None, ROWS, COLUMNS, CHANNELS))
    model = keras.Model(inputs, layer(inputs))
    randomize(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(loaded(clip())), array(model(clip())), atol=1e-6)


def test_shapes_are_known_before_a_call():
    every = SqueezedGRU2D(FILTERS, return_sequences=True, return_state=True)
    shapes = every.compute_output_shape((None, 10, ROWS, COLUMNS, CHANNELS))
    assert shapes == ((None, 10, ROWS, COLUMNS, FILTERS), (None, ROWS, COLUMNS, FILTERS))
    assert SqueezedGRU2D(7)(keras.Input((10, ROWS, COLUMNS, CHANNELS))).shape == (None, ROWS, COLUMNS, 7)


@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": 0},
        {"filters": 2.5},
        {"filters": 4, "squeeze": "both"},
        {"filters": 4, "squeeze": "gate", "squeeze_activation": "tanh"},
    ],
)
@pytest.mark.parametrize("kind", [SqueezedGRUCell, SqueezedGRU2D])
def test_bad_arguments_are_named(kind, arguments):
    with pytest.raises(ValueError, match="Received"):
        kind(**arguments)


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match="Received"):
        SqueezedGRU2D(4).build((2, 10, 8))
    with pytest.raises(ValueError, match="Received"):
        SqueezedGRUCell(4).build((2, None, 8, 8))
