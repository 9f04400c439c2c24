"""What a weight is called in every form of a network."""

from __future__ import annotations

from typing import Any


def weight_name(weight: Any) -> str:
    """`layer/weight`, the same for a layer inside a cell and for one at the top of a model."""
    path = getattr(weight, "path", None) or weight.name.split(":")[0]
    # tf_keras calls a depthwise layer's kernel depthwise_kernel.
    return "/".join(path.split("/")[-2:]).replace("/depthwise_kernel", "/kernel")
