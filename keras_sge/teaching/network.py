"""Teacher and student behind the maps where the memory first stands: what is trained, and towards what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from edge.errors import InputError
from keras_sge.boxes import memory_map_size
from keras_sge.config import MemoryConfig, NetworkConfig, ReductionConfig
from keras_sge.config.maps import TRUNK_MAPS
from keras_sge.layers import FoldTime, UnfoldTime
from keras_sge.models.detector_graph import detector_graph
from keras_sge.models.mobilenet_v1 import scaled
from keras_sge.models.sge_net import SGENet, memory_over_clip
from keras_sge.models.step_model import copy_weights
from keras_sge.models.topology import block_name, block_number, memory_prefix

# A box counts by how far the teacher's confidence in it is above this.
_SURE = 0.2


def usual_memory(network: NetworkConfig) -> MemoryConfig:
    """A correction GRU of 128 channels, at alpha 1, behind each of the trunk's maps that the heads read."""
    return MemoryConfig("correction_gru", 128, attach_to=("conv12", network.last_block))


def with_memory(network: NetworkConfig, memory: MemoryConfig, name: str | None = None) -> NetworkConfig:
    """A single-frame network with a memory that adds to its maps; all of its own layers stay.

    Args:
        network: without a memory, or with a reduction in its place, which stays where it is.
        memory: attached so that it takes no map's place.
        name: of the new network; None for the old one's with `_taught` behind.

    Raises:
        InputError: the network has a memory already, reads finer maps than those behind the memory or an entropy
            attention, or the memory is not attached to maps of the trunk, or would take conv13's place.
    """
    if network.memory is not None and network.recurrent:
        raise InputError(
            f"a memory is taught to a single-frame network, and {network.name} has a {network.memory.kind} already."
        )
    if network.entropy is not None or network.finer_map:
        raise InputError(
            "a memory is taught behind conv12 or later, to networks without network.entropy and network.finer_map."
        )
    elsewhere = [place for place in memory.places if place not in TRUNK_MAPS]
    if elsewhere:
        trunk_maps = ", ".join(TRUNK_MAPS)
        raise InputError(f"a memory is taught behind maps of the trunk: {trunk_maps}. Received: {elsewhere[0]}")
    if memory.replaces_conv13 or memory.kind == "reduction":
        raise InputError(
            f"a {memory.kind} on conv13 would take the map's place, and the detector would have to be trained again. "
            "Teach a correction_gru, or attach it to conv12."
        )
    reduction = network.reduction
    if network.memory is not None:
        reduction = ReductionConfig(network.memory.filters, network.memory.squeeze_activation)
    return dataclasses.replace(network, name=name or f"{network.name}_taught", memory=memory, reduction=reduction)


def places(network: NetworkConfig) -> tuple[str, ...]:
    """The maps behind which there is a memory."""
    assert network.memory is not None
    return network.memory.places


def first_map(network: NetworkConfig) -> str:
    """The map that the memory stands at first; all before it is the same for teacher and student."""
    return places(network)[0]


def feature_shape(network: NetworkConfig) -> tuple[int, int, int]:
    """Rows, columns and channels of `first_map`."""
    place = first_map(network)
    return (*memory_map_size(network, place), scaled(network.channels_of(place), network.alpha))


def trunk(network: SGENet) -> keras.Model:
    """Frames as clips of one, (b, 1, height, width, 3), RGB in -1 .. 1, to the features of `first_map`."""
    single = SGENet(network.config, clip_length=1)
    copy_weights(network, single)
    return keras.Model(single.inputs[0], single.get_layer(_made_by(first_map(network.config))).output)


def _made_by(place: str) -> str:
    """The layer whose output a map of the trunk is."""
    return f"{block_name(block_number(place))}_relu"


