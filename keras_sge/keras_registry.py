"""Makes Keras know the classes of our `.keras` files without importing it before anybody else does.

Keras looks a file's classes up in a registry that only they themselves fill, when their modules are imported, and asks
nobody for one that is missing. `import keras_sge` must cost nothing, so it cannot import them; a hook does it right
behind the first `import keras`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# What a `.keras` file may hold; importing these registers their classes with Keras.
_MODULES = ("keras_sge.layers", "keras_sge.losses", "keras_sge.models")


def register_with_keras() -> None:
    """Registers the classes now where Keras is imported already, otherwise as soon as it is."""
    if "keras" in sys.modules:
        _import_modules()
    else:
        sys.meta_path.insert(0, _AfterKeras())


def _import_modules() -> None:
    for name in _MODULES:
        importlib.import_module(name)


class _AfterKeras(MetaPathFinder, Loader):
    """Finds nothing but Keras, loads it as its own loader would, then imports the modules and leaves."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, others), None)
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        sys.meta_path.remove(self)
        # One that is there already is being imported at this moment, and asked for Keras itself.
        if not any(name in sys.modules for name in _MODULES):
            _import_modules()
