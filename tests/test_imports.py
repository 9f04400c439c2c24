"""Which way imports point, and what they do not drag along."""

import ast
import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A package may import itself, the standard library and what stands here.
FORBIDDEN = {
    "edge": {"keras_sge", "quantization", "keras", "tf_keras", "tensorflow", "jax", "tests"},
    "keras_sge": {"quantization", "tensorflow", "tf_keras", "jax", "tests"},
    "quantization": {"tests"},
}


def modules():
    for package in FORBIDDEN:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield pytest.param(package, path, id=str(path.relative_to(ROOT)))


def imported(path):
    """Top names of every import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            yield node.module.split(".")[0], node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield name.value.split(".")[0], node.lineno


@pytest.mark.parametrize(("package", "path"), modules())
def test_imports_point_one_way(package, path):
    for name, line in imported(path):
        assert name not in FORBIDDEN[package], f"{path}:{line} imports {name}"


def loaded_by(code):
    """Which of the heavy packages a fresh interpreter holds after `code`."""
    heavy = ("tensorflow", "keras", "tf_keras", "jax", "torch", "ai_edge_litert", "quantization", "keras_sge")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*[name for name in {heavy!r} if name in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
    )
    return set(done.stdout.split())


def edge_modules():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "edge").rglob("*.py"))]
    return [name.removesuffix(".__init__") for name in names if not name.startswith("edge.models")]


def test_no_module_of_edge_loads_anything_heavy():
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in edge_modules())
    assert loaded_by(code) == set()


@pytest.mark.parametrize("module", ["keras_sge.config", "keras_sge.cli.main", "keras_sge", "keras_sge.evaluation"])
def test_configurations_commands_and_the_figures_of_a_file_load_no_keras(module):
    assert loaded_by(f"import {module}") == {"keras_sge"}


def test_help_loads_no_keras():
    code = "from keras_sge.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint()"
    assert not loaded_by(code) & {"tensorflow", "keras", "jax"}


def packages():
    return [name for name in every_module() if (ROOT / name.replace(".", "/")).is_dir()]


def every_module():
    for package in FORBIDDEN:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_public_name_hides_a_module():
    """`from package import name` gives the module of that name wherever there is one."""
    modules = set(every_module())
    for package in map(importlib.import_module, packages()):
        for name in getattr(package, "__all__", ()):
            if f"{package.__name__}.{name}" in modules:
                assert isinstance(getattr(package, name), types.ModuleType), f"{package.__name__}.{name}"


@pytest.mark.parametrize("package", FORBIDDEN)
def test_public_names_are_there_and_documented(package):
    package = importlib.import_module(package)
    for name in package.__all__:
        assert getattr(package, name).__doc__ or name in ("RECIPES", "__version__"), name
    assert set(package.__all__) <= set(dir(package))


def test_public_names_of_keras_sge():
    import keras_sge

    for name in ("load_config", "Config", "train", "evaluate", "load_model", "open_detector", "open_videos", "SGENet"):
        assert name in keras_sge.__all__
    for name in ("Protocol", "bootstrap", "layers", "models", "data", "evaluation"):
        assert name in keras_sge.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_sge.nothing  # noqa: B018
