"""What GPU delegates are known to refuse or to compute wrongly, kept by hand.

Sources: refusals and wrong numbers seen with LiteRT's WebGPU accelerator on SwiftShader, LiteRT's list of GPU
operators, and what older phone delegates refuse. A row here is added or removed with a file that shows it.
"""

from __future__ import annotations

from quantization.graph import Graph, Operator

_FLOW = "control flow stays on the CPU"
_VARIABLE = "variables stay on the CPU; carry the state through an input and an output"
_SUPPRESSION = "suppression of boxes has no GPU kernel; do it outside the file"
_OLDER = "older phone delegates refuse it"
REFUSED = {
    "WHILE": _FLOW,
    "IF": _FLOW,
    "CALL": _FLOW,
    "CALL_ONCE": _FLOW,
    "VAR_HANDLE": _VARIABLE,
    "READ_VARIABLE": _VARIABLE,
    "ASSIGN_VARIABLE": _VARIABLE,
    "NON_MAX_SUPPRESSION_V4": _SUPPRESSION,
    "NON_MAX_SUPPRESSION_V5": _SUPPRESSION,
    "TFLite_Detection_PostProcess": _SUPPRESSION,
    "L2_NORMALIZATION": "it has no GPU kernel",
    "CUMSUM": "on a negative axis it kills the process",
    "ONE_HOT": "on indices of rank 3 it gives wrong numbers",
    "SHAPE": "its result is a shape that is not known before it runs",
    "WHERE": "the shape of its result depends on values",
    "UNIQUE": "the shape of its result depends on values",
    "ROUND": _OLDER,
    "CEIL": _OLDER,
    "ARG_MAX": _OLDER,
    "ARG_MIN": _OLDER,
    "TOPK_V2": _OLDER,
    "REVERSE_V2": _OLDER,
    "REVERSE_SEQUENCE": _OLDER,
}
# fmt: off
SUPPORTED = frozenset((
    "ABS", "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "COS", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D",
    "DEQUANTIZE", "DIV", "ELU", "EXP", "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM",
    "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG", "PAD", "PADV2", "POW", "PRELU", "QUANTIZE",
    "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SIN",
    "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TILE", "TRANSPOSE", "TRANSPOSE_CONV",
))
# fmt: on
_MOST_DIMENSIONS = 4


def refusal(graph: Graph, operator: Operator) -> str | None:
    """Why a GPU delegate is known not to run an operator; None where no reason is known."""
    if operator.name in REFUSED:
        return REFUSED[operator.name]
    if operator.custom:
        return "custom operators run where their own code is, on the CPU"
    tensors = graph.read(operator) + graph.written(operator)
    for tensor in tensors:
        if tensor.variable:
            return _VARIABLE
        if tensor.dynamic:
            return f"the shape of {tensor.name} is not known before it runs"
        if len(tensor.shape) > _MOST_DIMENSIONS:
            return f"{tensor.name} has {len(tensor.shape)} dimensions; a GPU takes up to {_MOST_DIMENSIONS}"
    if operator.name == "RESHAPE" and any(not shape.constant_bytes for shape in graph.read(operator)[1:]):
        return "its new shape is computed, not constant"
    return None


def gpu_verdicts(graph: Graph) -> dict[str, str]:
    """Operator name -> `runs`, `unknown` (on neither list) or the first reason why one of that name is refused."""
    verdicts: dict[str, str] = {}
    for operator in graph.operators:
        known = "runs" if operator.name in SUPPORTED else "unknown"
        verdict = refusal(graph, operator) or known
        if verdicts.get(operator.name, known) == known:
            verdicts[operator.name] = verdict
    return verdicts
