"""The table of a network's layers against the graph that Keras built, for every memory, place and path."""

import keras
import pytest

from keras_sge.config import EntropyConfig, MemoryConfig, ReductionConfig
from keras_sge.config.maps import MAPS
from keras_sge.config.network import KINDS
from keras_sge.models import SGENet, build_step_model
from keras_sge.models.memory import MEMORY_KINDS
from keras_sge.models.topology import PARTS, Convolution, Topology, detection_maps, layer_of_tensor, part_of, topology
from tests.tiny import API, tiny_config

NETWORKS = {
    "single": {"memory": None, "entropy": None},
    "reduction": {"memory": MemoryConfig("reduction", 120)},
    "reduction beside a memory": {
        "memory": MemoryConfig(filters=120, attach_to="conv12"),
        "reduction": ReductionConfig(120),
    },
    "corrections on both maps": {
        "memory": MemoryConfig("correction_gru", 120, attach_to=("conv12", "conv13")),
        "reduction": ReductionConfig(120),
    },
    "top down": {"top_down": True},
    "each gate squeezes": {"memory": MemoryConfig(filters=120, squeeze="gate")},
    "bounded squeeze": {"memory": MemoryConfig(filters=120, squeeze_activation="tanh")},
    **{f"{kind} on conv13": {"memory": MemoryConfig(kind, 120)} for kind in KINDS if kind != "reduction"},
    **{f"memory on {place}": {"memory": MemoryConfig(filters=120, attach_to=place)} for place in ("conv3", "conv12")},
    "as the Object Detection API": API,
    "the same with corrections": {**API, "memory": MemoryConfig("correction_gru", 120, attach_to=("conv12", "conv14"))},
    "attention early": {"entropy": EntropyConfig(attach_to="conv4")},
}


def upstream(step):
    """Name of each convolution -> names of the convolutions and inputs that its input comes from."""
    makers = {id(tensor): tensor.name for tensor in step.inputs}
    before = {}
    for layer in step.layers:
        sources = {name for tensor in keras.tree.flatten(layer.input) for name in _names(makers, tensor)}
        convolution = isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))
        if convolution:
            before[layer.name] = sources
        if not isinstance(layer, keras.layers.InputLayer):
            makers[id(layer.output)] = {layer.name} if convolution else sources
    return before


def _names(makers, tensor):
    found = makers[id(tensor)]
    return {found} if isinstance(found, str) else found


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_reads_what_the_table_says(name):
    config = tiny_config(**NETWORKS[name])
    table = topology(config)
    before = upstream(build_step_model(config))
    assert set(before) == {row.name for row in table}
    for row in table:
        makers = {other.name for other in table if other.makes == row.reads}
        if row.reads in ("image", "state"):
            inputs = {row.reads, "state_h", *(f"state_{place}" for place in MAPS)}
            assert {name for name in before[row.name] if name not in before} & inputs
        elif makers:
            assert makers <= before[row.name] or row.reads in MAPS
            assert before[row.name] & makers
        else:
            assert before[row.name] & table.of_part("memory")


def test_the_builder_refuses_what_is_not_in_the_table():
    config = tiny_config()
    step = build_step_model(config)
    extra = keras.layers.Conv2D(4, 1, name="stray")
    extra.build((None, 4, 4, 4))
    with pytest.raises(AssertionError, match="stray"):
        topology(config).check([*step.layers, extra])
    wrong = keras.layers.Conv2D(4, 1, name="conv2_depthwise")
    wrong.build((None, 4, 4, 4))
    with pytest.raises(AssertionError, match="conv2_depthwise is a conv"):
        topology(config).check([*(layer for layer in step.layers if layer.name != wrong.name), wrong])


def test_questions_of_the_package():
    table = Topology(tiny_config(top_down=True))
    assert table["conv3_pointwise"] == Convolution(
        "conv3_pointwise", "conv", "trunk", "conv3", "conv3_depthwise", "conv3", "conv3_pointwise_bn"
    )
    assert table["boxes1_pointwise"].norm is None
    assert [head.name for head in table.heads("scores")] == [f"scores{number}_pointwise" for number in (1, 2, 3)]
    heads = {"boxes2_depthwise", "scores2_depthwise"}
    assert table.readers("memory") == {"extra1_reduce", "top_down_pointwise", *heads}
    assert table.readers("conv13") == {"memory_squeeze"}
    widened = table.widened_by("memory")
    assert widened - table.readers("memory") == {
        *(f"{name}_bn" for name in heads), "boxes2_pointwise", "scores2_pointwise",
    }  # fmt: skip
    assert table.frozen("conv2") == {
        *("conv1", "conv1_bn", "conv2_depthwise", "conv2_depthwise_bn", "conv2_pointwise", "conv2_pointwise_bn")
    }
    assert table.frozen(None) == set()
    assert {row.part for row in table} <= set(PARTS)
    assert detection_maps(tiny_config(memory=None)) == ("conv12", "conv13", "feature_map1")


def test_the_clip_model_has_the_tables_layers():
    for kind in MEMORY_KINDS:
        config = tiny_config(memory=MemoryConfig(kind, 120))
        names = {weight.path.split("/")[-2] for weight in SGENet(config, clip_length=2).weights}
        assert names == topology(config).layers


def test_kinds_stand_once():
    assert tuple(MEMORY_KINDS) == KINDS


@pytest.mark.parametrize(
    ("tensor", "part", "layer"),
    [
        ("net_1/net_1/quant_conv2_relu_1/Relu6;stuff", "trunk", "conv2"),
        ("sge/memory_update_x_pointwise/convolution", "memory", "memory_update_x_pointwise"),
        ("sge/boxes2_depthwise_bn/FusedBatchNorm", "heads", "boxes2_depthwise"),
        ("sge/neck_squeeze/BiasAdd", "reduction", "neck_squeeze"),
        ("arith.constant7", None, "arith.constant7"),
    ],
)
def test_names_in_files(tensor, part, layer):
    assert part_of(tensor) == part and layer_of_tensor(tensor) == layer
