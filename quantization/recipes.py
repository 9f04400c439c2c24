"""The forms in which a network can be written to a file, by name, and the file names that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import InputError

PRECISIONS = ("float32", "float16", "dynamic", "int8")
FLOAT_IO_ENDING = "_int8_float_io.tflite"


@dataclass(frozen=True)
class Recipe:
    """One form of file.

    Attributes:
        name: as `Exporter` takes it.
        precision: as the metadata says it, one of `PRECISIONS`.
        calibration: whether clips are run before the conversion. Biases are then corrected for what rounded kernels do,
            and int8 has its ranges from them.
        update: the form of the memory's update, see `keras_sge.layers.cells.gated_update_parts`.
        float_io: inputs and outputs in float32, rounded inside an int8 file.
    """

    name: str
    precision: str
    calibration: Literal["never", "optional", "always"]
    update: Literal["subtract", "blend"] = "subtract"
    float_io: bool = False

    @property
    def is_int8(self) -> bool:
        """Whether the file computes in integers from end to end."""
        return self.precision == "int8"


# An update that ends in an addition wastes less of int8's range; some phone GPUs get one wrong (LiteRT issue 8599).
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("float32", "float32", "never"),
        Recipe("float16", "float16", "optional"),
        Recipe("dynamic", "dynamic", "always"),
        Recipe("int8", "int8", "always", update="blend"),
        Recipe("int8_float_io", "int8", "always", update="blend", float_io=True),
    )
}
"""The forms of file by name."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: there is none.
    """
    if name not in RECIPES:
        raise InputError(f"a recipe must be one of {', '.join(RECIPES)}. Received: {name!r}")
    return RECIPES[name]


def check_file_name(path: str | Path, recipe: Recipe) -> None:
    """Refuses a name that says the wrong thing about a file's inputs and outputs.

    Raises:
        InputError: not a .tflite, or `_int8_float_io` in the name and the recipe do not agree.
    """
    name = Path(path).name
    if not name.endswith(".tflite"):
        raise InputError(f"a file's name must end in .tflite. Received: {path}")
    if recipe.float_io != name.endswith(FLOAT_IO_ENDING):
        wanted = f"must end in {FLOAT_IO_ENDING}" if recipe.float_io else f"must not end in {FLOAT_IO_ENDING}"
        which = "with float inputs and outputs" if recipe.float_io else "that is not int8 with float inputs and outputs"
        raise InputError(f"the name of a file {which} {wanted}, so that both can stand side by side. Received: {path}")
