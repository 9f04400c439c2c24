"""Which part of the network a file's bytes belong to."""

from __future__ import annotations

import re

from quantization.graph import Graph, Operator

# Layer names of keras_sge.models, wherever they stand in a tensor's name; `convolution` is no layer.
_PARTS = (
    ("top_down", r"top_down"),
    ("memory", r"memory_"),
    ("extras", r"extra\d"),
    ("heads", r"(boxes|scores)(\d|_)"),
    ("attention", r"entropy|attended"),
    ("trunk", r"conv\d"),
)
# What only hands a constant on, to the operator that works with it.
_CARRIERS = ("DEQUANTIZE", "RESHAPE", "TRANSPOSE")


def part_of(name: str) -> str | None:
    """The part that a tensor is of, by the layer that its name starts with; None for a name without a layer."""
    found = [(match.start(), part) for part, pattern in _PARTS if (match := re.search(pattern, name))]
    return min(found)[1] if found else None


def size_by_part(graph: Graph) -> dict[str, int]:
    """Bytes of the whole file: weights by part, the graph's own tables, and metadata inside and behind the flatbuffer.

    A constant is of the part that its own name says, or of the operator that reads it; shared ones count once. What
    cannot be told, as in files of others, is `weights`.
    """
    sizes: dict[str, int] = {}
    seen = set()
    ours = graph.metadata is not None
    for subgraph, tensors in enumerate(graph.tensors):
        for index, tensor in enumerate(tensors):
            if not tensor.constant_bytes or tensor.buffer in seen:
                continue
            seen.add(tensor.buffer)
            part = (ours and (part_of(tensor.name) or _part_of_reader(graph, subgraph, index))) or "weights"
            sizes[part] = sizes.get(part, 0) + tensor.constant_bytes
    metadata = graph.note_bytes + graph.file_bytes - len(graph.flatbuffer)
    tables = graph.file_bytes - metadata - sum(sizes.values())
    order = ("trunk", "attention", "memory", "top_down", "extras", "heads", "weights")
    return {part: sizes[part] for part in order if part in sizes} | {"graph": tables, "metadata": metadata}


def _part_of_reader(graph: Graph, subgraph: int, index: int) -> str | None:
    for reader in graph.readers.get((subgraph, index), ()):
        part = _part_of_result(graph, reader)
        if part:
            return part
    return None


def _part_of_result(graph: Graph, operator: Operator) -> str | None:
    part = part_of(graph.written(operator)[0].name) if operator.outputs else None
    if part is None and operator.name in _CARRIERS:
        return _part_of_reader(graph, operator.subgraph, operator.outputs[0])
    return part
