"""What a run leaves, read by plain Keras and by us; what is damaged or no number is refused."""

import keras
import numpy as np
import pytest
from tiny import SINGLE, assert_same_weights, experiment, random_clip, randomize, tiny_config

from edge.errors import InputError
from keras_sge.config import config_to_dict
from keras_sge.models import SGENet, load_model, step_model_from
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.weights import save_weights
from keras_sge.training import train

pytestmark = pytest.mark.usefixtures("eagerly", "no_curves")


def batch_for(model):
    """Inputs and targets of one batch without objects."""
    clip = random_clip(model.config, model.clip_length)
    anchors = model.output["scores"].shape[2]
    shape = 1, model.clip_length, anchors
    return clip, {"boxes": np.zeros((*shape, 5), np.float32), "scores": np.zeros(shape, np.int32)}


def test_plain_keras_reads_a_run_and_goes_on_in_its_precision(tmp_path):
    settings = {"epochs": 1, "steps_per_epoch": 1, "evaluation_epochs": 1}
    config = experiment(SINGLE, precision="mixed_bfloat16", **settings)
    train(config, tmp_path / "run", verbose=0)
    for name in ("model.keras", "best.keras"):
        model = keras.models.load_model(tmp_path / "run" / name)
        assert model.get_layer("conv5_pointwise").compute_dtype == "bfloat16"
        assert int(model.optimizer.iterations) == 1
    assert np.isfinite(model.fit(*batch_for(model), verbose=0).history["loss"]).all()
    assert int(model.optimizer.iterations) == 2
    assert keras.config.dtype_policy().name == "float32"


def test_a_network_that_is_no_numbers_is_neither_read_nor_deployed(tmp_path):
    model = randomize(SGENet(tiny_config(**SINGLE)))
    model.weights[3].assign(model.weights[3] * np.nan)
    model.save(tmp_path / "lost.keras")
    for use in (lambda: load_model(tmp_path / "lost.keras"), lambda: step_model_from(model)):
        with pytest.raises(InputError, match=r"1 of .* weights are no finite numbers"):
            use()
    with pytest.raises(InputError, match=r"1 of .* weights are no finite numbers"):
        save_weights(model, tmp_path / "weights.npz")
    assert not (tmp_path / "weights.npz").exists()


def test_saved_weights_come_back_in_half_precision(tiny_net, tmp_path):
    save_weights(tiny_net, tmp_path / "tiny.npz")
    loaded = load_model(tmp_path / "tiny.npz")
    assert config_to_dict(loaded.config) == config_to_dict(tiny_net.config)
    assert_same_weights(tiny_net, loaded, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut"])
def test_a_damaged_start_is_an_input_error(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(InputError, match="weights"):
        read_weights(tmp_path / "weights.npz")
