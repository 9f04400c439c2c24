"""The wheel: what is in it, and that it works away from the source tree. The source distribution: all of the source."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command, cwd):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what belongs to the source: building in the tree leaves build/ and *.egg-info behind."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git checkout: what belongs to the source is not known")
    source = tmp_path_factory.mktemp("source")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", out, source, cwd=out)
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment that holds the wheel and sees this one's other packages, not the source tree."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=folder).strip())
    # A folder added by a .pth has its own .pth files left alone: an editable install there stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def test_wheel_holds_modules_configurations_and_models(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("edge", "keras_sge", "quantization"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in names
    for path in (ROOT / "configs").glob("*.yaml"):
        assert f"keras_sge/configs/{path.name}" in names
    assert "edge/models/__init__.py" in names
    for path in [*(ROOT / "models").glob("*.tflite"), *(ROOT / "models").glob("*.md")]:
        assert f"edge/models/{path.name}" in names
    assert not [name for name in names if name.startswith(("tests", "configs/", "models/"))]


def test_installed_package_is_not_the_source_tree(installed):
    code = "import edge, keras_sge; print(edge.__file__); print(keras_sge.__file__)"
    for line in run(installed / "bin" / "python", "-c", code, cwd=installed).split():
        assert line.startswith(str(installed))


def test_configurations_load_from_the_wheel(installed):
    code = (
        "import sys; from keras_sge.config import builtin_configs, load_config; "
        "print(load_config('quickstart').network.name, *sorted(builtin_configs())); assert 'keras' not in sys.modules"
    )
    words = run(installed / "bin" / "python", "-c", code, cwd=installed).split()
    assert words == ["sge", *sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))]


def test_what_commands_start_from_is_in_the_wheel(installed):
    code = (
        "from edge.model_zoo import models_folder; from keras_sge.config import load_config; "
        "from quantization.cli.reproduce import CHECKPOINT; import pathlib; "
        "print(models_folder() / 'checkpoints' / CHECKPOINT); print(load_config('quickstart').training.start_from)"
    )
    for line in run(installed / "bin" / "python", "-c", code, cwd=installed).split():
        assert line.startswith(str(installed)) and Path(line).is_file(), line


def test_shipped_models_run_by_name(installed):
    names = sorted(path.stem for path in (ROOT / "models").glob("*.tflite"))
    code = (
        "import edge, numpy as np; names = edge.list_models(); print(*names)\n"
        "for name in names: edge.Detector(name)(np.zeros((48, 64, 3), np.uint8))"
    )
    assert run(installed / "bin" / "python", "-c", code, cwd=installed).split() == names


def test_console_scripts_work(installed):
    for script in ("sge", "sge-edge"):
        assert script in run(installed / "bin" / script, "--version", cwd=installed)
    assert "quickstart" in run(installed / "bin" / "sge", "--help", cwd=installed)


def test_the_source_distribution_is_the_source(source, tmp_path):
    belongs = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    belongs = {path for path in belongs if path.parts[0] != "build" and not path.parts[0].endswith(".egg-info")}
    options = ["--sdist", "--no-isolation", "--skip-dependency-check", "--outdir", tmp_path]
    run(sys.executable, "-m", "build", *options, source, cwd=tmp_path)
    [path] = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {Path(*Path(name).parts[1:]): archive.getmember(name) for name in archive.getnames()}
    assert not belongs - held.keys()
    # `make test` starts it.
    assert held[Path(".ci/gpu-driver")].mode & 0o111
