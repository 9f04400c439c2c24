"""The paper's tables: their rows, and the network of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge.errors import InputError
from keras_sge.config import EntropyConfig, MemoryConfig, NetworkConfig, ReductionConfig

Change = Callable[[NetworkConfig], NetworkConfig]
# SSD's step from one map's boxes to the next's, as a share of the input's side.
_STEP = 0.15


def with_memory(kind: str, filters: int = 256, **options: Any) -> Change:
    """A memory on conv13 instead of the reduction.

    A Squeezed GRU squeezes linearly, as the paper's does: its candidate, tanh of the squeezed input, is then at first
    what the reduction's tanh was.
    """
    return lambda network: dataclasses.replace(network, memory=MemoryConfig(kind, filters, **options))


def with_memory_at(attach_to: str | tuple[str, ...], kind: str = "squeezed_gru") -> Change:
    """A memory attached to a map or several; where it does not replace conv13 a reduction stays beside it."""

    def change(network):
        reduction = network.memory and ReductionConfig(network.memory.filters, network.memory.squeeze_activation)
        memory = MemoryConfig(kind, attach_to=attach_to)
        return dataclasses.replace(network, memory=memory, reduction=None if memory.replaces_conv13 else reduction)

    return change


def with_entropy(attach_to: str = "conv13", gain: int = 1) -> Change:
    """The entropy attention on a map."""
    return lambda network: dataclasses.replace(network, entropy=EntropyConfig(attach_to=attach_to, gain=gain))


def with_top_down(network: NetworkConfig) -> NetworkConfig:
    """The memory's map added to conv12's."""
    return dataclasses.replace(network, top_down=True)


def with_four_feature_maps(network: NetworkConfig) -> NetworkConfig:
    """SSD's four extra maps, as many as the paper's network has; for a smaller one the missing ones are new.

    They have half the first one's channels, as in the paper, and squares of up to 0.15 of the input's side more each.
    """
    missing = 4 - len(network.extras)
    if missing <= 0:
        return network
    first = network.extras[0] if network.extras else (256, 512)
    halves = (max(1, first[0] // 2), max(1, first[1] // 2))
    step = _STEP * max(network.input_size)
    sizes = network.anchors.sizes + tuple(network.anchors.sizes[-1] + step * (k + 1) for k in range(missing))
    return dataclasses.replace(
        network,
        extras=(*network.extras, *[halves] * missing),
        anchors=dataclasses.replace(network.anchors, sizes=sizes),
    )


def chain(*changes: Change) -> Change:
    """One change after the other."""

    def change(network):
        for one in changes:
            network = one(network)
        return network

    return change


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


_TABLE1_SQUEEZED = with_memory("squeezed_gru")


def _printed(map50: float, macs: float, millions: float | None = None) -> dict[str, Any]:
    temporal = {} if millions is None else {"temporal_params": millions * 1e6}
    return {"map50": map50 / 100, **temporal, "macs_per_clip": macs * 1e9}


BASELINE = "MNet-SSD"
_TABLE1_ROWS = (
    Row(BASELINE, printed=_printed(43.1, 11.59)),
    Row("MNet-SSD, hold", of=BASELINE, run={"rival": "hold"}, ours=True),
    Row("MNet-SSD, scores averaged by clip", of=BASELINE, run={"rival": "clip"}, ours=True),
    Row("MNet-SSD, scores averaged by track", of=BASELINE, run={"rival": "track"}, ours=True),
    Row("LSTM", with_memory("lstm", 1024), _printed(46.3, 41.06, 8.41)),
    Row("GRU", with_memory("gru", 1024), _printed(46.5, 35.51, 6.33)),
    Row("ConvGRU", with_memory("conv_gru"), _printed(46.9, 24.16, 29.49)),
    Row("Bottleneck-LSTM", with_memory("bottleneck_lstm"), ours=True),
    Row("Squeezed GRU", _TABLE1_SQUEEZED, _printed(45.7, 12.18, 0.67)),
    Row("Squeezed GRU, hold", of="Squeezed GRU", run={"rival": "hold"}, ours=True),
    Row("Squeezed GRU, reset every frame", of="Squeezed GRU", run={"reset_every_frame": True}, ours=True),
    Row("Squeezed GRU, equations 5-7", with_memory("squeezed_gru", squeeze="gate"), ours=True),
    Row("Squeezed GRU + IE map", chain(_TABLE1_SQUEEZED, with_entropy()), _printed(46.8, 13.98, 0.67)),
    Row("Squeezed GRU + IE map, mean-keeping", chain(_TABLE1_SQUEEZED, with_entropy(gain=2)), ours=True),
    Row("Squeezed GRU, top-down", chain(_TABLE1_SQUEEZED, with_top_down), ours=True),
    Row("Correction GRU, two maps", with_memory_at(("conv12", "conv13"), "correction_gru"), ours=True),
    Row("Correction GRU, hold", of="Correction GRU, two maps", run={"rival": "hold"}, ours=True),
)


MAP_NAMES = {
    "conv3": "Conv-3",
    "conv4": "Conv-4",
    "conv12": "Conv-12",
    "conv13": "Conv-13",
    **{f"feature_map{number}": f"Feature Map-{number}" for number in range(1, 5)},
}
_TABLE2_PRINTED = dict(zip(MAP_NAMES, (42.5, 43.4, 44.8, 45.7, 45.2, 44.6, 45.2, 44.9), strict=True))

_TABLE2_ROWS = (
    Row("None", with_four_feature_maps, {"map50": 0.431}),
    *(
        Row(name, chain(with_four_feature_maps, with_memory_at(attach_to)), {"map50": _TABLE2_PRINTED[attach_to] / 100})
        for attach_to, name in MAP_NAMES.items()
    ),
)


_TABLE3_PRINTED = dict(zip(MAP_NAMES, (43.2, 44.3, 45.5, 46.8, 45.5, 45.1, 45.3, 45.7), strict=True))
_TABLE3_SQUEEZED = chain(with_four_feature_maps, with_memory("squeezed_gru"))

_TABLE3_ROWS = (
    Row("None", _TABLE3_SQUEEZED, {"map50": 0.457}),
    *(
        Row(name, chain(_TABLE3_SQUEEZED, with_entropy(attach_to)), {"map50": _TABLE3_PRINTED[attach_to] / 100})
        for attach_to, name in MAP_NAMES.items()
    ),
)


@dataclass(frozen=True)
class Table:
    """A table: its title and its rows; the first is what latency is relative to."""

    title: str
    rows: tuple[Row, ...]

    def chosen(self, names: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows of these names, in the table's order, all for none; with them the rows that they are made of.

        Raises:
            InputError: a name that is none of the table's.
        """
        known = {row.name: row for row in self.rows}
        for name in names:
            if name not in known:
                raise InputError(f"this table has no row {name!r}. Its rows: {'; '.join(known)}.")
        wanted = set(names or known)
        wanted |= {of for name in wanted if (of := known[name].of) is not None}
        return tuple(row for row in self.rows if row.name in wanted)


TABLES = {
    "table1": Table("Table 1: temporal modules", _TABLE1_ROWS),
    "table2": Table("Table 2: placement of the Squeezed GRU", _TABLE2_ROWS),
    "table3": Table("Table 3: placement of the entropy map, with the Squeezed GRU on Conv-13", _TABLE3_ROWS),
}
