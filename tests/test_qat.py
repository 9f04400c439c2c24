"""Quantization-aware fine-tuning: the twin, the run, the file."""

import csv
import dataclasses
import re

import numpy as np
import pytest
import yaml
from tiny import API, eager, outputs_of, random_clip, randomize, tiny_config

from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import read_model
from edge.runtimes.litert import Runtime
from keras_sge.cli.main import main
from keras_sge.config import MemoryConfig, ReductionConfig, config_to_dict, load_config
from keras_sge.data import SyntheticSky

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_model_optimization")
if keras.backend.backend() != "tensorflow":
    pytest.skip("quantization-aware training needs the TensorFlow backend", allow_module_level=True)

from keras_sge.models import SGENet, load_model  # noqa: E402
from keras_sge.models.weights import save_weights  # noqa: E402
from quantization import fine_tune, tuned_exporter  # noqa: E402
from quantization.qat import twin as twins  # noqa: E402
from quantization.qat.clip_graph import ClipGraph  # noqa: E402
from quantization.qat.fine_tune import TwinTrainer  # noqa: E402
from quantization.qat.quantizers import ChannelQuantizer  # noqa: E402
from quantization.qat.run_folder import QatCheckpoint  # noqa: E402
from quantization.qat.twin import folded_twin, folded_weights, set_folded_weights  # noqa: E402

NETWORKS = {
    "memory": {"memory": MemoryConfig(filters=120, squeeze_activation="tanh"), "top_down": True},
    "gate": {"memory": MemoryConfig(filters=120, squeeze="gate"), "entropy": None},
    "reduction": {"memory": MemoryConfig(kind="reduction", filters=120), "entropy": None},
    "corrections": {
        "memory": MemoryConfig("correction_gru", 120, attach_to=("conv12", "conv13")),
        "reduction": ReductionConfig(120),
    },
    "imported": {**API, "memory": MemoryConfig("correction_gru", 120, attach_to=("conv12", "conv14"))},
}
SETTINGS = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 2, "clip_length": 2, "learning_rate": 1e-3}


def network(kind):
    return randomize(SGENet(tiny_config(**NETWORKS[kind])))


def tensors(clip):
    return {name: tf.constant(value) for name, value in clip.items()}


@pytest.mark.parametrize(
    "kind", ["memory", pytest.param("gate", marks=pytest.mark.slow), "reduction", "corrections", "imported"]
)
def test_with_quantizers_as_identity_the_twin_equals_the_float_network(kind, monkeypatch):
    net = network(kind)
    # The second window is cut off after its first frame.
    clip = random_clip(net.config, 3, batch=2)
    expected = outputs_of(net, clip)
    monkeypatch.setattr(ChannelQuantizer, "__call__", lambda self, inputs, training, weights: inputs)
    monkeypatch.setattr(
        twins.tfmot.quantization.keras.quantizers.FixedQuantizer, "__call__", lambda self, inputs, *_, **__: inputs
    )
    twin = folded_twin(net.config, folded_weights(net, net.config))
    some_range = {layer.name: (-1.0, 1.0) for layer in twin.layers if layer.name.endswith(("_relu", "boxes"))}
    graph = ClipGraph(twins.quantized_twin(twin, some_range), backprop_window=2)
    values = graph.values(tensors(clip))
    states = {name: tf.zeros((2, *shape)) for name, shape in graph.state_shapes.items()}
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(values[name], expected[name], atol=1e-5 * np.abs(expected[name]).max())
    for frame in range(3):
        outputs = graph.step({**{name: value[:, frame] for name, value in tensors(clip).items()}, **states})
        states = {name: outputs.pop(f"next_{name}") for name in states}
        for name, value in outputs.items():
            np.testing.assert_allclose(value, expected[name][:, frame], atol=1e-5 * np.abs(expected[name]).max())


