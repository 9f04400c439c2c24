"""The checks of `sge inspect`: each puts one question to a file and gives its verdict with the reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.errors import InputError
from edge.metadata import StateTensor
from quantization.contract import check_state_contract
from quantization.graph import CONTROL_FLOW, VARIABLES, Graph, Operator
from quantization.inspection.gpu import gpu_verdicts

PASSED, FAILED, WARNED, SKIPPED = "passed", "FAILED", "warning", "skipped"
_SCALE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Check:
    """The answer to one question.

    Attributes:
        name: of the check.
        verdict: `passed`, `FAILED`, `warning` or `skipped`.
        reasons: for people; none where it passed.
    """

    name: str
    verdict: str
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, reasons: list[str]) -> Check:
        """Failed for these reasons, or passed where there are none."""
        return cls(name, FAILED if reasons else PASSED, tuple(reasons))


def one_step_check(graph: Graph) -> Check:
    """A deployed file is one time step of static shapes from builtin operators, and remembers nothing itself."""
    reasons = []
    for operator in graph.operators:
        if operator.custom:
            reasons.append(f"{operator.name} is no builtin operator")
        elif operator.name in CONTROL_FLOW:
            reasons.append(f"{operator.name} is control flow")
        elif operator.name in VARIABLES:
            reasons.append(f"{operator.name} works on a variable")
    for tensors in graph.tensors:
        reasons += [f"{tensor.name} is a variable" for tensor in tensors if tensor.variable]
    for operator in graph.operators:
        dynamic = [tensor.name for tensor in graph.written(operator) if tensor.dynamic]
        reasons += [f"{operator.name} makes {name}, whose shape is not static" for name in dynamic]
    inputs = [graph.tensors[0][index] for index in graph.inputs.values()]
    reasons += [f"the input {tensor.name} has no static shape" for tensor in inputs if tensor.dynamic]
    return Check.of("one static step of builtin operators", list(dict.fromkeys(reasons)))


def integer_check(graph: Graph) -> Check:
    """What `sge export` asks of an int8 file: integers from input to output, states at their fixed scale."""
    name = "int8 throughout, fixed scales"
    if graph.metadata is None or graph.metadata.precision != "int8":
        return Check(name, SKIPPED, ("not an int8 file of this package",))
    try:
        check_state_contract(graph.flatbuffer, graph.metadata)
    except InputError as error:
        return Check.of(name, [str(error)])
    except KeyError as error:
        return Check.of(name, [f"the file has no tensor {error}"])
    return Check(name, PASSED)


def read_again_check(graph: Graph) -> Check:
    """An ADD that makes an output and is read again: some phone GPUs return one of its operands (LiteRT issue 8599)."""
    title = "outputs that are read again"
    if graph.integer:
        return Check(title, SKIPPED, ("a file with integers, which is not meant for GPUs",))
    reasons = []
    for name, index in graph.outputs.items():
        makers = [operator for operator in graph.operators if operator.subgraph == 0 and index in operator.outputs]
        if makers and makers[0].name == "ADD" and graph.readers.get((0, index)):
            reasons.append(
                f"{name} is made by ADD and read again: some phone GPUs return one operand (LiteRT issue 8599); "
                "end the update in SUB for GPU files"
            )
    return Check(title, WARNED if reasons else PASSED, tuple(reasons))


def state_check(graph: Graph) -> Check:
    """Both ends of each state agree with each other and with the metadata, and a fresh state means zero."""
    name = "state contract"
    if graph.metadata is None:
        return Check(name, SKIPPED, ("the file holds no metadata of this package",))
    if not graph.metadata.states:
        return Check(name, SKIPPED, ("the network has no memory",))
    return Check.of(name, [reason for state in graph.metadata.states for reason in _state_faults(graph, state)])


def _state_faults(graph: Graph, state: StateTensor) -> list[str]:
    missing = [end for end in (state.input,) if end not in graph.inputs]
    missing += [end for end in (state.output,) if end not in graph.outputs]
    if missing:
        return [f"the file has no tensor {' and no tensor '.join(missing)}"]
    reasons = []
    first, last = graph.tensors[0][graph.inputs[state.input]], graph.tensors[0][graph.outputs[state.output]]
    wanted = (state.shape, state.dtype, state.zero_point)
    for end, tensor in ((state.input, first), (state.output, last)):
        received = (tensor.shape, tensor.dtype, tensor.zero_point)
        if received != wanted or not _same_scale(tensor.scale, state.scale):
            reasons.append(
                f"{end} has shape, dtype, zero point, scale {(*received, tensor.scale)}, the metadata says "
                f"{(*wanted, state.scale)}"
            )
    if not _same_scale(first.scale, last.scale) or first.zero_point != last.zero_point:
        reasons.append(f"the two ends of {state.input} differ in scale or zero point: its bytes cannot go back")
    if state.reset != state.zero_point:
        reasons.append(f"a fresh {state.input} of {state.reset:g} is not the value zero, {state.zero_point}")
    return reasons


def _same_scale(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=_SCALE_TOLERANCE)


def gpu_list_check(graph: Graph) -> Check:
    """No operator is on the list of those that GPU delegates refuse."""
    verdicts = gpu_verdicts(graph)
    refused = [f"{name}: {verdict}" for name, verdict in verdicts.items() if verdict not in ("runs", "unknown")]
    unknown = [f"{name} is on neither list" for name, verdict in verdicts.items() if verdict == "unknown"]
    if unknown and not refused:
        return Check("GPU, by operator", WARNED, tuple(unknown))
    return Check.of("GPU, by operator", refused)


def operator_counts(graph: Graph) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Operator name -> how many there are and in which versions, the most frequent first."""
    groups: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        groups.setdefault(operator.name, []).append(operator)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: (len(found), tuple(sorted({one.version for one in found}))) for name, found in ranked}
