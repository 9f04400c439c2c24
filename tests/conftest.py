import os
import shutil
import sys

# Before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Before a test opens a video without `edge`: FFmpeg's level is that of a process' first.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Each worker of pytest-xdist keeps to one core; what a test starts does so too.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
        os.environ.setdefault(f"{library}_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import pytest

from keras_sge.cli.quiet_keras import keep_freed_memory

keep_freed_memory()

# Nearly all of the time is spent in these: they come first, so that no worker is left with one at the end.
LONGEST = {
    f"test_{name}.py"
    for name in (
        *("broken_runs", "documented_code", "export_memories", "int8", "jax_backend", "own_data", "qat"),
        *("reproduction", "train"),
    )
}


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_runtest_setup(item):
    """Graphs of tests run a few times at most: to optimize one takes longer than it ever saves."""
    if "tensorflow.python" in sys.modules:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session")
def tiny_net():
    """A randomized SGENet with memory and entropy, for clips of any length. Keep its weights as they are."""
    from tiny import randomize, tiny_config

    from keras_sge.models import SGENet

    return randomize(SGENet(tiny_config()))


@pytest.fixture(scope="session")
def tiny_keras(tiny_net, tmp_path_factory):
    """`tiny_net` as a .keras file."""
    path = tmp_path_factory.mktemp("keras") / "tiny.keras"
    tiny_net.save(path)
    return path


@pytest.fixture(scope="session")
def tiny_tflite(tiny_net, tmp_path_factory):
    """`tiny_net` as a float32 .tflite."""
    from quantization import Exporter

    path = tmp_path_factory.mktemp("tflite") / "tiny.tflite"
    Exporter(tiny_net).write(path)
    return path


@pytest.fixture(scope="module")
def eagerly():
    """`tiny.eager` for the tests of a file."""
    from tiny import eager

    with eager():
        yield


@pytest.fixture
def no_curves(monkeypatch):
    """`results.png` of a run is not drawn, which takes longer than its epoch."""
    monkeypatch.setattr("keras_sge.pictures.training_curves", lambda log, path: None)


@pytest.fixture(scope="session")
def tiny_coco(tmp_path_factory):
    """A COCO-VID directory with a train and a val split of three videos, eight frames of 64 x 64 each."""
    from video_trees import write_synthetic

    return write_synthetic(tmp_path_factory.mktemp("coco"), videos=3, frames=8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def coco_tree(tiny_coco, tmp_path):
    """A copy of `tiny_coco` to break."""
    return shutil.copytree(tiny_coco, tmp_path / "coco")
