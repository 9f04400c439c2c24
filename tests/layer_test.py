"""What every recurrent layer of maps must do, in the manner of Keras' `run_layer_test`."""

import keras
import numpy as np
from maps import CHANNELS, COLUMNS, FILTERS, ROWS, array, clip, randomize

MAP = (ROWS, COLUMNS, FILTERS)
# The largest difference from the answer in float32 on maps of unit variance.
PRECISIONS = {"mixed_float16": 2e-2, "mixed_bfloat16": 0.15, "float64": 1e-5}


def run_layer_test(make, weights, states, folder, channels=CHANNELS):
    """Builds, calls, trains, saves and masks a layer, in each form and precision that it has.

    Args:
        make: make(**options) returns a new, unbuilt layer with `FILTERS` hidden channels; options are those of `RNN2D`
            and `dtype`.
        weights: number of weight tensors, all of them trainable.
        states: number of states.
        folder: empty folder for a saved model.
        channels: of the maps that the layer sees.
    """
    sequence = clip(channels=channels)
    layer = _built(make, sequence, return_sequences=True, return_state=True)
    randomize(layer.cell)
    assert len(layer.weights) == len(layer.trainable_weights) == weights
    assert len(layer.cell.state_size) == layer.cell.number_of_states == states
    _check_shapes(make, states, channels)
    _check_configuration(layer, sequence)
    answer = layer(sequence)
    _check_steps(layer, sequence, answer)
    _check_other_forms(make, layer, sequence, answer[0])
    _check_masks(make, layer, sequence)
    _check_saved_model(make, layer, channels, folder)
    _check_training(make, layer, sequence)
    _check_precisions(make, layer, sequence, answer[0])


def _built(make, sequence, like=None, **options):
    """A layer built for such sequences, with the weights of another where one is given."""
    layer = make(**options)
    layer.build(sequence.shape)
    if like is not None:
        layer.cell.set_weights([array(weight) for weight in like.cell.weights])
    return layer


def _close(found, expected, message=""):
    np.testing.assert_allclose(array(found), array(expected), atol=1e-6, err_msg=message)


