"""Layers, losses and the network under JAX, in processes where TensorFlow cannot be imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# With TensorFlow installed Keras itself loads parts of it under any backend; here it is as if it were not.
NO_TENSORFLOW = "import sys; sys.modules['tensorflow'] = None\n"

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="jax is not installed: the extra jax")


def run(code, *arguments):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # Nearly all of the time is spent on compiling, each program for one call.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", NO_TENSORFLOW + code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=TESTS.parent,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


# What does not depend on the backend, and what shows nothing more: as a layer in all its forms one cell with a single
# state and one with two are enough, as every cell's step is compared with its equations.
LEFT_OUT = [
    "parameters_are",
    "bad_",
    "round_trip",
    "mixed_float16",
    "the_layer and gate",
    "a_recurrent_layer_of and not SeparableLSTMCell",
    "splitting_a_batch",
]


def test_layers_and_losses_pass_their_tests():
    code = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    names = ["test_squeezed_gru.py", "test_memory_cells.py", "test_losses.py", "test_entropy_layers.py"]
    chosen = " and ".join(f"not ({words})" for words in LEFT_OUT)
    assert " passed" in run(code, "-p", "no:cacheprovider", "-k", chosen, *(str(TESTS / name) for name in names))


NETWORK = """
import keras
import numpy as np
from tiny import random_clip, randomize, tiny_config
from keras_sge.config import AnchorConfig, EntropyConfig
from keras_sge.losses import multibox_loss
from keras_sge.models import SGENet

# Narrow and without extras: compiling is what takes the time.
config = tiny_config(
    alpha=0.05, extras=(), anchors=AnchorConfig(sizes=(12.0, 24.0, 40.0)), entropy=EntropyConfig(gain=2)
)
model = randomize(SGENet(config, clip_length=1))
answer = model.predict_on_batch(random_clip(config, frames=1))
anchors = answer["scores"].shape[2]
losses = multibox_loss()
truth = {"boxes": np.zeros((1, 1, anchors, 5)), "scores": np.zeros((1, 1, anchors), int)}
assert all(np.isfinite(float(losses[key](truth[key], answer[key]))) for key in losses)
print(keras.backend.backend(), float(keras.ops.std(answer["scores"])) > 0.3)
"""


def test_network_answers():
    assert run(NETWORK).split() == ["jax", "True"]


CONFIG = """
network:
  name: tiny
  input_size: [64, 64]
  alpha: 0.05
  classes: [airplane, bird, drone, helicopter]
  memory: {filters: 120}
  anchors: {sizes: [12, 24, 40]}
  extras: []
data: {videos: 3, validation_videos: 2, frames: 6}
training: {epochs: 1, steps_per_epoch: 2, batch_size: 2, clip_length: 2, average: 0.9, validation_steps: 1}
"""


@pytest.mark.slow
def test_the_command_trains_and_its_checkpoint_evaluates(tmp_path):
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG)
    code = "from keras_sge.cli.main import main; sys.exit(main(sys.argv[1:]))"
    assert "trained network" in run(code, "train", str(config), "--run", str(tmp_path / "run"), "--quiet")
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert "mean" in run(code, "evaluate", str(tmp_path / "run"))
