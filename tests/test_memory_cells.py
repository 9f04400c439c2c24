"""The recurrent baselines against their equations in numpy, and their contracts in the layer that they share."""

import keras
import numpy as np
import pytest
from layer_test import masked_clip, run_layer_test
from maps import CHANNELS, COLUMNS, FILTERS, ROWS, array, clip, depthwise, randomize, sigmoid

from keras_sge.layers import (
    RNN2D,
    BottleneckLSTMCell,
    ConvGRUCell,
    FeatureEnhancement,
    FoldTime,
    InformationEntropyMap,
    SeparableGRUCell,
    SeparableLSTMCell,
    SqueezedGRU2D,
    SqueezedGRUCell,
    UnfoldTime,
)

CELLS = (SeparableLSTMCell, SeparableGRUCell, ConvGRUCell, BottleneckLSTMCell)


def relu6(x):
    return np.clip(x, 0, 6)


def convolution(x, kernel):
    """`same`, 3x3, every channel to every channel."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1:3]
    return sum(padded[:, dy : dy + rows, dx : dx + columns] @ kernel[dy, dx] for dy in range(3) for dx in range(3))


def joined(weights, x_name, h_name):
    """One kernel over the concatenation [x, h]."""
    return np.concatenate([weights[f"memory_{name}/kernel"] for name in (x_name, h_name)], axis=2)


def plain_lstm(weights, x, h, c):
    seen = depthwise(np.concatenate([x, h], -1), joined(weights, "gates_x_depthwise", "gates_h_depthwise"))

    def gate(name):
        kernel = joined(weights, f"{name}_x_pointwise", f"{name}_h_pointwise")
        return seen @ kernel[0, 0] + weights[f"memory_{name}_x_pointwise/bias"]

    c = sigmoid(gate("forget")) * c + sigmoid(gate("input")) * np.tanh(gate("candidate"))
    c = np.clip(c, -8, 8)
    return sigmoid(gate("output")) * np.tanh(c), c


def plain_gru(weights, x, h):
    def gate(name, place, h):
        both = np.concatenate([x, h], -1)
        seen = depthwise(both, joined(weights, f"{place}_x_depthwise", f"{place}_h_depthwise"))
        kernel = joined(weights, f"{name}_x_pointwise", f"{name}_h_pointwise")
        return seen @ kernel[0, 0] + weights[f"memory_{name}_x_pointwise/bias"]

    z, r = sigmoid(gate("update", "gates", h)), sigmoid(gate("reset", "gates", h))
    return ((1 - z) * h + z * np.tanh(gate("candidate", "candidate", r * h)),)


def plain_conv_gru(weights, x, h):
    def gate(name, h):
        both = np.concatenate([x, h], -1)
        return convolution(both, joined(weights, f"{name}_x", f"{name}_h")) + weights[f"memory_{name}_x/bias"]

    z, r = sigmoid(gate("update", h)), sigmoid(gate("reset", h))
    return ((1 - z) * h + z * np.tanh(gate("candidate", r * h)),)


def plain_bottleneck_lstm(weights, x, h, c):
    seen = depthwise(np.concatenate([x, h], -1), joined(weights, "bottleneck_x_depthwise", "bottleneck_h_depthwise"))
    kernel = joined(weights, "bottleneck_x_pointwise", "bottleneck_h_pointwise")
    b = relu6(seen @ kernel[0, 0] + weights["memory_bottleneck_x_pointwise/bias"])
    b = depthwise(b, weights["memory_gates_depthwise/kernel"])

    def gate(name):
        return b @ weights[f"memory_{name}_pointwise/kernel"][0, 0] + weights[f"memory_{name}_pointwise/bias"]

    c = relu6(sigmoid(gate("forget")) * c + sigmoid(gate("input")) * relu6(gate("candidate")))
    return sigmoid(gate("output")) * relu6(c), c


PLAIN = {
    SeparableLSTMCell: plain_lstm,
    SeparableGRUCell: plain_gru,
    ConvGRUCell: plain_conv_gru,
    BottleneckLSTMCell: plain_bottleneck_lstm,
}
# Within what each state stays, from zero.
RANGES = {
    SeparableLSTMCell: ((-1, 1), (-8, 8)),
    SeparableGRUCell: ((-1, 1),),
    ConvGRUCell: ((-1, 1),),
    BottleneckLSTMCell: ((0, 6), (0, 6)),
}


@pytest.mark.parametrize(
    ("kind", "filters", "kernels", "biases"),
    [
        (SeparableLSTMCell, 1024, 8_407_040, 4_096),
        (SeparableGRUCell, 1024, 6_328_320, 3_072),
        (ConvGRUCell, 256, 8_847_360, 768),
        # 9 x 1,280 + 1,280 x 256 for the bottleneck, 9 x 256 + 256 x 1,024 for the gates.
        (BottleneckLSTMCell, 256, 603_648, 1_280),
    ],
)
def test_parameters_are_the_ones_counted_by_hand(kind, filters, kernels, biases):
    cell = kind(filters)
    cell.build((None, 10, 10, 1024))
    sizes = [(weight.path.endswith("bias"), int(np.prod(weight.shape))) for weight in cell.weights]
    assert sum(size for is_bias, size in sizes if not is_bias) == kernels
    assert sum(size for is_bias, size in sizes if is_bias) == biases


@pytest.mark.parametrize("kind", CELLS)
def test_one_step_equals_the_equations(kind):
    cell = kind(FILTERS, name="memory")
    cell.build((None, ROWS, COLUMNS, CHANNELS))
    randomize(cell)
    weights = {"/".join(weight.path.split("/")[-2:]): array(weight).astype(np.float64) for weight in cell.weights}
    x, rng = clip(1)[:, 0], np.random.default_rng(5)
    states = [rng.uniform(*bounds, (2, ROWS, COLUMNS, FILTERS)).astype(np.float32) for bounds in RANGES[kind]]
    output, new = cell(x, states)
    expected = PLAIN[kind](weights, x.astype(np.float64), *(state.astype(np.float64) for state in states))
    assert len(new) == len(states) == len(expected)
    for one, plain, before in zip(new, expected, states, strict=True):
        assert np.abs(plain - before).max() > 0.1
        np.testing.assert_allclose(array(one), plain, atol=2e-5)
    np.testing.assert_array_equal(array(output), array(new[0]))


CHECKSUMS = {
    SeparableLSTMCell: 5.676962,
    # The Squeezed GRU's whose gates have 1x1 of their own: one maths.
    SeparableGRUCell: 8.475261,
    ConvGRUCell: 25.069416,
    BottleneckLSTMCell: 2.763038,
}


@pytest.mark.parametrize("kind", CELLS)
def test_checksum_with_constant_weights(kind):
    options = {
        "kernel_initializer": keras.initializers.Constant(0.05),
        "bias_initializer": keras.initializers.Constant(0.1),
        **({"depthwise_initializer": keras.initializers.Constant(0.2)} if kind.separable else {}),
    }
    sequence = np.linspace(-1, 2, 3 * 4 * 4 * 3, dtype=np.float32).reshape(1, 3, 4, 4, 3)
    np.testing.assert_allclose(np.sum(array(RNN2D(kind(2, **options))(sequence))), CHECKSUMS[kind], rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        # A depthwise kernel each for x and h; four gates, each a 1x1 kernel for x and h, and a bias.
        (SeparableLSTMCell, 2 + 4 * 3),
        # Update and reset share theirs, the candidate has its own.
        (SeparableGRUCell, 4 + 3 * 3),
        (ConvGRUCell, 3 * 3),
        # Depthwise and 1x1 for x and h, and a bias; one depthwise kernel, four 1x1 with a bias.
        (BottleneckLSTMCell, 5 + 1 + 4 * 2),
    ],
)
def test_a_recurrent_layer_of(kind, weights, tmp_path):
    def make(dtype=None, **options):
        return RNN2D(kind(FILTERS, dtype=dtype), dtype=dtype, **options)

    run_layer_test(make, weights, kind.number_of_states, tmp_path)


@pytest.mark.parametrize("kind", CELLS)
def test_states_stay_within_their_ranges_from_zero(kind):
    """Of a stream twice as long as the largest range takes, and whose forget gate is nearly open."""
    cell = kind(FILTERS)
    cell.build((None, ROWS, COLUMNS, CHANNELS))
    randomize(cell)
    for name, part in cell.parts.items():
        if name.startswith(("forget", "input")) and getattr(part, "use_bias", False):
            part.bias.assign(part.bias + 60)
    x, states = clip(1)[:, 0] * 30, cell.get_initial_state(2)
    for _ in range(16):
        _, states = cell(x, states)
    for state, (low, high) in zip(states, RANGES[kind], strict=True):
        assert low <= array(state).min() and 0.9 * high < array(state).max() <= high


def test_masked_steps_can_be_zeros_and_the_last_output_is_the_last_one_seen():
    sequence, seen = masked_clip()
    cell = SqueezedGRUCell(FILTERS)
    every = array(RNN2D(cell, return_sequences=True, zero_output_for_mask=True)(sequence, mask=seen))
    assert (every[~seen] == 0).all() and (every[seen] != 0).any()
    last = array(RNN2D(cell)(sequence, mask=seen))
    np.testing.assert_allclose(last, np.stack([every[0, 1], every[1, 3]]), atol=1e-6)


def test_a_mask_of_steps_passes_what_stands_between_image_and_memory():
    image = np.random.default_rng(0).uniform(1, 255, (1, 4, 16, 16, 3)).astype("float32")
    image[0, 2:] = 0
    inputs = keras.Input(image.shape[1:])
    seen = keras.layers.Masking()(inputs)
    frames = FoldTime()(seen)
    feature = keras.layers.Conv2D(5, 3, 4, "same")(frames)
    feature = FeatureEnhancement()([feature, InformationEntropyMap()(frames)])
    remembered = SqueezedGRU2D(FILTERS, return_sequences=True)(UnfoldTime()([feature, seen]))
    model = keras.Model(inputs, remembered)
    output = array(model(image))[0]
    assert np.abs(output[1] - output[0]).max() > 1e-4
    np.testing.assert_allclose(output[2:], output[[1, 1]], atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_a_whole_mixed_precision_network(dtype, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3)).astype("float32")
    keras.config.set_dtype_policy(dtype)
    try:
        inputs = keras.Input(image.shape[1:])
        frames = FoldTime()(inputs)
        entropy = InformationEntropyMap()(frames)
        feature = FeatureEnhancement()([keras.layers.Conv2D(5, 3, 4, "same")(frames), entropy])
        remembered = SqueezedGRU2D(FILTERS)(UnfoldTime()([feature, inputs]))
        model = keras.Model(inputs, [remembered, entropy])
        model.save(tmp_path / "model.keras")
        model = keras.saving.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    output, entropy = model(image)
    assert keras.backend.standardize_dtype(output.dtype) == keras.dtype_policies.get(dtype).compute_dtype
    exact = InformationEntropyMap()(image.reshape(-1, 16, 16, 3))
    np.testing.assert_allclose(array(entropy), array(exact), atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_configuration_round_trip(kind):
    options = {"depthwise_initializer": "ones"} if kind.separable else {}
    layer = RNN2D(kind(FILTERS, kernel_initializer="he_normal", kernel_size=5, **options), return_sequences=True)
    twin = RNN2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert type(twin.cell) is kind and twin.cell.kernel_size == 5


@pytest.mark.parametrize("kind", [SeparableLSTMCell, BottleneckLSTMCell])
def test_forget_gate_starts_open(kind):
    cell = kind(FILTERS, name="memory")
    cell.build((None, ROWS, COLUMNS, CHANNELS))
    biases = {weight.path.split("/")[-2]: array(weight) for weight in cell.weights if weight.path.endswith("bias")}
    for name, bias in biases.items():
        assert (bias == ("forget" in name)).all(), name


@pytest.mark.parametrize("kind", CELLS)
def test_bad_arguments_are_named(kind):
    for filters in (0, 2.5):
        with pytest.raises(ValueError, match="Received"):
            kind(filters)
    with pytest.raises(ValueError, match="Received"):
        kind(4).build((2, None, 8, 8))


def test_a_cell_without_depthwise_kernels_says_so():
    with pytest.raises(ValueError, match=r"no depthwise kernels\. Received: depthwise_initializer='ones'"):
        ConvGRUCell(4, depthwise_initializer="ones")