def test_folded_weights_go_back_into_a_network():
    net, other = network("memory"), SGENet(tiny_config(**NETWORKS["memory"]))
    set_folded_weights(other, other.config, folded_weights(net, net.config))
    clip = random_clip(net.config, 2)
    answer = outputs_of(other, clip)
    for name, value in outputs_of(net, clip).items():
        np.testing.assert_allclose(answer[name], value, atol=1e-5 * np.abs(value).max())


def test_a_twin_takes_no_weights_of_another_network():
    net = network("reduction")
    weights = folded_weights(net, net.config)
    with pytest.raises(ValueError, match="memory_squeeze/kernel"):
        folded_twin(tiny_config(memory=None, entropy=None), weights)
    with pytest.raises(ValueError, match="conv1/kernel has shape"):
        folded_twin(tiny_config(**NETWORKS["reduction"]), {**weights, "conv1/kernel": np.zeros((1, 1, 3, 8))})


def test_kernels_have_steps_of_their_own_in_each_channel():
    rng = np.random.default_rng(0)
    for depthwise, shape in ((False, (3, 3, 4, 5)), (True, (3, 3, 5, 1))):
        scale = 10.0 ** np.arange(-2, 3)
        kernel = rng.normal(size=shape) * (scale[:, None] if depthwise else scale)
        rounded = ChannelQuantizer(depthwise)(tf.constant(kernel, tf.float32), True, {}).numpy()
        steps = np.abs(kernel).reshape(-1, 5).max(0) / 127
        steps = steps[:, None] if depthwise else steps
        np.testing.assert_allclose(rounded / steps, np.rint(kernel / steps), atol=1e-3)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """The folder with a network's weights and a configuration, for the command."""
    folder = tmp_path_factory.mktemp("qat")
    net = network("memory")
    save_weights(net, folder / "start.npz")
    document = {
        # The network is the one that --from holds, whatever stands here.
        "network": config_to_dict(tiny_config(memory=None)),
        "data": {"videos": 3, "validation_videos": 2, "frames": 8},
        "training": {"backprop_window": 1},
        "qat": {**SETTINGS, "freeze_until": "conv3", "calibration_clips": 2, "validation_steps": 1},
    }
    (folder / "qat.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.fixture(scope="module")
def finished(setting):
    """A run made by the command."""
    arguments = ["qat", setting / "qat.yaml", "--from", setting / "start.npz", "--run", setting / "run"]
    assert main([str(word) for word in [*arguments, "--out", setting / "tuned_int8.tflite", "--quiet"]]) == 0
    return setting / "run"


def rows(folder):
    return list(csv.DictReader((folder / "log.csv").open()))


def test_a_run_is_logged_from_before_its_first_step(finished):
    assert [int(row["epoch"]) for row in rows(finished)] == [0, 1, 2]
    losses = [float(row["val_loss"]) for row in rows(finished)]
    checkpoint = QatCheckpoint.load(finished / "qat.npz")
    assert checkpoint.best_loss == pytest.approx(min(losses[1:]), rel=1e-6)
    assert losses[checkpoint.best_epoch] == min(losses[1:])


def test_the_frozen_trunk_stays_and_the_rest_moves(setting, finished):
    start = load_model(setting / "start.npz")
    before = folded_weights(start, start.config)
    after = QatCheckpoint.load(finished / "qat.npz").weights
    assert set(before) == set(after)
    moved = {name for name, value in after.items() if not np.array_equal(value, before[name])}
    assert {re.split("[_/]", name)[0] for name in before if name not in moved} == {"conv1", "conv2", "conv3"}


def test_the_file_keeps_the_contract_and_says_how_it_was_made(setting, finished):
    flatbuffer, metadata = read_model(setting / "tuned_int8.tflite")
    assert metadata.precision == "int8"
    assert [(state.dtype, state.scale, state.zero_point, state.reset) for state in metadata.states] == [
        ("int8", 1 / 128, 0, 0)
    ]
    facts = metadata.details["quantization_aware"]
    assert facts["calibration"] == {"clips": 2, "frames": 16, "seed": 1} and facts["steps"] == 4
    assert set(facts["validation_loss"]) == {"float", "before", "best", "best_epoch"}
    runtime = Runtime(flatbuffer, metadata)
    assert runtime.quantization["image"] == (pytest.approx(1 / 127.5), 0)
    assert runtime.quantization["attention"] == (1 / 256, -128)
    detector = Detector(setting / "tuned_int8.tflite")
    for frame in SyntheticSky(videos=1, frames=3, size=64, seed=4).read(0):
        detector(frame)
    assert detector.state["state"].any()


def test_the_file_equals_the_twin_within_a_few_steps(setting, finished):
    flatbuffer, metadata = read_model(setting / "tuned_int8.tflite")
    runtime, checkpoint = Runtime(flatbuffer, metadata), QatCheckpoint.load(finished / "qat.npz")
    config = tiny_config(**NETWORKS["memory"])
    twin = twins.quantized_twin(folded_twin(config, checkpoint.best), checkpoint.ranges)
    # The image's 256 values are those of the file, from the first to the last.
    for value, end in ((-2.0, -128 / 127.5), (2.0, 127 / 127.5)):
        np.testing.assert_allclose(twin.get_layer("quant_image_in")(tf.fill((1, 64, 64, 3), value)), end, rtol=1e-6)
    graph = ClipGraph(twin)
    clip, state = random_clip(config, 5), np.zeros((1, *graph.state_shapes["state"]), np.float32)
    raw = {"state": np.zeros(state.shape, np.int8)}
    for frame in range(5):
        image = np.rint(clip["image"][:, frame] * 127.5)
        attention = np.rint(clip["attention"][:, frame] * 256)
        inputs = {"image": image / 127.5, "attention": attention / 256, "state": state}
        expected = graph.step({name: tf.constant(value, tf.float32) for name, value in inputs.items()})
        raw = {"image": image.astype(np.int8), "attention": (attention - 128).astype(np.int8), **raw}
        received = runtime(raw)
        state, raw = expected["next_state"].numpy(), {"state": received["next_state"]}
        for name, values in expected.items():
            scale, zero_point = runtime.quantization[name]
            steps = np.abs(values.numpy() / scale + zero_point - received[name])
            assert steps.mean() < 1.5 and steps.max() <= 12, (frame, name, steps.mean(), steps.max())


def test_a_broken_run_writes_no_file_and_goes_on_as_if_never_stopped(setting, finished, monkeypatch, capsys):
    step, taken = TwinTrainer.step, []

    def failing(self, batch):
        taken.append(step(self, batch))
        return taken[-1] if len(taken) < 4 else {"boxes": float("nan")}

    monkeypatch.setattr(TwinTrainer, "step", failing)
    words = ["--run", setting / "broken", "--out", setting / "broken_int8.tflite", "--quiet"]
    words = [str(word) for word in words]
    with eager():
        assert main(["qat", str(setting / "qat.yaml"), "--from", str(setting / "start.npz"), *words]) == 2
    assert "no longer a number in epoch 2/2" in capsys.readouterr().err
    assert not (setting / "broken_int8.tflite").exists()
    assert QatCheckpoint.load(setting / "broken" / "qat.npz").epoch == 1
    monkeypatch.setattr(TwinTrainer, "step", step)
    # The file itself has its own test.
    monkeypatch.setattr("quantization.tuned_exporter", written := Written())
    with eager():
        assert main(["qat", "--resume", *words]) == 2
    assert "written" in capsys.readouterr().err
    for resumed, unbroken in zip(rows(setting / "broken"), rows(finished), strict=True):
        assert {k: float(v) for k, v in resumed.items()} == pytest.approx(
            {k: float(v) for k, v in unbroken.items()}, rel=1e-4, nan_ok=True
        )
    assert written.epoch == 2


def test_what_is_no_number_is_not_written_although_the_loss_is_one(finished, tmp_path, monkeypatch, capsys):
    """The finished run goes on for an epoch at whose end something is lost."""
    for name in ("config.yaml", "qat.npz", "log.csv"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    lost = "memory_update_x_pointwise/bias"

    def step(self, batch):
        self.variables[lost].assign(self.variables[lost] * np.nan)
        return {"boxes": 1.0}

    monkeypatch.setattr(TwinTrainer, "step", step)
    before = (tmp_path / "qat.npz").read_bytes()
    words = ["qat", "--resume", "--run", str(tmp_path), "--epochs", "3", "--out", str(tmp_path / "x_int8.tflite")]
    with eager():
        assert main([*words, "--quiet"]) == 2
    assert "no longer a number in the validation of epoch 3" in capsys.readouterr().err
    assert (tmp_path / "qat.npz").read_bytes() == before and not (tmp_path / "x_int8.tflite").exists()


@pytest.mark.parametrize("lost", ["weights", "optimizer"])
def test_a_checkpoint_of_no_numbers_is_not_written(lost, finished, tmp_path):
    checkpoint = QatCheckpoint.load(finished / "qat.npz")
    if lost == "weights":
        checkpoint.weights["conv9_pointwise/bias"] = checkpoint.weights["conv9_pointwise/bias"] * np.nan
    else:
        checkpoint.optimizer[-1] = checkpoint.optimizer[-1] * np.nan
    with pytest.raises(InputError, match=r"after epoch 2: 1 of \d+ weights are no finite numbers"):
        checkpoint.save(tmp_path / "qat.npz")
    assert not list(tmp_path.iterdir())


class Written:
    """Stands for the converter and stops the command there."""

    def __call__(self, network, run, recipe):
        self.epoch = run.epoch
        raise InputError("written")


@pytest.mark.slow
def test_a_single_frame_network_becomes_a_file_without_state(setting, tmp_path):
    net = network("reduction")
    config = dataclasses.replace(load_config(setting / "qat.yaml"), network=net.config)
    config = dataclasses.replace(config, qat=dataclasses.replace(config.qat, epochs=1, steps_per_epoch=1))
    tuned = fine_tune(config, net, tmp_path / "run", quiet=True)
    exporter = tuned_exporter(net.config, tuned, "int8_float_io")
    metadata = exporter.write(tmp_path / "single_int8_float_io.tflite").metadata
    assert metadata.states == () and metadata.precision == "int8"
    detector = Detector(tmp_path / "single_int8_float_io.tflite")
    assert np.isfinite(detector.raw(np.zeros((64, 64, 3), np.uint8))[0]).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["quickstart", "--run", "new"], "give CONFIG and --from"),
        (["--resume", "--run", "new"], "holds no run to resume"),
        (["quickstart", "--resume", "--run", "new"], "leave CONFIG and --from out"),
        (["quickstart", "--from", "x.npz", "--run", "new"], "no weights at x.npz"),
        (["quickstart", "--from", "x.npz", "--run", "new", "--epochs", "0"], "qat.epochs must be above 0"),
        (["quickstart", "--from", "x.npz", "--run", "new", "--out", "x.bin"], "must end in .tflite"),
        (["quickstart", "--from", "x.npz", "--run", "new", "--set", "qat.freeze_until=conv99"], "conv1 to conv14"),
    ],
)
def test_mistakes_are_named(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["qat", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("sge: error: ")
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_overwritten_nor_resumed_as_another(setting, finished, capsys):
    command = ["qat", str(setting / "qat.yaml"), "--from", str(setting / "start.npz"), "--run", str(finished)]
    assert main([*command, "--quiet"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(["qat", "--resume", "--run", str(finished), "--set", "qat.seed=9"]) == 2
    assert "qat.seed would change" in capsys.readouterr().err
