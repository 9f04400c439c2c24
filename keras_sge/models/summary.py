"""Parameters and multiply-adds, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keras_sge.config import NetworkConfig
from keras_sge.models.step_model import build_step_model
from keras_sge.models.topology import layer_of, topology, weight_name


@dataclass(frozen=True)
class LayerCost:
    """One layer of the step: output shape without the batch, weights, of which biases and batch norm, MACs a frame."""

    name: str
    output: tuple[int, ...]
    params: int
    macs: int


@dataclass(frozen=True)
class ModelSummary:
    """Costs of a network.

    Attributes:
        layers: of the one-step graph, those with weights.
        params: all weights, batch norm's moving statistics included.
        temporal_params: the temporal module's kernels, biases left out, as the paper counts; a reduction, which has no
            state, is none.
        temporal_biases: what was left out.
        macs_per_frame: multiply-adds of the convolutions.
    """

    layers: tuple[LayerCost, ...]
    params: int
    temporal_params: int
    temporal_biases: int
    macs_per_frame: int


def summarize(config: NetworkConfig) -> ModelSummary:
    """Builds the one-step network of `config` and counts."""
    step = build_step_model(config)
    costs = []
    for layer in step.layers:
        if layer.weights:
            params = sum(math.prod(weight.shape) for weight in layer.weights)
            costs.append(LayerCost(layer.name, tuple(layer.output.shape[1:]), params, _macs(layer)))
    memory = topology(config).of_part("memory") if config.recurrent else set()
    temporal = [weight for weight in step.weights if layer_of(weight_name(weight)) in memory]
    biases = sum(math.prod(weight.shape) for weight in temporal if weight_name(weight).endswith("/bias"))
    return ModelSummary(
        layers=tuple(costs),
        params=sum(cost.params for cost in costs),
        temporal_params=sum(math.prod(weight.shape) for weight in temporal) - biases,
        temporal_biases=biases,
        macs_per_frame=sum(cost.macs for cost in costs),
    )


def _macs(layer) -> int:
    """Multiply-adds of a convolution: each kernel weight works once at every output position; 0 for other layers."""
    kernels = [weight for weight in layer.weights if weight_name(weight).endswith("kernel")]
    return sum(math.prod(kernel.shape) for kernel in kernels) * math.prod(layer.output.shape[1:3])
