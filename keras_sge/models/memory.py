"""The temporal modules that a configuration can name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_sge.config import NetworkConfig
from keras_sge.layers import RNN2D, SqueezedGRU2D
from keras_sge.layers.bottleneck_lstm import BottleneckLSTMCell
from keras_sge.layers.cells import MapCell
from keras_sge.layers.conv_gru import ConvGRUCell
from keras_sge.layers.correction_gru import CorrectionGRUCell, principal_components
from keras_sge.layers.gru import SeparableGRUCell
from keras_sge.layers.lstm import SeparableLSTMCell
from keras_sge.layers.squeezed_gru import squeezed_gru_parts, squeezed_gru_step
from keras_sge.models.mobilenet_v1 import scaled
from keras_sge.models.topology import layer_of, memory_prefix, topology, weight_name


@dataclass(frozen=True)
class MemoryKind:
    """How one kind of memory is built.

    Attributes:
        parts, step: its maths, see `keras_sge.layers.*_step`. cell: of its clip layer, `RNN2D`; None for the Squeezed
            GRU, whose layer is `SqueezedGRU2D`.
        states: names of its states in a step model; the new ones have `next_` in front. The first is what it answers.
    """

    parts: Callable[..., dict[str, Any]]
    step: Callable[..., Any]
    states: tuple[str, ...]
    cell: type[MapCell] | None = None


def _of_cell(cell: type[MapCell]) -> MemoryKind:
    states = ("state",) if cell.number_of_states == 1 else ("state_h", "state_c")
    return MemoryKind(cell.make_parts, cell.step, states, cell)


MEMORY_KINDS = {
    "squeezed_gru": MemoryKind(squeezed_gru_parts, squeezed_gru_step, ("state",)),
    "reduction": MemoryKind(squeezed_gru_parts, squeezed_gru_step, ()),
    "lstm": _of_cell(SeparableLSTMCell),
    "gru": _of_cell(SeparableGRUCell),
    "conv_gru": _of_cell(ConvGRUCell),
    "bottleneck_lstm": _of_cell(BottleneckLSTMCell),
    "correction_gru": _of_cell(CorrectionGRUCell),
}


def memory_states(config: NetworkConfig, place: str) -> tuple[str, ...]:
    """Names in the step model of the states of the cell at `place`: `state`, of several cells `state_conv12`; none of a
    reduction."""
    names = MEMORY_KINDS[config.memory.kind].states
    return names if len(config.memory.places) == 1 else tuple(f"{name}_{place}" for name in names)


def memory_layer(config: NetworkConfig, place: str, unroll: bool) -> RNN2D:
    """The layer that returns every step's output and the last states; its weights' names are the step model's.

    Args:
        config: a recurrent network. place: one of `config.memory.places`. unroll: whether the loop is written out, for
            clips of a known length.
    """
    memory, filters, prefix = config.memory, memory_filters(config, place), memory_prefix(config, place)
    options = {"return_sequences": True, "return_state": True, "unroll": unroll, "name": f"{prefix}over_time"}
    if memory.kind == "squeezed_gru":
        return SqueezedGRU2D(
            filters,
            squeeze=memory.squeeze,
            squeeze_activation=memory.squeeze_activation,
            cell_name=prefix.rstrip("_"),
            **options,
        )
    return RNN2D(MEMORY_KINDS[memory.kind].cell(filters, name=prefix.rstrip("_")), **options)


# Biases of gates in a new memory. A GRU's update gate opens to .88: most of what it sees goes on.
_OPEN_GATE = 2.0
_LSTM_GATES = {"input": 3.0, "forget": -1.0, "output": 3.0}
# An LSTM's answer has two tanh in a row, .95 tanh(1.3 tanh(u)) with these gates. With u scaled by the first number and
# the answer by the second, it is within .03 of tanh(u).
_LSTM_CANDIDATE, LSTM_ANSWER = 0.66, 1.22
_BOTTLENECK_GATES = {"input": 2.0, "forget": -2.0, "output": 3.0}
# Features of the trunk reach 6: at their first size the gates' kernels would say more than their biases.
_QUIET = 0.1

Weights = dict[str, np.ndarray]


def memory_filters(config: NetworkConfig, place: str) -> int:
    """Hidden channels at `place`: alpha times the configured number; at most the map's channels, but where the output
    takes conv13's place."""
    memory = config.memory
    limit = memory.filters if memory.replaces_conv13 else config.channels_of(place)
    return scaled(min(memory.filters, limit), config.alpha)


