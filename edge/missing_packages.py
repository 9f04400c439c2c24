"""Packages that are not installed: found out before anything slow starts, and named with the command that helps."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import InputError

DISTRIBUTION = "keras-sge"
_HOME = Path(__file__).resolve().parents[1]
# Import name -> the name that pip knows, and the extra that brings it; "" is what every installation has.
_PACKAGES = {
    "numpy": ("numpy", ""),
    "cv2": ("opencv-python", ""),
    "yaml": ("PyYAML", ""),
    "ai_edge_litert": ("ai-edge-litert", ""),
    "keras": ("keras", "train"),
    "tensorflow": ("tensorflow", "train"),
    "tqdm": ("tqdm", "train"),
    "matplotlib": ("matplotlib", "train"),
    "pycocotools": ("pycocotools", "train"),
    "jax": ("jax", "jax"),
    "tf_keras": ("tf-keras", "qat"),
    "tensorflow_model_optimization": ("tensorflow-model-optimization", "qat"),
    "skimage": ("scikit-image", "test"),
    "supervision": ("supervision", "supervision"),
}


class MissingPackageError(InputError):
    """A package is not installed: which one, and how to install it here."""


def missing_package(module: str | None) -> MissingPackageError | None:
    """The error for a module that cannot be found; None where it is none of a package that an extra brings."""
    name = (module or "").split(".")[0]
    if name not in _PACKAGES:
        return None
    return MissingPackageError(f"this needs {name}, which is not installed. Run: {install_command(name)}")


def need_packages(*modules: str) -> None:
    """Raises MissingPackageError for the first of the modules that is not installed. Imports none of them."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise missing_package(module) or ModuleNotFoundError(f"No module named {module!r}", name=module)


def install_command(module: str) -> str:
    """The command that installs a module's package, with all that its extra brings, into the Python that runs.

    An installation from a folder that still exists is installed again from it; otherwise the packages are named, which
    works wherever this one came from.
    """
    package, extra = _PACKAGES[module]
    folder, editable = _installed_from()
    if folder is not None and extra:
        what = ["-e"] if editable else []
        what.append(f"{_near(folder)}[{extra}]")
    else:
        what = [text for name, text in _requirements(extra) if extra or name == package.lower()] or [package]
    return f"{_pip()} install {' '.join(map(shlex.quote, what))}"


def _installed_from() -> tuple[Path | None, bool]:
    """The folder that this package was installed from, None where it came as a wheel or from an index; and whether it
    runs there, as an editable installation or a checkout does."""
    if (_HOME / "setup.cfg").is_file():
        return _HOME, True
    try:
        text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None, False
    document = json.loads(text or "{}")
    if "dir_info" not in document:
        return None, False
    # Loads http, which nothing else here needs.
    from urllib.request import url2pathname

    folder = Path(url2pathname(urlsplit(document["url"]).path))
    return (folder if folder.is_dir() else None), False


def _requirements(extra: str) -> list[tuple[str, str]]:
    """(name in lower case, requirement) of what an extra brings, or of what is always installed for ""."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        of = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if (of[1] if of else "") == extra:
            found.append((re.split(r"[\s<>=!~\[(]", requirement)[0].lower(), requirement))
    return found


def _pip() -> str:
    """`pip`, where that is the one of this Python; a virtual environment that is not activated has another."""
    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(_near(Path(sys.executable)))} -m pip"


def _near(path: Path) -> str:
    """The path as it is shortest from here; pip takes no folder without a dot or a slash for one."""
    relative = os.path.relpath(path)
    if len(relative) > len(str(path)):
        return str(path)
    return relative if relative.startswith(".") else os.path.join(".", relative)
