"""A row's figures over seeds, and what an earlier report had of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_OF_A_SEED = ("map50", "map50_degraded", "minutes")


def row_figures(by_seed: Mapping[int, Mapping[str, float]], **facts: Any) -> dict[str, Any]:
    """One entry of a report's `rows`.

    Args:
        by_seed: `map50`, `map50_degraded` and `minutes` of each seed. facts: what seeds share.

    Returns:
        The facts; `seeds` in order; each figure's values as `map50_by_seed` and so on, its mean as `map50`, and the
        standard deviation of the two accuracies as `map50_std`, None for a single seed.
    """
    seeds = sorted(by_seed)
    row = {**facts, "seeds": seeds}
    for name in _OF_A_SEED:
        values = [by_seed[seed][name] for seed in seeds]
        row |= {name: float(np.mean(values)), f"{name}_by_seed": values}
        if name != "minutes":
            row[f"{name}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return row


def joined_figures(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it is now, with the seeds that only an earlier report has.

    The latency stays the earlier one's where it was not measured again.
    """
    facts = {name: value for name, value in now.items() if not name.startswith(_OF_A_SEED) and name != "seeds"}
    if facts["latency_ratio"] is None:
        facts["latency_ratio"] = before["latency_ratio"]
    return row_figures(_by_seed(before) | _by_seed(now), **facts)


def _by_seed(row: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    return {
        seed: {name: row[f"{name}_by_seed"][place] for name in _OF_A_SEED} for place, seed in enumerate(row["seeds"])
    }