def memory_parts(layers: Any, config: NetworkConfig, place: str, update: str = "subtract") -> dict[str, Any]:
    """The parts of the one-step graph's cell at `place`, see `keras_sge.layers`; a reduction is only the 1x1.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. config: a network with a memory. place: one of
            `config.memory.places`. update: a GRU's update's form.
    """
    memory, options = config.memory, {}
    if memory.kind in ("squeezed_gru", "reduction"):
        options = {"squeeze": memory.squeeze, "squeeze_activation": memory.squeeze_activation}
    return MEMORY_KINDS[memory.kind].parts(
        layers, memory_filters(config, place), prefix=memory_prefix(config, place), update=update, **options
    )


def pass_through_weights(
    model: keras.Model, reduction: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Weights, by `layer/weight`, with which a memory hands its input on, much as its single-frame twin does.

    A memory that joins a trained detector so starts where the detector stands, and learns what to keep from there. A
    Squeezed GRU hands its own reduced input on; the others have a candidate that is the reduction's tanh(1x1(x)) in
    their first channels, and more channels of their own beyond; an LSTM's answer is to be multiplied with `LSTM_ANSWER`
    in what reads it. A Bottleneck-LSTM's states are not negative, so it hands on the positive half only: where it
    starts, its twin is not.

    Args:
        model: a clip or step model with a memory.
        reduction: kernel (channels, n) and bias (n,) of the 1x1 that the layers behind were trained with; None takes
            x's first channels as they are. A Squeezed GRU that squeezes at its input needs none.
    """
    config = model.config
    values = {weight_name(w): keras.ops.convert_to_numpy(w) for w in model.weights}
    memory = topology(config).of_part("memory")
    values = {name: value for name, value in values.items() if layer_of(name) in memory}
    if config.memory.kind == "squeezed_gru" and config.memory.squeeze == "input":
        filters = memory_filters(config, config.memory.attach_to)
        # A linear reduction is not bounded, as a tanh is.
        unbounded = config.memory.squeeze_activation == "linear"
        return {
            **(_gates(values, {"update": _OPEN_GATE}, "_x_pointwise") if unbounded else {}),
            "memory_candidate_x_depthwise/kernel": _center(values["memory_candidate_x_depthwise/kernel"]),
            "memory_candidate_x_pointwise/kernel": np.eye(filters, dtype=np.float32)[None, None],
            "memory_candidate_h_pointwise/kernel": np.zeros((1, 1, filters, filters), np.float32),
            "memory_update_x_pointwise/bias": np.full(filters, _OPEN_GATE, np.float32),
        }
    return _PASS_THROUGH[config.memory.kind](values, reduction)


def correction_weights(
    model: keras.Model, place: str, mean: np.ndarray, covariance: np.ndarray
) -> tuple[Weights, float]:
    """First weights, by `layer/weight`, of a correction GRU: its squeeze S keeps the principal components of the map.

    See `principal_components`. The keep gate hardly sees anything yet: its bias decides.

    Args:
        model: a clip or step model. place: one of `config.memory.places`.
        mean, covariance: of the map's features, (channels,) and (channels, channels).

    Returns:
        The weights, and the share of the features' variance that the components keep.
    """
    config, prefix = model.config, memory_prefix(model.config, place)
    squeeze, bias, restore, share = principal_components(mean, covariance, memory_filters(config, place))
    weights = {
        f"{prefix}squeeze/kernel": squeeze[None, None],
        f"{prefix}squeeze/bias": bias,
        f"{prefix}restore/kernel": restore[None, None],
    }
    for weight in model.weights:
        name = weight_name(weight)
        if name.startswith(f"{prefix}keep_") and name.endswith("_pointwise/kernel"):
            weights[name] = _QUIET * keras.ops.convert_to_numpy(weight)
    return {name: value.astype(np.float32) for name, value in weights.items()}, share


def _separable_gru(values: Weights, reduction: tuple[np.ndarray, np.ndarray] | None) -> Weights:
    return {
        **_candidate(values, "candidate_x_pointwise", reduction),
        "memory_candidate_x_depthwise/kernel": _center(values["memory_candidate_x_depthwise/kernel"]),
        "memory_candidate_h_pointwise/kernel": 0 * values["memory_candidate_h_pointwise/kernel"],
        **_gates(values, {"update": _OPEN_GATE}, "_x_pointwise"),
    }


def _conv_gru(values: Weights, reduction: tuple[np.ndarray, np.ndarray] | None) -> Weights:
    return {
        **_candidate(values, "candidate_x", reduction),
        "memory_candidate_h/kernel": 0 * values["memory_candidate_h/kernel"],
        **_gates(values, {"update": _OPEN_GATE}, "_x"),
    }


def _lstm(values: Weights, reduction: tuple[np.ndarray, np.ndarray] | None) -> Weights:
    return {
        **_candidate(values, "candidate_x_pointwise", reduction, _LSTM_CANDIDATE),
        "memory_gates_x_depthwise/kernel": _center(values["memory_gates_x_depthwise/kernel"]),
        "memory_candidate_h_pointwise/kernel": 0 * values["memory_candidate_h_pointwise/kernel"],
        **_gates(values, _LSTM_GATES, "_x_pointwise"),
    }


def _bottleneck_lstm(values: Weights, reduction: tuple[np.ndarray, np.ndarray] | None) -> Weights:
    filters = values["memory_candidate_pointwise/kernel"].shape[-1]
    return {
        **_candidate(values, "bottleneck_x_pointwise", reduction),
        "memory_bottleneck_x_depthwise/kernel": _center(values["memory_bottleneck_x_depthwise/kernel"]),
        "memory_bottleneck_h_pointwise/kernel": 0 * values["memory_bottleneck_h_pointwise/kernel"],
        "memory_gates_depthwise/kernel": _center(values["memory_gates_depthwise/kernel"]),
        "memory_candidate_pointwise/kernel": np.eye(filters, dtype=np.float32)[None, None],
        **_gates(values, _BOTTLENECK_GATES, "_pointwise"),
    }


_PASS_THROUGH: dict[str, Callable[..., Weights]] = {
    "squeezed_gru": _separable_gru,
    "gru": _separable_gru,
    "conv_gru": _conv_gru,
    "lstm": _lstm,
    "bottleneck_lstm": _bottleneck_lstm,
}


def _candidate(
    values: Weights, role: str, reduction: tuple[np.ndarray, np.ndarray] | None, scale: float = 1.0
) -> Weights:
    """The convolution of x whose first channels are `scale` times the reduction; the others stay as they are."""
    kernel, bias = (values[f"memory_{role}/{part}"].copy() for part in ("kernel", "bias"))
    inputs, outputs = kernel.shape[2:]
    if reduction is None:
        size = min(inputs, outputs)
        reduction = np.eye(inputs, size, dtype=np.float32), np.zeros(size, np.float32)
    count = min(outputs, reduction[0].shape[1])
    kernel[..., :count] = 0
    middle = kernel.shape[0] // 2
    kernel[middle, middle, :, :count] = scale * reduction[0][:, :count]
    bias[:count] = scale * reduction[1][:count]
    return {f"memory_{role}/kernel": kernel, f"memory_{role}/bias": bias}


def _gates(values: Weights, biases: dict[str, float], suffix: str) -> Weights:
    """The gates at the given biases, whatever they see."""
    result = {}
    for gate, bias in biases.items():
        name = f"memory_{gate}{suffix}"
        result[f"{name}/bias"] = np.full_like(values[f"{name}/bias"], bias)
        result[f"{name}/kernel"] = _QUIET * values[f"{name}/kernel"]
    return result


def _center(kernel: np.ndarray) -> np.ndarray:
    """A depthwise kernel of this shape that changes nothing."""
    center = np.zeros_like(kernel)
    center[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
    return center
