"""What a run leaves, read by plain Keras and by us; what is damaged or no number is refused."""

import keras
import numpy as np
import pytest
from tiny import SINGLE, assert_same_weights, experiment, randomize, tiny_config

from edge.errors import InputError
from keras_sge.config import config_to_dict
from keras_sge.data import synthetic_split
from keras_sge.data.loader import ClipLoader
from keras_sge.models import SGENet, load_model, step_model_from
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.weights import save_weights
from keras_sge.training import train

pytestmark = pytest.mark.usefixtures("eagerly", "no_curves")


@pytest.mark.parametrize(("precision", "computed"), [("float32", "float32"), ("mixed_bfloat16", "bfloat16")])
def test_plain_keras_reads_a_run_and_goes_on_in_its_precision(tmp_path, precision, computed):
    settings = {"epochs": 1, "steps_per_epoch": 1, "evaluation_epochs": 1}
    config = experiment(SINGLE, precision=precision, **settings)
    train(config, tmp_path / "run", verbose=0)
    for name in ("model.keras", "best.keras"):
        model = keras.models.load_model(tmp_path / "run" / name)
        assert model.get_layer("conv5_pointwise").compute_dtype == computed
        assert int(model.optimizer.iterations) == 1
    before = keras.ops.convert_to_numpy(model.get_layer("conv13_pointwise").kernel)
    loader = ClipLoader(synthetic_split("train", 64, 2, 4), config.network, config.training)
    losses = model.fit(loader, steps_per_epoch=1, shuffle=False, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and int(model.optimizer.iterations) == 2
    assert not np.array_equal(keras.ops.convert_to_numpy(model.get_layer("conv13_pointwise").kernel), before)
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
