"""`edge` stays light: what it imports."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import edge

ROOT = Path(edge.__file__).parent
ALLOWED = {"numpy", "cv2", "yaml", "edge", *sys.stdlib_module_names}
HEAVY = ("tensorflow", "keras", "keras_sge", "quantization", "tqdm", "matplotlib", "ai_edge_litert", "tflite_runtime")
ENVIRONMENT = {"PYTHONPATH": str(ROOT.parent), "PATH": ""}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    return done.stdout


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_import_only_what_a_device_has(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: write imports in full"
            names = [node.module]
        for name in names:
            assert name.split(".")[0] in ALLOWED, f"{path.name}:{node.lineno} imports {name}"


def test_importing_the_detector_loads_nothing_heavy():
    code = f"import sys, edge, edge.detector, edge.benchmark; print([n for n in {HEAVY!r} if n in sys.modules])"
    assert python(code).strip() == "[]"


def test_importing_edge_loads_not_even_numpy():
    code = "import sys, edge, edge.cli.main; print([n for n in ('numpy', 'cv2') if n in sys.modules])"
    assert python(code).strip() == "[]"


def test_help_loads_not_even_numpy():
    code = (
        "import sys\nfrom edge.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('numpy', 'cv2') if name in sys.modules])"
    )
    assert python(code).splitlines()[-1] == "[]"


def test_type_checkers_see_the_public_names():
    """The lazy names are imported once more where only a type checker looks."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert {*seen, "__version__"} == set(edge.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(module), name) is getattr(edge, name)
    assert (ROOT / "py.typed").is_file()


def test_public_names():
    for name in edge.__all__:
        assert getattr(edge, name) is not None
    assert set(edge.__all__) <= set(dir(edge))
    assert callable(edge.entropy_map) and issubclass(edge.InputError, ValueError)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = edge.no_such_name
