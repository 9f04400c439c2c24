"""How every GRU moves its state, in two forms of the same function (Su et al., SGE-Net, eq. 8)."""

from __future__ import annotations

from typing import Any


def gated_update_parts(layers: Any, prefix: str, update: str) -> dict[str, Any]:
    """The layers of (1 - z) h + z h', by role.

    Args:
        layers: `keras.layers` or `tf_keras.layers`. prefix: of every layer's name.
        update: `subtract`, h - z (h - h'), ends in a subtraction: some phone GPU delegates return one operand of an
            addition that is both an output and read again (LiteRT issue 8599). `blend`, (h - z h) + z h', has no value
            beyond the state's own range, as h - h' is: integers of 8 bits have no steps to waste.
    """
    if update == "blend":
        return {
            "forgotten": layers.Multiply(name=prefix + "forgotten"),
            "kept": layers.Subtract(name=prefix + "kept"),
            "taken": layers.Multiply(name=prefix + "taken"),
            "next_state": layers.Add(name=prefix + "next_state"),
        }
    return {
        "difference": layers.Subtract(name=prefix + "difference"),
        "correction": layers.Multiply(name=prefix + "correction"),
        "next_state": layers.Subtract(name=prefix + "next_state"),
    }


def gated_update(parts: dict[str, Any], h: Any, update: Any, candidate: Any) -> Any:
    """The new state from the old one `h`, the update gate z and the candidate h', all of one shape."""
    if "taken" in parts:
        kept = parts["kept"]([h, parts["forgotten"]([update, h])])
        return parts["next_state"]([kept, parts["taken"]([update, candidate])])
    correction = parts["correction"]([update, parts["difference"]([h, candidate])])
    return parts["next_state"]([h, correction])
