"""One table of a network's convolutions, made from its configuration, and the only place that makes or reads names.

The builder (`keras_sge.models.step_model.build_step_model`) asserts against it. What asks which batch norm belongs to a
convolution, which layers read a map, which are heads or the memory's asks here; no other module takes a name apart.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from keras_sge.config import NetworkConfig
from keras_sge.config.maps import FEATURE_MAPS

BATCH_NORM_EPSILON = 1e-3
MEMORY_PREFIX = "memory_"
# The 1x1 reductions: a Squeezed GRU's own, and the one of a network whose memory does not take conv13's place.
MEMORY_SQUEEZE, REDUCTION = f"{MEMORY_PREFIX}squeeze", "neck_squeeze"
# In tensor names of files, by part; the first that a name holds decides. `convolution` is no layer.
_PART_PATTERNS = {
    "top_down": r"top_down",
    "memory": MEMORY_PREFIX,
    "reduction": r"neck_",
    "extras": r"extra\d",
    "heads": r"(boxes|scores)(\d|_)",
    "attention": r"entropy|attended",
    "trunk": r"conv\d",
}
PARTS = ("trunk", "attention", "reduction", "memory", "top_down", "extras", "heads")
_GRU_GATES = ("update", "reset", "candidate")
_LSTM_GATES = ("input", "forget", "candidate", "output")


@dataclass(frozen=True)
class Convolution:
    """One convolution of the one-step network.

    Attributes:
        name: the layer's. kind: `conv` or `depthwise`.
        part: one of `PARTS`. group: `conv13` (a block of the trunk), `extra1`, `boxes`, `scores`, `memory`, ...
        reads, makes: names of maps. `image`; `conv1` .. `conv14`; `reduction` and `memory`, the reduced and the
            remembered conv13; `feature_map1` ..; `state`; and of steps within a block, the layer's own name. What is
            added to a map makes that map.
        norm: the name of the batch norm behind it, None where it has a bias or nothing.
    """

    name: str
    kind: str
    part: str
    group: str
    reads: str
    makes: str
    norm: str | None = None


class Topology:
    """The convolutions of one network by name, in the order of the graph; see `Convolution`.

    Args:
        config: the network.
    """

    def __init__(self, config: NetworkConfig):
        memory = [row for place in config.memory.places for row in _memory(config, place)] if config.memory else []
        reduction = [Convolution(REDUCTION, "conv", "reduction", "reduction", "conv13", "reduction")]
        between = (reduction if config.reduction else []) + memory
        rows = (*_trunk(config), *between, *_top_down(config), *_extras(config), *_heads(config))
        self._rows = {row.name: row for row in rows}

    def __iter__(self) -> Iterator[Convolution]:
        return iter(self._rows.values())

    def __getitem__(self, name: str) -> Convolution:
        return self._rows[name]

    @property
    def layers(self) -> set[str]:
        """Names of all layers with weights."""
        return self.with_norms(self._rows)

    def with_norms(self, names: Iterable[str]) -> set[str]:
        """The convolutions of these names and their batch norms."""
        names = set(names)
        return names | {row.norm for row in self if row.name in names and row.norm}

    def of_part(self, part: str) -> set[str]:
        """Names of a part's layers with weights; see `PARTS`."""
        return self.with_norms(row.name for row in self if row.part == part)

    def of_group(self, group: str) -> set[str]:
        """Names of a group's layers with weights; see `Convolution`."""
        return self.with_norms(row.name for row in self if row.group == group)

    def heads(self, group: str) -> list[Convolution]:
        """The convolutions that give the answers: those of `boxes` or of `scores`, finest map first."""
        return [row for row in self if row.part == "heads" and row.group == group and row.kind == "conv"]

    def readers(self, map_name: str) -> set[str]:
        """Names of the convolutions that read a map."""
        return {row.name for row in self if row.reads == map_name}

    def widened_by(self, map_name: str) -> set[str]:
        """Names of all layers whose weights grow with a map's channels: its readers, and what is behind depthwise
        ones."""
        readers = self.readers(map_name)
        behind = [self.readers(self[name].makes) for name in readers if self[name].kind == "depthwise"]
        depthwise = {name for name in readers if self[name].kind == "depthwise"}
        return readers.union(*behind) | self.with_norms(depthwise)

    def frozen(self, until: str | None) -> set[str]:
        """Names of the trunk's layers up to a block, such as `conv6`; None for none."""
        if until is None:
            return set()
        last = block_number(until)
        return self.with_norms(row.name for row in self if row.part == "trunk" and block_number(row.group) <= last)

    def norms(self, part: str) -> set[str]:
        """Names of a part's batch norms."""
        return {row.norm for row in self if row.part == part and row.norm}

    def check(self, layers: Iterable[Any]) -> None:
        """AssertionError unless these are the table's layers, in kind too.

        Args:
            layers: a step model's, of `keras` or `tf_keras`; those without weights do not count.
        """
        built = {layer.name for layer in layers if layer.weights}
        expected = self.layers if any(name in built for name in self.norms("trunk")) else set(self._rows)
        assert built == expected, f"the network and its topology differ in {sorted(built ^ expected)[:8]}"
        for layer in layers:
            if layer.name in self._rows:
                kind = "depthwise" if "Depthwise" in type(layer).__name__ else "conv"
                assert kind == self[layer.name].kind, f"{layer.name} is a {kind}, the topology says otherwise"


