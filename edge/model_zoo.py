"""The models that come with the package, and how a model's name becomes a file."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from edge.errors import InputError

_PACKAGE = Path(__file__).resolve().parent
SUFFIX = ".tflite"
DEFAULT_MODEL = "sge_skyzoom_256x0.5_float16"


def models_folder() -> Path:
    """Where the shipped models are: `edge/models` when installed, `models` at the repository's root in a checkout."""
    installed = _PACKAGE / "models"
    return installed if installed.is_dir() else _PACKAGE.parent / "models"


def list_models() -> list[str]:
    """Names of the shipped models, sorted; each can be given to `Detector`."""
    return sorted(path.stem for path in models_folder().glob(f"*{SUFFIX}"))


def default_model() -> str:
    """The model used where none is named: `DEFAULT_MODEL`, or the first one that this installation ships.

    Raises:
        InputError: this installation ships none.
    """
    names = list_models()
    if not names:
        raise InputError("no model was given and this installation ships none. Give a .tflite written by `sge export`.")
    return DEFAULT_MODEL if DEFAULT_MODEL in names else names[0]


def model_path(name_or_path: str | os.PathLike[str]) -> Path:
    """The file behind a path or a shipped model's name.

    Raises:
        InputError: there is neither such a file nor such a name; the message lists the names.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = list_models()
    if str(name_or_path) in names:
        return models_folder() / f"{name_or_path}{SUFFIX}"
    if path.is_dir():
        raise InputError(f"expected a {SUFFIX} file as the model, received the folder {path}.")
    near = difflib.get_close_matches(path.stem, names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    shipped = f"Shipped models: {', '.join(names)}." if names else "This installation ships no models."
    raise InputError(
        f"no model file and no shipped model is called {str(name_or_path)!r}.{hint} {shipped} "
        f"Give one of these names or the path of a {SUFFIX} file written by `sge export`."
    )
