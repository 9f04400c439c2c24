"""Int8 files: against Keras, the state contract, and what is refused."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tiny import outputs_of, random_clip, randomize, tiny_config

from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import read_model
from edge.runtimes.litert import Runtime
from keras_sge.data import SyntheticSky
from keras_sge.evaluation.detector import KerasRuntime
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.step_model import network_metadata
from quantization import CalibrationSource, Exporter, write_file
from quantization import exporter as exporting
from quantization.bias_correction import batch_norms, convolutions, correct_biases, corrected, rounded_kernel
from quantization.calibration import calibrate
from quantization.contract import check_state_contract
from quantization.convert import convert
from quantization.int8 import quantized_layers
from quantization.recipes import check_file_name, recipe_named


@pytest.fixture(scope="module")
def videos():
    return SyntheticSky(videos=4, frames=8, size=64, seed=4)


@pytest.fixture(scope="module")
def source(videos):
    return CalibrationSource(videos, "tests", clips=3, seed=5)


def written(model, path, source, recipe="int8"):
    exporter = Exporter(model, recipe)
    exporter.calibrate(source)
    return exporter.write(path).metadata


@pytest.fixture(scope="module")
def int8_file(tiny_net, source, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "tiny_int8.tflite"
    written(tiny_net, path, source)
    return path


@pytest.fixture(scope="module")
def calibration(tiny_net, videos):
    step = step_model_from(tiny_net, update="blend")
    return step, calibrate(step, network_metadata(tiny_net.config), CalibrationSource(videos, "tests", 2, 1))


def test_both_forms_of_the_update_are_one_function(tiny_net):
    inputs = {name: value[:, 0] for name, value in random_clip(tiny_net.config, 1).items()}
    steps = [step_model_from(tiny_net, update=update) for update in ("subtract", "blend")]
    state = np.random.default_rng(0).uniform(-1, 1, steps[0].input["state"].shape).astype(np.float32)
    first, second = (outputs_of(step, {**inputs, "state": state}) for step in steps)
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, atol=1e-5, err_msg=name)
    makers = [next(layer for layer in step.layers if layer.output is step.output["next_state"]) for step in steps]
    assert [type(layer).__name__ for layer in makers] == ["Subtract", "Add"]


def test_int8_follows_keras_over_sixty_frames(tiny_tflite, int8_file):
    frames = SyntheticSky(videos=1, frames=60, size=80, seed=9).read(0)
    exact, rounded = Detector(tiny_tflite), Detector(int8_file)
    answers = []
    for frame in frames:
        answers.append([*exact.raw(frame), *rounded.raw(frame)])
        state = rounded.state["state"]
        assert state.dtype == np.int8
        assert np.abs(state / 128 - exact.state["state"]).mean() < 0.05
    codes, logits, int8_codes, int8_logits = (np.stack(part) for part in zip(*answers, strict=True))
    for wanted, received in ((codes, int8_codes), (logits, int8_logits)):
        assert np.abs(received - wanted).mean() < 0.1 * np.abs(wanted).mean()
        # Late frames are as good as early ones: nothing adds up in the state.
        early, late = (np.abs(received - wanted)[part].mean() for part in (slice(5, 20), slice(45, 60)))
        assert late < 2 * early


def tensors(path):
    signature = Interpreter(model_content=read_model(path)[0]).get_signature_runner("serving_default")
    return {**signature.get_input_details(), **signature.get_output_details()}


def test_the_contract_as_a_program_sees_it(int8_file):
    found = tensors(int8_file)
    assert {detail["dtype"] for detail in found.values()} == {np.int8}
    assert found["state"]["quantization"] == found["next_state"]["quantization"] == (1 / 128, 0)
    assert found["image"]["quantization"] == (pytest.approx(1 / 127.5), 0)
    metadata = read_model(int8_file)[1]
    (state,) = metadata.states
    assert (metadata.precision, state.dtype, state.scale, state.zero_point, state.reset) == (
        "int8",
        "int8",
        1 / 128,
        0,
        0,
    )
    assert metadata.details["calibration"] == {"source": "tests", "clips": 3, "frames": 24, "seed": 5}


def test_state_bytes_go_straight_back(int8_file, videos):
    """By hand, from a state of raw zeros: what `Detector` answers, to the byte."""
    flatbuffer, metadata = read_model(int8_file)
    inputs = []

    class Recorder(Runtime):
        def __call__(self, given):
            inputs.append({name: value.copy() for name, value in given.items()})
            return super().__call__(given)

    detector = Detector.from_runtime(Recorder(flatbuffer, metadata), metadata)
    answers = [detector.raw(frame)[1] for frame in videos.read(0, 0, 8)]
    assert not inputs[0]["state"].any() and inputs[-1]["state"].any()
    step = Interpreter(model_content=flatbuffer).get_signature_runner("serving_default")
    scale, zero_point = tensors(int8_file)["scores"]["quantization"]
    state = np.zeros(metadata.states[0].shape, np.int8)
    for given, answer in zip(inputs, answers, strict=True):
        outputs = step(**{**given, "state": state})
        state = outputs["next_state"]
        np.testing.assert_array_equal(
            (outputs["scores"][0].astype(np.float32) - zero_point) * np.float32(scale), answer
        )


def test_a_call_that_is_repeated_drops_what_came_after_it(tiny_net, source):
    exporter = Exporter(tiny_net, "int8")
    exporter.flatbuffer, exporter.validation = b"of older ranges", "of older ranges"
    calibration = exporter.calibrate(source)
    assert exporter.calibration is calibration and exporter.flatbuffer is None and exporter.validation is None
    assert exporter.metadata.details["calibration"]["frames"] == 24
    with pytest.raises(InputError, match="nothing to calibrate"):
        Exporter(tiny_net, "int8", ranges=calibration.ranges).calibrate(source)
    with pytest.raises(InputError, match="nothing to calibrate"):
        Exporter(tiny_net, "float32").calibrate(source)
    with pytest.raises(InputError, match="ranges go with int8"):
        Exporter(tiny_net, "dynamic", ranges=calibration.ranges)


def test_float_io_is_the_same_network(tiny_net, int8_file, source, tmp_path):
    path = tmp_path / "tiny_int8_float_io.tflite"
    metadata = written(tiny_net, path, source, "int8_float_io")
    assert {detail["dtype"] for detail in tensors(path).values()} == {np.float32}
    assert metadata.precision == "int8" and metadata.states[0].dtype == "float32"
    details = tensors(int8_file)
    integers, floats = (Runtime(*read_model(file)) for file in (int8_file, path))
    rng = np.random.default_rng(2)
    given = {name: rng.integers(-128, 128, details[name]["shape"], np.int8) for name in ("image", "attention", "state")}

    def real(name, values):
        scale, zero_point = details[name]["quantization"]
        return (values.astype(np.float32) - zero_point) * np.float32(scale)

    expected = integers(given)
    for name, value in floats({name: real(name, value) for name, value in given.items()}).items():
        np.testing.assert_allclose(value, real(name, expected[name]), atol=1e-5, err_msg=name)
    # And a detector takes either.
    frame = SyntheticSky(videos=1, frames=2, size=64, seed=3).read(0)[0]
    first, second = Detector(int8_file).raw(frame)[1], Detector(path).raw(frame)[1]
    assert np.abs(first - second).mean() < 0.05 * np.abs(first).mean()


def test_network_without_memory_and_attention(source, tmp_path):
    model = randomize(SGENet(tiny_config(memory=None, entropy=None)))
    metadata = written(model, tmp_path / "single_int8.tflite", source)
    assert metadata.states == ()
    assert set(tensors(tmp_path / "single_int8.tflite")) == {"image", "boxes", "scores"}


def changed(flatbuffer, change):
    model = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    change(model)
    builder = flatbuffers.Builder(len(flatbuffer))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def end(model, name):
    signature = model.signatureDefs[0]
    entry = next(e for e in [*signature.inputs, *signature.outputs] if e.name.decode() == name)
    return model.subgraphs[0].tensors[entry.tensorIndex]


@pytest.mark.parametrize(
    ("name", "field", "value", "message"),
    [
        ("next_state", "scale", 0.046, r"next_state has scale 0.046 .* expected 0.0078125"),
        ("state", "scale", 0.0023, r"state has scale 0.0023"),
        ("next_state", "zeroPoint", -3, r"next_state .* zero point -3"),
        ("image", "zeroPoint", -1, r"image .* zero point -1"),
    ],
)
def test_a_broken_scale_is_refused(int8_file, tmp_path, name, field, value, message):
    flatbuffer, metadata = read_model(int8_file)
    broken = changed(flatbuffer, lambda model: setattr(end(model, name).quantization, field, [value]))
    with pytest.raises(InputError, match=message):
        write_file(tmp_path / "broken.tflite", broken, metadata)
    assert not list(tmp_path.iterdir())
    # The way of changing it is not what is refused.
    check_state_contract(changed(flatbuffer, lambda model: None), metadata)


def test_a_float_file_is_no_int8_file(tiny_tflite, int8_file):
    with pytest.raises(InputError, match="in float32, expected int8 from input to output"):
        check_state_contract(read_model(tiny_tflite)[0], read_model(int8_file)[1])


def test_operators_that_old_runtimes_lack_are_refused(int8_file):
    flatbuffer, metadata = read_model(int8_file)

    def plant(model):
        code = next(c for c in model.operatorCodes if c.builtinCode == schema.BuiltinOperator.LOGISTIC)
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOG

    with pytest.raises(InputError, match="operator LOG"):
        check_state_contract(changed(flatbuffer, plant), metadata)


@pytest.mark.parametrize(
    ("name", "recipe", "message"),
    [
        ("a_int8.tflite", "int8_float_io", "must end in _int8_float_io.tflite"),
        ("a_int8_float_io.tflite", "int8", "must not end in _int8_float_io.tflite"),
        ("a.onnx", "int8", r"must end in \.tflite"),
    ],
)
def test_names_that_mislead_are_refused(tiny_net, tmp_path, name, recipe, message):
    with pytest.raises(InputError, match=message):
        Exporter(tiny_net, recipe).write(tmp_path / name)
    check_file_name(tmp_path / f"a_{recipe}.tflite", recipe_named(recipe))


def test_a_file_that_answers_something_else_is_refused(tiny_net, int8_file, source, tmp_path, monkeypatch):
    # A sound file, but of other weights.
    monkeypatch.setattr(exporting, "convert_int8", lambda *_: read_model(int8_file)[0])
    with pytest.raises(InputError, match="differs from Keras"):
        written(randomize(SGENet(tiny_net.config), seed=7), tmp_path / "no_int8.tflite", source)
    assert not list(tmp_path.iterdir())


def test_dynamic_is_near_and_small(tiny_net, tiny_tflite, source, tmp_path):
    path = tmp_path / "tiny_dynamic.tflite"
    metadata = written(tiny_net, path, source, "dynamic")
    assert metadata.details["calibration"] == {"source": "tests", "clips": 3, "frames": 24, "seed": 5}
    assert metadata.precision == "dynamic" and metadata.states[0].dtype == "float32"
    assert len(read_model(path)[0]) < 0.8 * len(read_model(tiny_tflite)[0])
    assert metadata.details["relative_difference_to_keras"] > 0


def test_calibration_takes_the_mean_error_out_of_dynamic_files(tiny_net, tmp_path):
    # Positive weights and inputs, so that rounding errors add up; kernels of 1,024 weights and more are rounded.
    model = SGENet(tiny_config(alpha=0.25))
    model.set_weights([np.abs(weight) for weight in randomize(model).get_weights()])
    step, metadata = step_model_from(model), network_metadata(model.config, "dynamic")
    videos = SyntheticSky(videos=2, frames=10, size=64, seed=4)
    found = calibrate(step, network_metadata(model.config), CalibrationSource(videos, "tests", 2, 1))
    write_file(tmp_path / "with.tflite", convert(corrected(step, found.input_means, "dynamic"), "dynamic"), metadata)
    write_file(tmp_path / "without.tflite", convert(step, "dynamic"), metadata)
    exact = Detector.from_runtime(KerasRuntime(step), network_metadata(model.config))
    files = [Detector(tmp_path / f"{name}.tflite") for name in ("with", "without")]
    errors = np.zeros((2, 2))
    for frame in videos.read(0):
        wanted = exact.raw(frame)
        errors += [
            [np.abs(answer - want).mean() for answer, want in zip(one.raw(frame), wanted, strict=True)] for one in files
        ]
    assert (errors[0] < 0.7 * errors[1]).all(), errors


def test_calibration_rolls_from_a_zero_state(tiny_net, videos, calibration):
    step, found = calibration
    assert found.frames == 16 and len({index for index, _, _ in found.clips}) == 2
    assert set(found.ranges) == {layer.name for layer in quantized_layers(step)}
    low, high = found.ranges["memory_update_h_pointwise"]
    assert low < -0.01 and high > 0.01

    class FirstFrames(SyntheticSky):
        def read(self, index, start=0, stop=None):
            return super().read(index, 0, 1)

    first = FirstFrames(videos=4, frames=8, size=64, seed=4)
    alone = calibrate(step, network_metadata(tiny_net.config), CalibrationSource(first, "tests", 2, 1))
    assert alone.ranges["memory_update_h_pointwise"][0] == 0


def test_fixed_ranges(calibration):
    ranges = calibration[1].ranges
    assert ranges["memory_next_state"] == ranges["memory_candidate"] == (-1, 127 / 128)
    assert ranges["memory_update"] == (0, 255 / 256)
    assert all(low <= 0 < high for low, high in ranges.values())
    assert ranges["memory_candidate_sum"][1] <= 3.25 and ranges["memory_reset_sum"][0] >= -6.25


def test_clips_are_drawn_by_seed(videos):
    def draw(clips, seed):
        return CalibrationSource(videos, "tests", clips, seed).draw()

    assert draw(3, 1) == draw(3, 1) != draw(3, 2)
    assert len(draw(99, 1)) == len(videos)
    with pytest.raises(InputError, match="at least one clip"):
        draw(0, 1)


@pytest.mark.parametrize(("precision", "least_error"), [("int8", 1e-3), ("float16", 1e-4)])
def test_corrected_biases_undo_the_mean_error_of_rounded_kernels(precision, least_error):
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 6))
    x = layers.Conv2D(5, 1, use_bias=False, name="folded")(image)
    x = layers.BatchNormalization(name="folded_bn")(x)
    x = layers.DepthwiseConv2D(1, name="depthwise")(x)
    model = randomize(keras.Model(image, layers.Conv2D(4, 1, name="plain")(x)))
    rng = np.random.default_rng(0)
    # Far from zero, as what comes out of a ReLU is.
    images = rng.uniform(2, 4, (1, 8, 8, 6)).astype(np.float32)
    seen = keras.Model(image, {layer.name: layer.input for layer in convolutions(model)}).predict_on_batch(images)
    wanted = model.predict_on_batch(images).mean(axis=(0, 1, 2))

    norms = batch_norms(model)

    def round_kernels():
        for layer in convolutions(model):
            rounded = rounded_kernel(layer, norms.get(layer.name), precision)
            layer.set_weights([rounded, *layer.get_weights()[1:]])

    weights = model.get_weights()
    round_kernels()
    without = np.abs(model.predict_on_batch(images).mean(axis=(0, 1, 2)) - wanted).max()
    model.set_weights(weights)
    correct_biases(model, {name: value.mean(axis=(0, 1, 2)) for name, value in seen.items()}, precision)
    round_kernels()
    corrected = np.abs(model.predict_on_batch(images).mean(axis=(0, 1, 2)) - wanted).max()
    assert without > least_error and corrected < 0.1 * without


def test_half_precision_rounds_the_kernel_with_the_batch_norm_behind_it():
    import keras

    image = keras.Input((4, 4, 3))
    x = keras.layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(image)
    model = randomize(keras.Model(image, keras.layers.BatchNormalization(name="norm")(x)))
    layer, norm = model.get_layer("depthwise"), model.get_layer("norm")
    norm.gamma.assign([0.0, 0.3, 1.7])
    scale = np.array([0.0, 0.3, 1.7]) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    whole = layer.get_weights()[0][..., 0] * scale
    rounded = rounded_kernel(layer, norm, "float16")[..., 0] * scale
    # What is rounded is a number in half precision, and the one nearest to the kernel as the file has it.
    np.testing.assert_allclose(rounded, np.float16(rounded).astype(np.float64), rtol=1e-6)
    np.testing.assert_allclose(rounded, whole, rtol=2.0**-11 + 1e-6, atol=2.0**-25)
    assert np.abs(rounded - whole).max() > 1e-5


def test_kernels_too_small_to_be_rounded_keep_their_biases(calibration):
    step, found = calibration
    kept, changed = corrected(step, found.input_means, "dynamic"), corrected(step, found.input_means)
    small = {layer.name for layer in convolutions(step) if layer.get_weights()[0].size < 1024}
    norms = [layer.name for layer in step.layers if type(layer).__name__ == "BatchNormalization"]

    def moved(copy):
        return {
            name.removesuffix("_bn")
            for name in [*norms, *(layer.name for layer in convolutions(step))]
            if any(
                map(np.any, map(np.subtract, copy.get_layer(name).get_weights(), step.get_layer(name).get_weights()))
            )
        }

    assert small & moved(changed) and not small & moved(kept)
    assert moved(kept) == moved(changed) - small
