"""Every memory's step in tf_keras, from the same functions and with the same weights."""

import numpy as np
import pytest
from tiny import random_clip, randomize, tiny_config

from keras_sge.config import EntropyConfig, MemoryConfig, ReductionConfig
from keras_sge.models import build_step_model, copy_weights
from keras_sge.models.step_model import state_tensors

tf_keras = pytest.importorskip("tf_keras")


@pytest.mark.parametrize("update", ["subtract", "blend"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "conv_gru", "bottleneck_lstm"])
def test_the_twin_answers_alike(kind, update):
    inside = kind == "lstm"
    place = "conv12" if inside else "conv13"
    config = tiny_config(
        memory=MemoryConfig(kind, 120, attach_to=place),
        reduction=ReductionConfig(120) if inside else None,
        entropy=EntropyConfig(attach_to=place, gain=2),
    )
    step = randomize(build_step_model(config))
    twin = build_step_model(config, tf_keras, update=update)
    copy_weights(step, twin)
    inputs = {name: value[:, 0] for name, value in random_clip(config, 1).items()}
    rng = np.random.default_rng(1)
    inputs |= {state.input: rng.uniform(0, 1, state.shape).astype(np.float32) for state in state_tensors(config)}
    expected, answer = step(inputs, training=False), twin(inputs, training=False)
    assert set(answer) == set(expected)
    for name in expected:
        np.testing.assert_allclose(answer[name], np.asarray(expected[name]), atol=2e-5, rtol=1e-4, err_msg=name)