def _dtype(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


def _check_shapes(make, states, channels):
    """Known before a call, for any number of clips and frames."""
    state = (None, *MAP)
    for every, shape in ((True, (None, None, *MAP)), (False, state)):
        layer = make(return_sequences=every, return_state=True)
        known = (shape, *[state] * states)
        assert layer.compute_output_shape((None, None, ROWS, COLUMNS, channels)) == known
        symbolic = layer(keras.Input((None, ROWS, COLUMNS, channels)))
        assert tuple(part.shape for part in symbolic) == known
        assert {_dtype(part) for part in symbolic} == {"float32"}
    assert make().compute_output_shape((2, 4, ROWS, COLUMNS, channels)) == (2, *MAP)


def _check_configuration(layer, sequence):
    """The twin has the same settings, kernels of its own but for zeros, and with the same weights the same answer."""
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    cell = type(layer.cell).from_config(layer.cell.get_config())
    assert cell.get_config() == layer.cell.get_config()
    twin.build(sequence.shape)
    kernels = [array(weight) for weight in twin.weights if weight.path.endswith("kernel") and array(weight).any()]
    for number, kernel in enumerate(kernels):
        assert not any(np.array_equal(kernel, other) for other in kernels[number + 1 :])
    twin.cell.set_weights([array(weight) for weight in layer.cell.weights])
    x, zeros = sequence[:, 0], layer.cell.get_initial_state(2)
    _close(twin.cell(x, zeros)[0], layer.cell(x, zeros)[0])


def _check_steps(layer, sequence, answer):
    """A sequence is its steps, one clip at a time or several, in one call or in two."""
    whole, *ends = answer
    assert whole.shape == (2, 4, *MAP) and {tuple(end.shape) for end in ends} == {(2, *MAP)}
    assert {_dtype(part) for part in (whole, *ends)} == {"float32"}
    carried = layer.cell.get_initial_state(2)
    for time in range(4):
        output, carried = layer.cell(sequence[:, time], carried)
        _close(whole[:, time], output, f"step {time}")
    first, *between = layer(sequence[:, :2])
    second, *last = layer(sequence[:, 2:], initial_state=between)
    _close(first, whole[:, :2])
    _close(second, whole[:, 2:])
    for state, end, step in zip(last, ends, carried, strict=True):
        _close(state, end)
        _close(step, end)
    _close(layer(sequence[1:])[0], whole[1:], "alone")


def _check_other_forms(make, layer, sequence, whole):
    """Written out, the last output only, and with a state that goes on until it is reset."""
    _close(_built(make, sequence, layer, return_sequences=True, unroll=True)(sequence), whole, "unrolled")
    _close(_built(make, sequence, layer)(sequence), whole[:, -1], "last output")
    stateful = _built(make, sequence, layer, return_sequences=True, stateful=True)
    for start in (0, 2):
        _close(stateful(sequence[:, start : start + 2]), whole[:, start : start + 2], "stateful")
    stateful.reset_state()
    _close(stateful(sequence[:, :2]), whole[:, :2], "reset")


def _check_masks(make, layer, sequence):
    """A masked step keeps the states and repeats the output, as if the masked frames were not there."""
    mask = np.array([[True, True, False, True], [True, False, False, True]])
    expected = [layer(sequence[item : item + 1, mask[item]]) for item in range(2)]
    for unroll in (False, True):
        masked = _built(make, sequence, layer, return_sequences=True, return_state=True, unroll=unroll)
        output, *states = masked(sequence, mask=mask)
        for item, (seen, *ends) in enumerate(expected):
            _close(output[item], array(seen)[0][np.cumsum(mask[item]) - 1], "masked")
            for state, end in zip(states, ends, strict=True):
                _close(state[item], end[0], "masked state")


def masked_clip(channels=CHANNELS):
    """Two clips of four frames; of the first the last two, of the second the second are blank."""
    sequence, seen = clip(channels=channels), np.array([[True, True, False, False], [True, False, True, True]])
    # One black cell is no blank frame.
    sequence[0, 0, 0, 0] = 0
    return np.where(seen[:, :, None, None, None], sequence, 0).astype("float32"), seen


def _check_saved_model(make, layer, channels, folder):
    """In a model behind a `Masking` layer, stateful or not, before and after it was saved."""
    sequence, seen = masked_clip(channels)
    expected = array(layer(sequence[:1, :2])[0])[0]
    for stateful in (False, True):
        inputs = keras.Input(sequence.shape[1:], batch_size=2)
        recurrent = make(return_sequences=True, return_state=True, stateful=stateful)
        model = keras.Model(inputs, recurrent(keras.layers.Masking()(inputs)))
        recurrent.cell.set_weights([array(weight) for weight in layer.cell.weights])
        output, *states = (array(part) for part in model(sequence))
        _close(output[0], expected[[0, 1, 1, 1]])
        _close(output[1, 1], output[1, 0])
        _close(states[0], output[:, -1])
        assert model.outputs[0]._keras_mask.shape == seen.shape
    if stateful:
        recurrent.reset_state()
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    for part, before in zip(loaded(sequence), (output, *states), strict=True):
        _close(part, before, "loaded")


def _check_training(make, layer, sequence):
    """One step changes every weight, so gradients reach all of them."""
    inputs = keras.Input(sequence.shape[1:])
    recurrent = make(return_sequences=True)
    model = keras.Model(inputs, recurrent(inputs))
    before = [array(weight) for weight in layer.cell.weights]
    recurrent.cell.set_weights(before)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    loss = model.train_on_batch(sequence, clip(seed=7)[..., :FILTERS])
    assert np.isfinite(loss) and loss > 0
    for weight, old in zip(recurrent.cell.weights, before, strict=True):
        assert np.isfinite(array(weight)).all() and not np.array_equal(array(weight), old), weight.path


def _check_precisions(make, layer, sequence, whole):
    """Weights, answer and states have the precision's dtypes, and the answer is near that in float32."""
    for dtype, near in PRECISIONS.items():
        if dtype == "float64" and keras.backend.backend() == "jax":
            # JAX has it only where it was switched on.
            continue
        policy = keras.dtype_policies.get(dtype)
        other = _built(make, sequence, layer, return_sequences=True, return_state=True, stateful=True, dtype=dtype)
        assert {_dtype(weight) for weight in other.weights} == {policy.variable_dtype}
        outputs = other(sequence)
        assert {_dtype(part) for part in outputs} == {policy.compute_dtype}
        np.testing.assert_allclose(array(keras.ops.cast(outputs[0], "float32")), array(whole), atol=near, err_msg=dtype)
