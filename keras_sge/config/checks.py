"""Checks that several parts of a configuration share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.errors import InputError


def one_of(key: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises InputError unless `value` is one of `choices`; `key` is the setting's dotted path."""
    if value not in choices:
        raise InputError(f"{key} must be one of {', '.join(map(str, choices))}. Received: {value!r}")


def positive(key: str, value: float) -> None:
    """Raises InputError unless `value` is above 0, which NaN is not."""
    if not value > 0:
        raise InputError(f"{key} must be above 0. Received: {value}")
