"""One step of the correction GRU, written once over a namespace of stock layers.

Its memory of a map f is a correction of it: s = S f squeezes the map linearly, the cell remembers what s should be, h,
and f + E (h - s) goes on. Where a frame shows what is remembered nothing changes, whatever was learned; where it shows
nothing, what is remembered stands in. S and E start as the principal components of clean features. Not in the paper.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_sge.layers.cells import MapCell, separable_makers
from keras_sge.layers.rnn2d import RNN2D

# sigmoid(-1) = 0.27: at first a quarter of the memory is kept.
KEEP_BIAS = -1.0


def correction_gru_parts(
    layers: Any, filters: int, kernel_size: int = 3, prefix: str = "", update: str = "subtract", **weight_options: Any
) -> dict[str, Any]:
    """The stock layers of one cell, by role; names are `prefix` + role.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. filters: channels of the squeezed map and of the state.
        kernel_size: of the depthwise kernels. prefix: of every layer's name.
        update: how c + z (h - c) is written, `subtract` or `blend`, see `gated_update_parts`.
        weight_options: see `separable_makers`. Whatever they say, the candidate's 1x1 kernels start at 0, the keep
            gate's bias at -1 and the kernel of `filled` at 1.
    """
    depthwise, pointwise = separable_makers(layers, filters, kernel_size, prefix, **weight_options)
    parts = {}
    for role, sides, first in (
        ("keep", ("x", "h", "d"), {"bias_initializer": {"class_name": "Constant", "config": {"value": KEEP_BIAS}}}),
        ("reset", ("x", "h"), {}),
        ("candidate", ("x", "h"), {"kernel_initializer": "zeros"}),
    ):
        for side in sides:
            use_bias = side == "x"
            replaced = {name: value for name, value in first.items() if use_bias or not name.startswith("bias")}
            parts[f"{role}_{side}_depthwise"] = depthwise(f"{role}_{side}_depthwise")
            parts[f"{role}_{side}_pointwise"] = pointwise(f"{role}_{side}_pointwise", use_bias, **replaced)
            # Two at a time: a sum of three is an operator that integers and GPUs do not have.
            if side != "x":
                parts[f"{role}_{side}_sum"] = layers.Add(name=f"{prefix}{role}_{side}_sum")
        parts[role] = layers.Activation("tanh" if role == "candidate" else "sigmoid", name=prefix + role)
    for role in ("above", "below"):
        parts[f"{role}_difference"] = layers.Subtract(name=f"{prefix}{role}_difference")
        parts[role] = layers.ReLU(name=prefix + role)
    parts |= {
        "distance": layers.Add(name=prefix + "distance"),
        "reset_state": layers.Multiply(name=prefix + "reset_state"),
        "proposal": layers.Add(name=prefix + "proposal"),
        "positive": layers.ReLU(name=prefix + "positive"),
        "filled": layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name=prefix + "filled"),
        "filled_positive": layers.ReLU(name=prefix + "filled_positive"),
        "filled_share": layers.Activation("tanh", name=prefix + "filled_share"),
        "keep_filled": layers.Multiply(name=prefix + "keep_filled"),
    }
    if update == "blend":
        return parts | {
            "kept": layers.Multiply(name=prefix + "kept"),
            "replaced": layers.Multiply(name=prefix + "replaced"),
            "taken": layers.Subtract(name=prefix + "taken"),
            "next_state": layers.Add(name=prefix + "next_state"),
        }
    return parts | {
        "difference": layers.Subtract(name=prefix + "difference"),
        "correction": layers.Multiply(name=prefix + "correction"),
        "next_state": layers.Subtract(name=prefix + "next_state"),
    }


def correction_gru_step(parts: dict[str, Any], s: Any, h: Any) -> Any:
    """h' = z h + (1 - z) c, with c = s + tanh(P1 D s + P2 D (r h)) and z, r from s, h and |s - h|.

    D are depthwise convolutions, each with a kernel of its own, P 1x1 ones. A state of zeros remembers nothing: z is
    multiplied with tanh(sum of relu(h)), 0 there and close to 1 else, so that the first frame's h' is c.

    Args:
        parts: from `correction_gru_parts`. s, h: the squeezed map and the state, (batch, rows, columns, filters).

    Returns:
        h', (batch, rows, columns, filters): from zero never beyond the largest |s| so far plus 1.
    """

    def gate(role, **sides):
        total = None
        for side, value in sides.items():
            seen = parts[f"{role}_{side}_pointwise"](parts[f"{role}_{side}_depthwise"](value))
            total = seen if total is None else parts[f"{role}_{side}_sum"]([total, seen])
        return parts[role](total)

    above = parts["above"](parts["above_difference"]([s, h]))
    below = parts["below"](parts["below_difference"]([h, s]))
    filled = parts["filled_share"](parts["filled_positive"](parts["filled"](parts["positive"](h))))
    keep = parts["keep_filled"]([gate("keep", x=s, h=h, d=parts["distance"]([above, below])), filled])
    remembered = parts["reset_state"]([gate("reset", x=s, h=h), h])
    proposal = parts["proposal"]([s, gate("candidate", x=s, h=remembered)])
    if "kept" in parts:
        taken = parts["taken"]([proposal, parts["replaced"]([keep, proposal])])
        return parts["next_state"]([taken, parts["kept"]([keep, h])])
    correction = parts["correction"]([keep, parts["difference"]([proposal, h])])
    return parts["next_state"]([proposal, correction])


@keras.saving.register_keras_serializable("keras_sge")
class CorrectionGRUCell(MapCell):
    """One step of a GRU that remembers a squeezed map itself; arguments, call and result as `MapCell`'s.

    Its input has `filters` channels: the map squeezed by a linear 1x1. What corrects the map is E (h - s), E another
    1x1. The state stays within the largest |s| plus 1; untrained, the first step from zero answers its input. With 256
    filters it has 475,136 weights and 768 biases.
    """

    make_parts = staticmethod(correction_gru_parts)
    step = staticmethod(correction_gru_step)

    def build(self, input_shape):
        if len(input_shape) == 4 and input_shape[-1] != self.filters:
            raise ValueError(
                f"{type(self).__name__} expects as many input channels as it has filters, {self.filters}. Received: "
                f"input_shape={input_shape}"
            )
        super().build(input_shape)

    def _sees_input(self, role):
        # The squeezed map and the state have one shape.
        return False


@keras.saving.register_keras_serializable("keras_sge")
class CorrectionGRU2D(keras.layers.Layer):
    """A clip of feature maps f, corrected by what is remembered of them: f + E (h - S f).

    S and E are linear 1x1 convolutions between the map's channels and `filters`, h is the state of a
    `CorrectionGRUCell`. E starts at zero, so that at first nothing is corrected; after `adapt` the layer starts from
    the principal components of a network's clean features, and then holds what suddenly changes.

    Args:
        filters: channels of the squeezed map and of the state. kernel_size: of the cell's depthwise kernels.
        return_state: whether to return the last state as well.
        stateful: whether the state goes on into the next batch until `reset_state()`; needs a fixed batch size.

    Call arguments:
        clip: (batch, time, rows, columns, channels). initial_state: a state, or a list of one; zeros when left out.
        mask: bool (batch, time); a step where it is False keeps the state.

    Returns:
        A clip of the same shape; with `return_state` also the last state, (batch, rows, columns, filters).

    Example:

    >>> clip = keras.Input((10, 20, 20, 512))
    >>> CorrectionGRU2D(128)(clip).shape
    (None, 10, 20, 20, 512)
    """

    def __init__(self, filters, kernel_size=3, return_state=False, stateful=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.filters, self.kernel_size = filters, kernel_size
        self.return_state, self.stateful = return_state, stateful

    def build(self, clip_shape, initial_state_shape=None):
        if len(clip_shape) != 5:
            raise ValueError(
                f"{type(self).__name__} expects inputs of shape (batch, time, rows, columns, channels). Received: "
                f"input_shape={clip_shape}"
            )
        # A dense layer on the last axis is a 1x1 convolution of maps.
        self.squeeze = keras.layers.Dense(self.filters, dtype=self.dtype_policy, name="squeeze")
        self.restore = keras.layers.Dense(
            clip_shape[-1], use_bias=False, kernel_initializer="zeros", dtype=self.dtype_policy, name="restore"
        )
        cell = CorrectionGRUCell(self.filters, kernel_size=self.kernel_size, dtype=self.dtype_policy, name="memory")
        options = {"return_sequences": True, "return_state": True, "stateful": self.stateful}
        self.memory = RNN2D(cell, dtype=self.dtype_policy, **options)
        squeezed = (*clip_shape[:-1], self.filters)
        for layer, shape in ((self.squeeze, clip_shape), (self.memory, squeezed), (self.restore, squeezed)):
            layer.build(shape)

    def call(self, clip, initial_state=None, mask=None, training=False):
        seen = self.squeeze(clip)
        remembered, state = self.memory(seen, initial_state=initial_state, mask=mask, training=training)
        corrected = clip + self.restore(remembered - seen)
        return (corrected, state) if self.return_state else corrected

    def adapt(self, features):
        """Starts S and E from the principal components of features.

        Args:
            features: numpy array (..., channels) of clean frames, such as the clips that the layer will see.

        Returns:
            The share of the features' variance that `filters` components keep, 0 .. 1.
        """
        rows = np.asarray(features, np.float64).reshape(-1, np.shape(features)[-1])
        weights = principal_components(rows.mean(axis=0), np.cov(rows, rowvar=False), self.filters)
        self.squeeze.set_weights(weights[:2])
        self.restore.set_weights(weights[2:3])
        return weights[3]

    def reset_state(self):
        """Forgets everything; of a stateful layer."""
        self.memory.reset_state()

    def compute_output_shape(self, clip_shape, initial_state_shape=None):
        if self.return_state:
            return clip_shape, (clip_shape[0], *clip_shape[2:4], self.filters)
        return clip_shape

    def get_config(self):
        options = {name: getattr(self, name) for name in ("filters", "kernel_size", "return_state", "stateful")}
        return {**super().get_config(), **options}


def principal_components(
    mean: np.ndarray, covariance: np.ndarray, filters: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """S and E that keep the largest components of features.

    Each component is divided by the root of its standard deviation, then all by one scalar, so that their mean variance
    is 1; E is the way back. In int8 they share one scale: as they are, the small ones would be a step or two.

    Args:
        mean, covariance: of the features, (channels,) and (channels, channels). filters: how many components.

    Returns:
        The kernel (channels, filters) and the bias (filters,) of S, the kernel (filters, channels) of E, and the share
        of the variance that they keep.
    """
    variances, components = np.linalg.eigh(covariance)
    kept = np.arange(len(mean))[::-1][:filters]
    deviations = np.sqrt(np.maximum(variances[kept], 1e-6 * max(variances.max(), np.finfo(np.float32).tiny)))
    scale = np.sqrt(deviations * deviations.mean())
    squeeze, restore = components[:, kept] / scale, components[:, kept].T * scale[:, None]
    share = variances[kept].sum() / max(variances.sum(), np.finfo(np.float32).tiny)
    return squeeze, -mean @ squeeze, restore, float(share)
