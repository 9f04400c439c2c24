"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    namespace: dict[str, Any], homes: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """`__all__`, `__getattr__` and `__dir__` of a package whose public names live in other modules.

    Args:
        namespace: the package's `globals()`. homes: public name -> the module that has it; a module that ends in the
            name itself is the value.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        value = module if homes[name] == f"{namespace['__name__']}.{name}" else getattr(module, name)
        namespace[name] = value
        return value

    return sorted(homes), load, lambda: sorted({*namespace, *homes})