def tail(network: NetworkConfig, clip_length: int, memory: bool = True) -> keras.Model:
    """What stands behind `first_map`, over clips of its features.

    Args:
        network: with a memory that adds to its maps. clip_length: frames of a clip.
        memory: whether it is there; its twin is the teacher.

    Returns:
        A model from (b, time, rows, columns, channels) to a mapping: `boxes`, `scores` as `SGENet`'s, and by place the
        maps (b * time, rows, columns, channels) as the layers behind the memory see them. Names and shapes of weights
        are the network's.
    """
    config = network if memory else dataclasses.replace(network, memory=None)
    clip = keras.Input((clip_length, *feature_shape(network)), name="features")
    features = FoldTime(name="fold_features")(clip)
    boxes, scores = detector_graph(
        keras.layers,
        config,
        features,
        attend=lambda x: x,
        remember=lambda x, place: memory_over_clip(x, place, clip, config),
        after=first_map(network),
    )
    outputs = {
        "boxes": UnfoldTime(name="clip_boxes")([boxes, clip]),
        "scores": UnfoldTime(name="clip_scores")([scores, clip]),
    }
    graph = keras.Model(clip, outputs)
    for number, place in enumerate(places(network)):
        name = f"{memory_prefix(network, place)}added" if memory else _made_by(place)
        outputs[place] = features if not memory and number == 0 else graph.get_layer(name).output
    return keras.Model(clip, outputs, name="student" if memory else "teacher")


class Teaching(keras.Model):
    """Learns to answer on what it sees what the teacher answers on the clean clip.

    Args:
        student, teacher: of `tail`. network: of the student. box_weight, feature_weight: see `TeachingConfig`.

    Call arguments:
        inputs: a mapping: `clean` and `seen`, (b, time, rows, columns, channels).
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        network: NetworkConfig,
        box_weight: float = 1.0,
        feature_weight: float = 0.5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.student, self.teacher, self._network = student, teacher, network
        teacher.trainable = False
        self._weights_of = {"scores": 1.0, "boxes": box_weight, "features": feature_weight}
        self._parts = {name: keras.metrics.Mean(name=f"{name}_loss") for name in self._weights_of}
        # Both of its parts are, and only what is built takes weights.
        self.built = True

    def call(self, inputs, training=False):
        return self.student(ops.cast(inputs["seen"], self.compute_dtype), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        wanted = self.teacher(ops.cast(x["clean"], self.compute_dtype), training=False)
        wanted = {name: ops.stop_gradient(value) for name, value in wanted.items()}
        parts = distillation_losses(wanted, y_pred, places(self._network), self._network.heads.scores)
        for name, value in parts.items():
            self._parts[name].update_state(value)
        return sum(self._weights_of[name] * value for name, value in parts.items())


def distillation_losses(
    wanted: Mapping[str, Any], answered: Mapping[str, Any], maps: Sequence[str], form: str = "softmax"
) -> dict[str, Any]:
    """How far the student's answers are from the teacher's, in three parts.

    `scores`: Kullback-Leibler divergence of an anchor's class distributions, weighted by half the sum of their absolute
    differences; of a sigmoid that of each class for itself, weighted by the difference. `boxes`: smooth L1 of the
    codes, weighted by how far the teacher's confidence is above 0.2. Both are divided by the sum of those confidences
    plus 1. `features`: mean squared difference of the maps.

    Args:
        wanted, answered: of `tail`. maps: their keys. form: of the scores, see `edge.scores`.
    """
    if form == "softmax":
        log_wanted, log_answered = (ops.log_softmax(one["scores"], axis=-1) for one in (wanted, answered))
        probabilities = ops.exp(log_wanted)
        apart = 0.5 * ops.sum(ops.abs(ops.exp(log_answered) - probabilities), axis=-1)
        divergence = ops.sum(probabilities * (log_wanted - log_answered), axis=-1)
        confidence = 1 - probabilities[..., 0]
    else:
        x, y = wanted["scores"], answered["scores"]
        probabilities = ops.sigmoid(x)
        apart = ops.abs(ops.sigmoid(y) - probabilities)
        # log(1 - sigmoid(x)) is -softplus(x), and log(sigmoid(x)) that plus x.
        divergence = probabilities * (x - y) + ops.softplus(y) - ops.softplus(x)
        confidence = ops.max(probabilities, axis=-1)
    sure = ops.relu(confidence - _SURE)
    error = ops.abs(wanted["boxes"] - answered["boxes"])
    smooth = ops.sum(ops.where(error < 1, 0.5 * error * error, error - 0.5), axis=-1)
    count = ops.sum(sure) + 1
    return {
        "scores": ops.sum(ops.stop_gradient(apart) * divergence) / count,
        "boxes": ops.sum(sure * smooth) / count,
        "features": sum(ops.mean(ops.square(wanted[place] - answered[place])) for place in maps),
    }
