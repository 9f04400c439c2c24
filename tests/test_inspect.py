"""`sge inspect`: what passes, what is planted and must be named."""

import argparse
import json
import tempfile

import numpy as np
import pytest

from edge.boxes import AnchorMap
from edge.errors import InputError
from edge.metadata import Metadata, StateTensor, append_metadata
from edge.model_zoo import list_models, model_path
from quantization.cli import inspect as cli
from quantization.graph import read_graph
from quantization.inspection import gpu as gpu_run
from quantization.inspection.gpu import run_on_gpu
from quantization.inspection.inspect_file import inspect_file, part_of

SHAPE = (1, 4, 4, 8)


def flatbuffer(function, *shapes, int8=False, variable=None):
    import tensorflow as tf

    names = ("image", "state")
    specs = [tf.TensorSpec(shape, tf.float32, name) for shape, name in zip(shapes, names, strict=False)]
    module = tf.Module()
    module.run, module.variable = tf.function(function, input_signature=specs), variable
    if variable is not None:
        # Only this road keeps variables as such.
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures=module.run)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.experimental_enable_resource_variables = True
            return converter.convert()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    if int8:
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes] for _ in range(8)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def step(end):
    """A recurrent step whose new state is made by `end` and read again."""
    import tensorflow as tf

    def run(image, state):
        fresh = tf.tanh(image)
        state = tf.add(state, fresh) if end == "add" else tf.subtract(state, state - fresh)
        return {"next_state": state, "scores": tf.nn.relu(state)}

    return run


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """File by what is wrong with it."""
    tf = pytest.importorskip("tensorflow")
    memory = tf.Variable(np.zeros(SHAPE, np.float32))

    def remembering(image):
        return memory.assign_add(image) * 2.0

    def looping(image):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 100.0, lambda x: (x + 1.0,), (image,))[0]

    def suppressing(image):
        return tf.raw_ops.NonMaxSuppressionV4(
            boxes=image,
            scores=image[:, 0],
            max_output_size=3,
            iou_threshold=0.5,
            score_threshold=0.1,
            pad_to_max_output_size=True,
        )[0]

    def deep(image):
        return tf.tile(tf.reshape(image, (1, 4, 1, 4, 8)), (1, 1, 2, 1, 1))

    def summing(image):
        return tf.cumsum(image, axis=-1)

    folder = tmp_path_factory.mktemp("planted")
    contents = {
        "while": flatbuffer(looping, SHAPE),
        "suppression": flatbuffer(suppressing, (6, 4)),
        "variable": flatbuffer(remembering, SHAPE, variable=memory),
        "dynamic": flatbuffer(tf.nn.relu, (1, None, None, 8)),
        "deep": flatbuffer(deep, SHAPE),
        "cumsum": flatbuffer(summing, SHAPE),
        "add": flatbuffer(step("add"), SHAPE, SHAPE),
        "sub": flatbuffer(step("sub"), SHAPE, SHAPE),
        "int8": flatbuffer(step("sub"), SHAPE, SHAPE, int8=True),
    }
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def device(planted):
    run = run_on_gpu(read_graph(planted / "sub.tflite"), steps=1)
    if run.status == "no device":
        pytest.skip(run.reasons[0])
    return run.device


def reasons(found):
    return " | ".join(reason for check in found.checks if check.verdict == "FAILED" for reason in check.reasons)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("while", "WHILE"),
        ("suppression", "NON_MAX_SUPPRESSION_V4"),
        ("variable", "ASSIGN_VARIABLE"),
        ("dynamic", "RELU"),
        ("deep", "5 dimensions"),
        ("cumsum", "CUMSUM"),
    ],
)
def test_a_planted_operator_fails_and_is_named(planted, name, word, monkeypatch):
    # The list alone must catch it: not every machine has a device.
    monkeypatch.setattr(gpu_run, "_environment", lambda: {"VK_ICD_FILENAMES": "/nonexistent", "PATH": ""})
    found = inspect_file(planted / f"{name}.tflite")
    assert not found.passed
    assert word in reasons(found)


