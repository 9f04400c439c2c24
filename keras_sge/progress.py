"""Progress of long loops: libraries take a `Progress` and know no bar, commands give one that draws."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Wraps an iteration: called with the items, it gives the same items in the same order, and may show how far it is.

    The items' number is known where they have a length. `iter` and `tqdm.tqdm` are such functions.
    """

    def __call__(self, items: Iterable[Item], /) -> Iterable[Item]: ...


def no_progress(items: Iterable[Item], /) -> Iterable[Item]:
    """The items themselves: the default wherever a `Progress` is taken."""
    return items


def progress_bar(unit: str, description: str, quiet: bool = False) -> Progress:
    """A bar on standard error, or a widget in a notebook.

    Args:
        unit: what is counted, such as `clip`. description: stands in front of the bar.
        quiet: no bar at all; tqdm is then not needed.
    """
    if quiet:
        return no_progress
    from tqdm.auto import tqdm

    def bar(items: Iterable[Item], /) -> Iterable[Item]:
        return tqdm(items, unit=unit, desc=description)

    return bar
