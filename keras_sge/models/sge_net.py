"""SGE-Net over clips, for training."""

from __future__ import annotations

import re

import keras

from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.config.config import validate
from keras_sge.layers import FoldTime, SqueezedGRU2D, UnfoldTime
from keras_sge.models.detector_graph import detector_graph, map_sizes
from keras_sge.models.mobilenet_v1 import scaled


@keras.saving.register_keras_serializable("keras_sge")
class SGENet(keras.Model):
    """MobileNetV1-SSD with the optional Squeezed GRU and entropy attention, over clips.

    Args:
        config: the network's description, or the plain mapping of one.
        clip_length: frames of every clip. The memory's loop is then written out, which trains twice as fast on a CPU;
            None takes clips of any length.
        freeze_until: trunk layers up to this one, such as `conv6`, are not trained and keep their batch statistics.

    Call arguments:
        inputs: a mapping: `image` (batch, time, height, width, 3) RGB in -1 .. 1, and with entropy `attention`
            (batch, time, rows, columns, 1) from `edge.entropy_attention`. The state is zero at the clip's start.

    Returns:
        A mapping: `boxes` (batch, time, anchors, 4) codes, `scores` (batch, time, anchors, classes + 1) logits.
    """

    def __init__(self, config, clip_length=None, freeze_until=None, **kwargs):
        config = config if isinstance(config, NetworkConfig) else validate(NetworkConfig, config, "network")
        image = keras.Input((clip_length, *config.input_size, 3), name="image")
        inputs = {"image": image}
        if config.entropy:
            inputs["attention"] = keras.Input((clip_length, *map_sizes(config)[1], 1), name="attention")
        boxes, scores = detector_graph(
            keras.layers,
            config,
            FoldTime(name="fold_image")(image),
            attend=lambda x: self._attend(x, inputs),
            remember=lambda x: self._remember(x, image, config),
        )
        outputs = {
            "boxes": UnfoldTime(name="clip_boxes")([boxes, image]),
            "scores": UnfoldTime(name="clip_scores")([scores, image]),
        }
        super().__init__(inputs=inputs, outputs=outputs, **{"name": config.name, **kwargs})
        self.config = config
        self.clip_length = clip_length
        self.freeze_until = freeze_until
        for layer in self.layers:
            found = re.match(r"conv(\d+)", layer.name)
            if freeze_until and found and int(found[1]) <= int(freeze_until.removeprefix("conv")):
                layer.trainable = False

    @staticmethod
    def _attend(x, inputs):
        if "attention" not in inputs:
            return x
        attention = FoldTime(name="fold_attention")(inputs["attention"])
        return keras.layers.Multiply(name="attended")([x, attention])

    @staticmethod
    def _remember(x, image, config):
        memory = config.memory
        if memory is None:
            return x
        layer = SqueezedGRU2D(
            scaled(memory.filters, config.alpha),
            squeeze=memory.squeeze,
            return_sequences=True,
            cell_name="memory",
            unroll=image.shape[1] is not None,
            name="memory_over_time",
        )
        return FoldTime(name="fold_memory")(layer(UnfoldTime(name="unfold_memory")([x, image])))

    def get_config(self):
        return {
            "config": config_to_dict(self.config),
            "clip_length": self.clip_length,
            "freeze_until": self.freeze_until,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
