"""The files under models/: each loads, says what it is, and has a card."""

import re

import numpy as np
import pytest

from edge import Detector
from edge.model_zoo import DEFAULT_MODEL, list_models, models_folder
from keras_sge.models import load_model

CHECKPOINTS = sorted((models_folder() / "checkpoints").glob("*.npz"))
MEGABYTE = 1_000_000


def test_the_default_is_shipped():
    assert DEFAULT_MODEL in list_models()


@pytest.mark.parametrize("name", list_models())
def test_a_shipped_model_detects_and_has_a_card(name):
    detector = Detector(name)
    network, data, size, precision = name.rsplit("_", 3)
    metadata = detector.metadata
    assert (metadata.name, metadata.precision) == (network, precision) and data in ("skyzoom", "sky")
    assert size.split("x")[0] == str(metadata.width)
    frame = np.random.default_rng(0).integers(0, 256, (512, 640, 3), np.uint8)
    for _ in range(3):
        codes, logits = detector.raw(frame)
    assert np.isfinite(codes).all() and np.isfinite(logits).all() and logits.std() > 0.1
    assert bool(detector.state) == (network != "mnet_ssd")
    assert all(np.isfinite(state).all() and np.abs(state).max() > 0 for state in detector.state.values())
    card = (models_folder() / f"{name}.md").read_text()
    assert all(word in card for word in ("seed", "mAP", "Licence", "sge evaluate"))


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_a_checkpoint_loads(path):
    model = load_model(path)
    name = re.fullmatch(r"(.+)_(?:skyzoom|sky)_\d+x[\d.]+(?:_seed\d+)?", path.stem)
    assert name and name[1] == model.config.name


def test_the_files_stay_small():
    assert CHECKPOINTS
    assert sum(path.stat().st_size for path in models_folder().glob("*.tflite")) <= 16 * MEGABYTE
    assert sum(path.stat().st_size for path in CHECKPOINTS) <= 20 * MEGABYTE
