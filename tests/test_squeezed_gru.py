"""The Squeezed GRU against the paper's equations in numpy, and its contracts as a layer."""

import keras
import numpy as np
import pytest
from layer_test import run_layer_test
from maps import CHANNELS, COLUMNS, FILTERS, ROWS, array, clip, depthwise, randomize, sigmoid

from keras_sge.layers import SqueezedGRU2D, SqueezedGRUCell

SQUEEZES = ("input", "gate")


def cell(squeeze="input", seed=1):
    one = SqueezedGRUCell(FILTERS, squeeze=squeeze, name="memory")
    one.build((None, ROWS, COLUMNS, CHANNELS))
    return randomize(one, seed)


def plain_step(weights, squeeze, x, h):
    """Eq. 5-8 as they stand: one convolution over the concatenation, its kernel stacked from the x and the h part."""

    def convolved(gate, first, x, h):
        stacked = [
            np.concatenate([weights[f"memory_{role}_{part}_{kind}/kernel"] for part in "xh"], axis=2)
            for role, kind in ((first, "depthwise"), (gate, "pointwise"))
        ]
        seen = depthwise(np.concatenate([x, h], axis=-1), stacked[0])
        return seen @ stacked[1][0, 0] + weights[f"memory_{gate}_x_pointwise/bias"]

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


# Kernels of the three gates' 1x1 for x and h, and a bias each: 9. Squeezed at the input each gate has depthwise kernels
# of its own beside the squeeze, else update and reset share them.
@pytest.mark.parametrize(("squeeze", "weights"), [("input", 9 + 6 + 2), ("gate", 9 + 4)])
def test_the_layer(squeeze, weights, tmp_path):
    run_layer_test(lambda **options: SqueezedGRU2D(FILTERS, squeeze=squeeze, **options), weights, 1, tmp_path)


@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_state_stays_within_one_from_zero(squeeze):
    layer, states = cell(squeeze), [np.zeros((2, ROWS, COLUMNS, FILTERS), np.float32)]
    for x in np.moveaxis(clip() * 30, 1, 0):
        output, states = layer(x, states)
        assert 0.9 < np.abs(array(output)).max() <= 1


def test_configuration_round_trip():
    layer = SqueezedGRU2D(
        FILTERS,
        squeeze="gate",
        kernel_initializer="he_normal",
        depthwise_initializer="ones",
        kernel_regularizer="l2",
        return_sequences=True,
        unroll=True,
        cell_name="memory",
    )
    twin = SqueezedGRU2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.cell.squeeze, twin.return_sequences, twin.unroll) == ("gate", True, True)
    assert (
        twin.cell.name == "memory" and twin.cell.kernel_regularizer.get_config() == keras.regularizers.L2().get_config()
    )


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
