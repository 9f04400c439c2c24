"""One row of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keras_sge.config import NetworkConfig


def unchanged(network: NetworkConfig) -> NetworkConfig:
    """The single-frame network as it is."""
    return network


@dataclass(frozen=True)
class Row:
    """What a row of a table stands for.

    Attributes:
        name: as the table calls it; unique in it.
        change: from the shared single-frame network to the row's.
        printed: the paper's figures: `map50` (a fraction, on ImageNet VID), `temporal_params`, `macs_per_clip`.
        of: name of the row whose network this one only runs in another way; None for a network of its own.
        run: how, arguments of `keras_sge.evaluation.Protocol`.
        ours: not in the paper's table.
    """

    name: str
    change: Callable[[NetworkConfig], NetworkConfig] = unchanged
    printed: dict[str, float] = field(default_factory=dict)
    of: str | None = None
    run: dict[str, Any] = field(default_factory=dict)
    ours: bool = False

    @property
    def folder(self) -> str:
        """The name as that of a folder."""
        kept = "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())
        return "_".join(part for part in kept.split("_") if part)
