"""SGE-Net over clips, for training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from edge.results import FrameResult
from edge.video.open import Source as VideoInput
from keras_sge.boxes import attention_map_size
from keras_sge.config import NetworkConfig, config_to_dict
from keras_sge.config.config import network_from_dict
from keras_sge.layers import FoldTime, UnfoldTime
from keras_sge.layers.squeezed_gru import squeezed
from keras_sge.models.detector_graph import attended, detector_graph
from keras_sge.models.memory import memory_layer, memory_parts
from keras_sge.models.topology import memory_prefix, topology


@keras.saving.register_keras_serializable("keras_sge")
class SGENet(keras.Model):
    """MobileNetV1-SSD with the optional memory and entropy attention, over clips.

    Args:
        config: the network's description, or the plain mapping of one.
        clip_length: frames of every clip. The memory's loop is then written out, which trains twice as fast on a CPU;
            None takes clips of any length.
        backprop_window: frames that a gradient goes back through the memory, for clips whose length is known; the state
            goes on from window to window. None: the whole clip.
        freeze_until: trunk layers up to this one, such as `conv6`, are not trained and keep their batch statistics.
        freeze_batch_norm: the trunk's batch norms keep statistics, scale and offset where its convolutions are trained.
        freeze_detector: nothing but the memory is trained, and all batch norms keep their statistics.
        precision: the layers' dtype policy, such as `mixed_bfloat16`; None for the one in force.

    Call arguments:
        inputs: a mapping: `image` (batch, time, height, width, 3) RGB in -1 .. 1, and with entropy `attention`
            (batch, time, rows, columns, 1) from `edge.entropy_attention`. The state is zero at the clip's start.

    Returns:
        A mapping: `boxes` (batch, time, anchors, 4) codes, `scores` (batch, time, anchors, columns) logits,
        columns being `config.score_columns`.
    """

    def __init__(
        self,
        config,
        clip_length=None,
        freeze_until=None,
        backprop_window=None,
        freeze_batch_norm=False,
        precision=None,
        freeze_detector=False,
        **kwargs,
    ):
        config = config if isinstance(config, NetworkConfig) else network_from_dict(config)
        if backprop_window is not None and clip_length is None:
            raise ValueError(f"`backprop_window` needs a `clip_length`. Received: backprop_window={backprop_window}")
        precision = precision or keras.config.dtype_policy().name
        with dtype_policy(precision):
            inputs, outputs = self._clip_graph(config, clip_length, backprop_window)
            super().__init__(inputs=inputs, outputs=outputs, **{"name": config.name, **kwargs})
        self.config = config
        self.clip_length = clip_length
        self.freeze_until = freeze_until
        self.backprop_window = backprop_window
        self.freeze_batch_norm = freeze_batch_norm
        self.freeze_detector = freeze_detector
        self.precision = precision
        table = topology(config)
        frozen = table.frozen(freeze_until) | (table.norms("trunk") if freeze_batch_norm else set())
        for name in frozen | (table.layers - table.of_part("memory") if freeze_detector else set()):
            self.get_layer(name).trainable = False

    @classmethod
    def _clip_graph(cls, config, clip_length, window):
        image = keras.Input((clip_length, *config.input_size, 3), name="image")
        inputs = {"image": image}
        if config.entropy:
            inputs["attention"] = keras.Input((clip_length, *attention_map_size(config), 1), name="attention")
        boxes, scores = detector_graph(
            keras.layers,
            config,
            FoldTime(name="fold_image")(image),
            attend=lambda x: cls._attend(x, inputs, config),
            remember=lambda x, place: memory_over_clip(x, place, image, config, window),
        )
        return inputs, {
            "boxes": UnfoldTime(name="clip_boxes")([boxes, image]),
            "scores": UnfoldTime(name="clip_scores")([scores, image]),
        }

    @staticmethod
    def _attend(x, inputs, config):
        attention = FoldTime(name="fold_attention")(inputs["attention"])
        return attended(keras.layers, x, attention, config.entropy.gain)

    def predict_video(
        self, source: VideoInput | Iterable[np.ndarray], score_threshold: float | None = None
    ) -> Iterator[FrameResult]:
        """Detects in a video frame by frame as a device does, the state carried and reset as `edge.Detector` does.

        Args:
            source: what `edge.open_source` takes, such as a video file's path, a folder of pictures or a camera's
                number; or the frames, uint8 (height, width, 3) BGR each, an array (time, height, width, 3) or any
                iterable, whose times are not known.
            score_threshold: lowest score of a detection, 0 to 1; None for a device's own.

        Yields:
            An `edge.FrameResult` a frame, with the frame; each when it is asked for.

        Raises:
            InputError: the source cannot be read, a frame is no such array, or a weight is no finite number.
        """
        # Evaluation stands on the models.
        from keras_sge.evaluation.detector import open_detector

        with open_detector(self, score_threshold=score_threshold) as detector:
            if isinstance(source, VideoInput):
                yield from detector.stream(source)
            else:
                with detector.open(None) as stream:
                    yield from map(stream, source)

    def get_config(self):
        return {
            "config": config_to_dict(self.config),
            "clip_length": self.clip_length,
            "freeze_until": self.freeze_until,
            "backprop_window": self.backprop_window,
            "freeze_batch_norm": self.freeze_batch_norm,
            "freeze_detector": self.freeze_detector,
            "precision": self.precision,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def memory_over_clip(
    x: keras.KerasTensor, place: str, clip: keras.KerasTensor, config: NetworkConfig, window: int | None = None
) -> keras.KerasTensor:
    """The memory's cell at `place`, or its reduction, over the frames of a clip.

    Args:
        x: maps (batch * time, rows, columns, channels). place: one of `config.memory.places`.
        clip: anything (batch, time, ...): says how many frames a clip has. window: see `SGENet`'s `backprop_window`.
    """
    if not config.recurrent:
        return squeezed(memory_parts(keras.layers, config, place), x)
    layer, name = memory_layer(config, place, unroll=clip.shape[1] is not None), memory_prefix(config, place)[:-1]
    features = UnfoldTime(name=f"unfold_{name}")([x, clip])
    length, states, windows = clip.shape[1], None, []
    for start in range(0, length, window) if window else (0,):
        part = features[:, start : start + window] if window else features
        output, *states = layer(part, initial_state=states)
        # The states go on into the next window, their gradients do not.
        states = [keras.ops.stop_gradient(state) for state in states]
        windows.append(output)
    remembered = keras.ops.concatenate(windows, axis=1) if len(windows) > 1 else windows[0]
    return FoldTime(name=f"fold_{name}")(remembered)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Keras' dtype policy for what is made within the block, such as `mixed_bfloat16`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