def test_nothing_of_the_current_folder_is_imported(planted, tmp_path, monkeypatch):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\nraise ImportError\n"
    for name in ("json", "numpy", "quantization"):
        (tmp_path / f"{name}.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    found = run_on_gpu(read_graph(planted / "sub.tflite"))
    assert not (tmp_path / "ran").exists() and found.status != "crashed", found.reasons


def test_a_state_update_that_ends_in_add_is_warned_of(planted):
    verdicts = {
        name: next(check for check in inspect_file(planted / f"{name}.tflite", "off").checks if "again" in check.name)
        for name in ("add", "sub")
    }
    assert verdicts["add"].verdict == "warning" and "next_state is made by ADD" in verdicts["add"].reasons[0]
    assert verdicts["sub"].verdict == "passed"


def with_metadata(source, target, precision, **state):
    metadata = Metadata(
        name="planted",
        labels=("one",),
        height=4,
        width=4,
        precision=precision,
        anchors=(AnchorMap(1, 1, ((1.0, 1.0),)),),
        states=(StateTensor("state", "next_state", SHAPE, **state),),
    )
    target.write_bytes(append_metadata(source.read_bytes(), metadata))
    return target


def test_two_ends_of_a_state_that_differ_are_refused(planted, tmp_path):
    graph = read_graph(planted / "int8.tflite")
    first, last = (graph.tensors[0][end] for end in (graph.inputs["state"], graph.outputs["next_state"]))
    assert first.scale != last.scale
    state = {"dtype": "int8", "scale": first.scale, "zero_point": first.zero_point, "reset": first.zero_point}
    found = inspect_file(with_metadata(planted / "int8.tflite", tmp_path / "x.tflite", "int8", **state))
    assert not found.passed and "two ends of state differ" in reasons(found)
    state["reset"] = first.zero_point + 3
    assert "is not the value zero" in reasons(
        inspect_file(with_metadata(planted / "int8.tflite", tmp_path / "y.tflite", "int8", **state))
    )


def test_a_float_operator_in_a_file_called_int8_is_named(planted, tmp_path):
    found = inspect_file(with_metadata(planted / "sub.tflite", tmp_path / "x.tflite", "int8"))
    assert "TANH works on" in reasons(found)


def test_a_file_of_this_package(tiny_tflite):
    found = inspect_file(tiny_tflite, "off")
    assert found.passed and found.name == "tiny"
    assert {"trunk", "memory", "extras", "heads", "metadata"} <= set(found.parts)
    assert sum(found.parts.values()) == tiny_tflite.stat().st_size
    counts = {row["name"]: row["count"] for row in found.operators}
    # Update and reset gate; the squeezed input has no activation here.
    assert counts["LOGISTIC"] == 2 and counts["TANH"] == 1
    assert found.dtypes["float32"]["constants"] > 50 and "int8" not in found.dtypes
    assert [row["name"] for row in found.states] == ["state", "next_state"]


def test_a_size_is_of_the_layer_that_its_name_starts_with():
    assert part_of("net/conv12_pointwise_1/convolution1") == "trunk"
    assert part_of("net/boxes1_depthwise_relu/Relu6;net/conv12_bn/x") == "heads"
    assert part_of("net/convolution") is None


def test_a_shipped_file_for_gpus_compiles_and_agrees(device):
    found = inspect_file(model_path("sge_skyzoom_192x0.5_float16"), "required")
    assert found.passed, reasons(found)
    assert found.gpu.steps > 1 and set(found.gpu.errors) == {"boxes", "scores", "next_state"}
    assert max(found.gpu.errors.values()) < 1e-3 and device


@pytest.mark.parametrize("name", ["suppression", "deep", "cumsum"])
def test_a_device_refuses_what_the_list_refuses(device, planted, name):
    run = run_on_gpu(read_graph(planted / f"{name}.tflite"), steps=2)
    assert run.status in ("refused", "crashed", "differs") and run.reasons


def test_a_missing_device_fails_only_where_it_is_required(planted, monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent/icd.json")
    assert inspect_file(planted / "sub.tflite").passed
    found = inspect_file(planted / "sub.tflite", "required")
    assert not found.passed and "no Vulkan device" in reasons(found)


def test_the_command(planted, tiny_tflite, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    out = tmp_path / "found.json"
    assert cli.run(parser.parse_args([str(tiny_tflite), "--gpu", "off", "--json", str(out)])) == 0
    assert "state contract" in capsys.readouterr().out
    assert json.loads(out.read_text())["passed"] is True
    assert cli.run(parser.parse_args([str(planted / "while.tflite"), "--gpu", "off", "--json", "-"])) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_what_is_no_tflite_is_an_error(tmp_path, tiny_tflite):
    for name, content in (("text", b"hello"), ("cut", tiny_tflite.read_bytes()[:20000])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"not a TFLite model|damaged"):
            inspect_file(tmp_path / name, "off")
    with pytest.raises(InputError, match="no model file"):
        inspect_file(tmp_path / "none.tflite")
    with pytest.raises(InputError, match="gpu must be one of"):
        inspect_file(tiny_tflite, "maybe")


@pytest.mark.parametrize("name", list_models())
def test_shipped_files_keep_the_contract(name):
    found = inspect_file(model_path(name), "off")
    assert found.passed, reasons(found)