@functools.lru_cache(maxsize=64)
def topology(config: NetworkConfig) -> Topology:
    """The table of a network."""
    return Topology(config)


def norm_name(convolution: str) -> str:
    """The batch norm behind a convolution."""
    return f"{convolution}_bn"


def block_name(number: int, half: str = "pointwise") -> str:
    """The convolution of one of the trunk's blocks: `conv1`, and from 2 on `depthwise` or `pointwise`."""
    return "conv1" if number == 1 else f"conv{number}_{half}"


def block_number(name: str) -> int:
    """6 for the trunk's block `conv6`."""
    return int(name.removeprefix("conv"))


def finished_map(config: NetworkConfig) -> str:
    """The trunk's last map, or what stands for conv13 behind memory or reduction."""
    if config.memory is not None and config.memory.replaces_conv13:
        return "memory"
    return config.last_block if config.reduction is None else "reduction"


def memory_prefix(config: NetworkConfig, place: str) -> str:
    """What the names of the layers of the memory's cell at `place` begin with; `memory_` where it is the only one."""
    return MEMORY_PREFIX if len(config.memory.places) == 1 else f"{MEMORY_PREFIX}{place}_"


def state_layer(state: str, role: str = "next_state") -> str:
    """The layer of a role in a state's cell: `memory_next_state`, of `state_conv12` `memory_conv12_next_state`."""
    place = state.removeprefix("state").removeprefix("_")
    return MEMORY_PREFIX + (f"{place}_{role}" if place else role)


def detection_maps(config: NetworkConfig) -> tuple[str, ...]:
    """The maps that the heads read, finest first."""
    finer = ("conv6",) if config.finer_map else ()
    return (*finer, "conv12", finished_map(config), *FEATURE_MAPS[: len(config.extras)])


def weight_name(weight: Any) -> str:
    """`layer/weight`, the same for a layer inside a cell and for one at the top of a model, Keras or tf_keras."""
    path = getattr(weight, "path", None) or weight.name.split(":")[0]
    # tf_keras calls a depthwise layer's kernel depthwise_kernel.
    return "/".join(path.split("/")[-2:]).replace("/depthwise_kernel", "/kernel")


def layer_of(weight: str) -> str:
    """The layer of a weight's name `layer/weight`."""
    return weight.partition("/")[0]


def part_of(tensor: str) -> str | None:
    """The part that a file's tensor belongs to, by the layer that its name starts with; None without a layer."""
    found = [(match.start(), part) for part, pattern in _PART_PATTERNS.items() if (match := re.search(pattern, tensor))]
    return min(found)[1] if found else None


def layer_of_tensor(tensor: str) -> str:
    """The layer in a file's tensor name: `net_1/net_1/quant_conv2_relu_1/Relu6;...` is `conv2`.

    Batch norm and activation are the converter's to fuse, so a layer goes by the name that all three have in common.
    """
    names = tensor.split(";")[0].split("/")
    layer = next((name for name in names if part_of(name)), names[0])
    return re.sub(r"^quant_|(_bn|_relu)?(_\d+)?$", "", layer)


def _normed(name: str, kind: str, part: str, group: str, reads: str, makes: str) -> Convolution:
    return Convolution(name, kind, part, group, reads, makes, norm_name(name))


