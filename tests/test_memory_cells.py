"""The recurrent baselines against their equations in numpy, and their contracts in the layer that they share."""

import keras
import numpy as np
import pytest
from maps import CHANNELS, COLUMNS, FILTERS, ROWS, array, clip, randomize

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


def recurrent(kind, seed=1, **options):
    layer = RNN2D(kind(FILTERS, name="memory"), **{"return_sequences": True, **options})
    layer.build((2, 4, ROWS, COLUMNS, CHANNELS))
    randomize(layer.cell, seed)
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu6(x):
    return np.clip(x, 0, 6)


def depthwise(x, kernel):
    """`same`, 3x3."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = x.shape[1:3]
    return sum(
        padded[:, dy : dy + rows, dx : dx + columns] * kernel[dy, dx, :, 0] for dy in range(3) for dx in range(3)
    )


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


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("unroll", [False, True])
def test_layer_equals_the_cell_step_by_step(kind, unroll):
    layer, sequence = recurrent(kind, unroll=unroll), clip()
    whole = array(layer(sequence))
    states = layer.cell.get_initial_state(2)
    for time in range(sequence.shape[1]):
        output, states = layer.cell(sequence[:, time], states)
        np.testing.assert_allclose(whole[:, time], array(output), atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_batched_equals_single(kind):
    layer, sequence = recurrent(kind), clip()
    together = array(layer(sequence))
    for item in range(2):
        np.testing.assert_allclose(array(layer(sequence[item : item + 1]))[0], together[item], atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_returned_states_continue_a_clip(kind):
    layer, sequence = recurrent(kind, return_state=True), clip(6)
    whole, *ends = layer(sequence)
    first, *states = layer(sequence[:, :4])
    second, *last = layer(sequence[:, 4:], initial_state=states)
    np.testing.assert_allclose(np.concatenate([array(first), array(second)], 1), array(whole), atol=1e-6)
    assert len(ends) == kind.number_of_states
    for end, other in zip(ends, last, strict=True):
        np.testing.assert_allclose(array(other), array(end), atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_stateful_layer_continues_until_reset(kind):
    sequence = clip(8)
    whole = array(recurrent(kind)(sequence))
    layer = recurrent(kind, stateful=True)
    parts = [array(layer(sequence[:, start : start + 4])) for start in (0, 4)]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-6)
    layer.reset_state()
    np.testing.assert_allclose(array(layer(sequence[:, :4])), whole[:, :4], atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("unroll", [False, True])
def test_masked_steps_keep_the_states_and_repeat_the_output(kind, unroll):
    layer, plain = recurrent(kind, return_state=True, unroll=unroll), recurrent(kind, return_state=True)
    sequence = clip(4)
    mask = np.array([[True, True, False, True], [True, False, False, True]])
    output, *states = (array(part) for part in layer(sequence, mask=mask))
    for item in range(2):
        # As if the masked frames were not there.
        seen, *ends = (array(part) for part in plain(sequence[item : item + 1, mask[item]]))
        np.testing.assert_allclose(output[item], seen[0][np.cumsum(mask[item]) - 1], atol=1e-6)
        for state, end in zip(states, ends, strict=True):
            np.testing.assert_allclose(state[item], end[0], atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_states_stay_within_their_ranges_from_zero(kind):
    """Of a stream that goes on and on, and whose forget gate is nearly open."""
    layer = recurrent(kind, return_state=True)
    for name, part in layer.cell.parts.items():
        if name.startswith(("forget", "input")) and getattr(part, "use_bias", False):
            part.bias.assign(part.bias + 60)
    _, *states = layer(np.repeat(clip(1) * 30, 40, axis=1))
    for state, (low, high) in zip(states, RANGES[kind], strict=True):
        assert low <= array(state).min() and 0.9 * high < array(state).max() <= high


def masked_clip():
    """Two clips of four frames; of the first the last two, of the second the second are blank."""
    sequence, seen = clip(), np.array([[True, True, False, False], [True, False, True, True]])
    # One black cell is no blank frame.
    sequence[0, 0, 0, 0] = 0
    return np.where(seen[:, :, None, None, None], sequence, 0).astype("float32"), seen


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("kind", [*CELLS, SqueezedGRUCell])
def test_behind_a_masking_layer(kind, stateful):
    sequence, seen = masked_clip()
    inputs = keras.Input(sequence.shape[1:], batch_size=2)
    layer = RNN2D(kind(FILTERS), return_sequences=True, return_state=True, stateful=stateful)
    model = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    randomize(layer.cell)
    output, *states = (array(part) for part in model(sequence))
    expected = array(RNN2D(layer.cell, return_sequences=True)(sequence[:1, :2]))
    np.testing.assert_allclose(output[0], expected[0][[0, 1, 1, 1]], atol=1e-6)
    np.testing.assert_allclose(output[1, 1], output[1, 0], atol=1e-6)
    np.testing.assert_allclose(states[0], output[:, -1], atol=1e-6)
    assert model.outputs[0]._keras_mask.shape == seen.shape


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


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("kind", [*CELLS, SqueezedGRUCell])
def test_other_precisions(kind, dtype):
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only where it was switched on")
    policy = keras.dtype_policies.get(dtype)
    plain = recurrent(kind)
    layer = RNN2D(kind(FILTERS, dtype=dtype), return_sequences=True, return_state=True, stateful=True, dtype=dtype)
    layer.build((2, 4, ROWS, COLUMNS, CHANNELS))
    layer.cell.set_weights([array(weight) for weight in plain.cell.weights])
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in layer.weights} == {policy.variable_dtype}
    outputs = layer(clip())
    assert {keras.backend.standardize_dtype(part.dtype) for part in outputs} == {policy.compute_dtype}
    near = {"mixed_float16": 2e-2, "mixed_bfloat16": 0.15, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(array(keras.ops.cast(outputs[0], "float32")), array(plain(clip())), atol=near)


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
    assert kind.from_config(layer.cell.get_config()).get_config() == layer.cell.get_config()


@pytest.mark.parametrize("kind", CELLS)
def test_saved_model_answers_alike(kind, tmp_path):
    inputs = keras.Input((None, ROWS, COLUMNS, CHANNELS))
    model = keras.Model(inputs, RNN2D(kind(FILTERS), return_sequences=True)(inputs))
    randomize(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(loaded(clip())), array(model(clip())), atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_gates_start_with_kernels_of_their_own(kind):
    cell = kind(FILTERS, kernel_initializer=keras.initializers.GlorotUniform(seed=None))
    cell.build((None, ROWS, COLUMNS, CHANNELS))
    kernels = [array(weight) for weight in cell.weights if weight.path.endswith("kernel")]
    for number, one in enumerate(kernels):
        for other in kernels[number + 1 :]:
            assert one.shape != other.shape or not np.allclose(one, other)


@pytest.mark.parametrize("kind", [SeparableLSTMCell, BottleneckLSTMCell])
def test_forget_gate_starts_open(kind):
    cell = kind(FILTERS, name="memory")
    cell.build((None, ROWS, COLUMNS, CHANNELS))
    biases = {weight.path.split("/")[-2]: array(weight) for weight in cell.weights if weight.path.endswith("bias")}
    for name, bias in biases.items():
        assert (bias == ("forget" in name)).all(), name


def test_shapes_are_known_before_a_call():
    two = RNN2D(SeparableLSTMCell(FILTERS), return_sequences=True, return_state=True)
    state = (None, ROWS, COLUMNS, FILTERS)
    shapes = two.compute_output_shape((None, 10, ROWS, COLUMNS, CHANNELS))
    assert shapes == ((None, 10, ROWS, COLUMNS, FILTERS), state, state)


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
