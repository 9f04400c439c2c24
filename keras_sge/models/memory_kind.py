"""The temporal modules that a configuration can name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras_sge.layers.bottleneck_lstm_cell import BottleneckLSTMCell
from keras_sge.layers.conv_gru_cell import ConvGRUCell
from keras_sge.layers.map_cell import MapCell
from keras_sge.layers.separable_gru_cell import SeparableGRUCell
from keras_sge.layers.separable_lstm_cell import SeparableLSTMCell
from keras_sge.layers.squeezed_gru_step import squeezed_gru_parts, squeezed_gru_step


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
    "neck": MemoryKind(squeezed_gru_parts, squeezed_gru_step, ()),
    "lstm": _of_cell(SeparableLSTMCell),
    "gru": _of_cell(SeparableGRUCell),
    "conv_gru": _of_cell(ConvGRUCell),
    "bottleneck_lstm": _of_cell(BottleneckLSTMCell),
}