def _trunk(config: NetworkConfig) -> Iterator[Convolution]:
    yield _normed("conv1", "conv", "trunk", "conv1", "image", "conv1")
    for number in range(2, 1 + block_number(config.last_block)):
        block, first, second = f"conv{number}", block_name(number, "depthwise"), block_name(number)
        yield _normed(first, "depthwise", "trunk", block, f"conv{number - 1}", first)
        yield _normed(second, "conv", "trunk", block, first, block)


def _memory(config: NetworkConfig, place: str) -> Iterator[Convolution]:
    memory, prefix = config.memory, memory_prefix(config, place)

    def row(role: str, reads: str, makes: str | None = None) -> Convolution:
        name, kind = prefix + role, "depthwise" if role.endswith("depthwise") else "conv"
        return Convolution(name, kind, "memory", "memory", reads, makes or name)

    if memory.kind == "reduction":
        yield row("squeeze", place, "memory")
        return
    ends = {"x": place, "h": "state"}
    if memory.kind == "correction_gru" or (memory.kind == "squeezed_gru" and memory.squeeze == "input"):
        yield row("squeeze", place)
        ends["x"] = f"{prefix}squeeze"
    for role, reads in _memory_roles(config):
        yield row(role, ends.get(reads, prefix + reads))
    if not memory.replaces_conv13:
        yield row("restore", "memory", place)


def _memory_roles(config: NetworkConfig) -> Iterator[tuple[str, str]]:
    """A cell's convolutions and what each reads: `x`, the map; `h`, the state; or the result of another role."""
    kind, sides = config.memory.kind, ("x", "h")
    if kind == "conv_gru":
        yield from ((f"{gate}_{side}", side) for gate in _GRU_GATES for side in sides)
    elif kind == "bottleneck_lstm":
        for side in sides:
            yield f"bottleneck_{side}_depthwise", side
            yield f"bottleneck_{side}_pointwise", f"bottleneck_{side}_depthwise"
        yield "gates_depthwise", "bottleneck"
        yield from ((f"{gate}_pointwise", "gates_depthwise") for gate in _LSTM_GATES)
    elif kind == "correction_gru":
        for gate, seen in (("keep", (*sides, "distance")), ("reset", sides), ("candidate", sides)):
            for side in seen:
                yield f"{gate}_{side[0]}_depthwise", side
                yield f"{gate}_{side[0]}_pointwise", f"{gate}_{side[0]}_depthwise"
        yield "filled", "h"
    else:
        # Gates with a 1x1 of their own share their depthwise convolutions; a GRU's candidate sees another state.
        shared = {"lstm": _LSTM_GATES, "gru": _GRU_GATES[:2]}.get(kind, ())
        if kind == "squeezed_gru" and config.memory.squeeze == "gate":
            shared = _GRU_GATES[:2]
        gates = _LSTM_GATES if kind == "lstm" else _GRU_GATES
        depthwise = {gate: "gates" if gate in shared else gate for gate in gates}
        yield from (
            (f"{first}_{side}_depthwise", side) for first in dict.fromkeys(depthwise.values()) for side in sides
        )
        for gate, first in depthwise.items():
            yield from ((f"{gate}_{side}_pointwise", f"{first}_{side}_depthwise") for side in sides)


def _top_down(config: NetworkConfig) -> Iterator[Convolution]:
    if config.top_down:
        yield Convolution("top_down_pointwise", "conv", "top_down", "top_down", finished_map(config), "conv12")


def _extras(config: NetworkConfig) -> Iterator[Convolution]:
    reads = finished_map(config)
    for number, made in enumerate(FEATURE_MAPS[: len(config.extras)], start=1):
        group, reduce, depthwise = f"extra{number}", f"extra{number}_reduce", f"extra{number}_depthwise"
        yield _normed(reduce, "conv", "extras", group, reads, reduce)
        if config.extras_kind == "conv3x3":
            yield _normed(f"{group}_conv", "conv", "extras", group, reduce, made)
        else:
            yield _normed(depthwise, "depthwise", "extras", group, reduce, depthwise)
            yield _normed(f"{group}_pointwise", "conv", "extras", group, depthwise, made)
        reads = made


def _heads(config: NetworkConfig) -> Iterator[Convolution]:
    for group in ("boxes", "scores"):
        for number, read in enumerate(detection_maps(config), start=1):
            depthwise, pointwise = f"{group}{number}_depthwise", f"{group}{number}_pointwise"
            if config.heads.kind == "separable":
                yield _normed(depthwise, "depthwise", "heads", group, read, depthwise)
                read = depthwise
            yield Convolution(pointwise, "conv", "heads", group, read, pointwise)
