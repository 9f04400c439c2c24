"""keras-sge: video object detection with a Squeezed GRU and an information entropy map.

Importing it imports nothing else. Once Keras is imported as well, before or after, `keras.models.load_model` reads this
package's `.keras` files.
"""

import importlib
import sys

# What a `.keras` file may hold; importing these registers their classes with Keras.
_REGISTERED = ("keras_sge.layers", "keras_sge.losses", "keras_sge.models")


def _register() -> None:
    for name in _REGISTERED:
        importlib.import_module(name)


class _WithKeras:
    """A finder and loader that registers the package's classes right behind Keras' own import, and finds nothing else.

    Keras looks classes up in a registry that only they themselves fill, and asks nobody for one that is missing.
    """

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, others), None)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        sys.meta_path.remove(self)
        # One that is there already is being imported at this moment, and asked for Keras itself.
        if not any(name in sys.modules for name in _REGISTERED):
            _register()


if "keras" in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _WithKeras())
