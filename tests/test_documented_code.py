"""The code in README, in the site's pages and in the notebook: Python runs, commands are parsed, the tutorial's run.

Data and networks are small ones under the names that pages use. A block that no machine like this can run stands behind
`<!-- test: skip REASON -->`.
"""

import dataclasses
import inspect
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from documented import PAGES, ROOT, blocks, commands, ours
from tiny import SINGLE, randomize, tiny_config
from video_trees import write_cvat_project, write_synthetic

import keras_sge
from edge.cli import main as edge_cli
from keras_sge.cli import main as sge_cli
from keras_sge.config import Config, DataConfig, QatConfig, TrainingConfig, builtin_configs, config_to_dict, load_config
from keras_sge.data import SyntheticSky
from quantization import CalibrationSource
from quantization.recipes import RECIPES

# What has no place to run here, and how many blocks at the most.
REASONS, MOST_SKIPPED = ("a phone", "a browser", "a camera", "a GPU", "other people's data", "a package of its own"), 3
# The page whose commands are run, too, not only parsed; those of the others are run by the tests of each command.
RUN = "docs/tutorial.md"
# Minutes: `make test-slow`.
SLOW = "docs/qat.md"
# Programs that are not ours.
FOREIGN = {".", "apt-get", "pip", "pkg", "proot-distro", "python", "python3", "scp", "ssh", "unzip"}
NETWORK = tiny_config(**SINGLE)
SHORT = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "clip_length": 2}
TINY = Config(
    NETWORK,
    DataConfig(videos=2, validation_videos=2, frames=2),
    TrainingConfig(**SHORT, validation_steps=0, evaluation_epochs=0),
    QatConfig(**SHORT, validation_steps=1, calibration_clips=2),
)


SHELL = [block for page in PAGES for block in blocks(page) if block.language == "shell" and not block.skip]


@pytest.fixture(scope="module")
def sge_parser():
    return sge_cli._parser()


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.place)
def test_every_command_is_one(block, sge_parser, capsys):
    for words in commands(block.text):
        try:
            check_command(*ours(words), sge_parser=sge_parser)
        except SystemExit:
            pytest.fail(f"{shlex.join(words)}: {capsys.readouterr().err.strip().splitlines()[-1]}")


def check_command(program, *rest, sge_parser):
    """Fails, or exits as the program would, where a command is none: a subcommand, an option, a value, a file."""
    if program == "sge":
        check_values(sge_parser.parse_args(rest))
    elif program == "sge-edge":
        edge_cli._parser(rest).parse_args(rest)
    elif program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert program in FOREIGN, program
        for word in rest:
            if word.endswith((".py", "requirements-edge.txt")):
                assert (ROOT / word).is_file(), word
            elif word.startswith("--") and rest[0].startswith("benchmarks/"):
                assert f'"{word}"' in (ROOT / rest[0]).read_text(), word


def check_values(arguments):
    """A configuration, its settings and a precision are there; those of a reader's own are not looked for."""
    name = getattr(arguments, "config", None)
    if name in builtin_configs():
        load_config(name, getattr(arguments, "set", ()))
    else:
        assert name is None or name.isupper() or name.endswith(".yaml")
    assert getattr(arguments, "precision", "int8") in RECIPES


def test_hardly_any_block_is_left_out_and_every_language_is_known():
    everything = [block for page in PAGES for block in blocks(page)]
    skipped = [block for block in everything if block.skip]
    assert len(skipped) <= MOST_SKIPPED and all(block.skip in REASONS for block in skipped)
    assert {block.language for block in everything if not block.skip} <= {"python", "shell", "text"}
    # Commands that stand indented without a prompt would be overlooked.
    for page in PAGES:
        assert not re.search(r"^    (?:sge|sge-edge|make|python) \S", (ROOT / page).read_text(), re.MULTILINE), page


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A COCO-VID folder with train and val of two videos, two frames each."""
    return write_synthetic(tmp_path_factory.mktemp("sky"), videos=2, frames=2)


@pytest.fixture
def reader(folder, sky, monkeypatch):
    """A reader's working directory: data, a run, a file and a clip by the names that pages use; small networks."""
    real = builtin_configs()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config_to_dict(TINY)))
    small = dict.fromkeys(("quickstart", "skyzoom192"), folder / "tiny.yaml")
    monkeypatch.setattr("keras_sge.config.config.builtin_configs", lambda: {**real, **small})
    monkeypatch.setattr("keras_sge.pictures.training_curves", draw_nothing)
    (folder / "data").mkdir()
    for name in ("sky", "sky_zoom"):
        (folder / "data" / name).symlink_to(sky)
    shutil.copy(next(sky.glob("videos/*.mp4")), folder / "clip.mp4")
    export_of_others(folder)
    # A frame takes a fifth of a second where nothing is traced.
    monkeypatch.setattr("quantization.calibration.CLIP_FRAMES", 2)
    draw = CalibrationSource.draw
    monkeypatch.setattr(CalibrationSource, "draw", lambda self: draw(dataclasses.replace(self, clips=1)))
    return folder


def draw_nothing(log, path):
    import cv2
    import numpy as np

    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with weights that speak, and its network."""
    from keras_sge.config.run_folder import RunFolder
    from keras_sge.models import SGENet

    run, model = RunFolder(tmp_path_factory.mktemp("trained")), randomize(SGENet(NETWORK))
    run.write_config(TINY)
    model.save(run.model)
    return run.path, model


@pytest.fixture
def trained_before(reader, trained, monkeypatch):
    """`keras_sge.train` takes its arguments, and gives a network that is there already."""
    signature = inspect.signature(keras_sge.train)

    def train(*arguments, **options):
        given = signature.bind(*arguments, **options).arguments
        shutil.copytree(trained[0], given["run"])
        return trained[1]

    monkeypatch.setattr(keras_sge, "train", train)


def run_python(code, place, namespace):
    exec(compile(code, place, "exec"), namespace)


def with_python():
    """The pages with Python in them, and which of them take minutes."""
    for page in PAGES:
        if any(block.language == "python" and not block.skip for block in blocks(page)):
            yield pytest.param(page, marks=pytest.mark.slow if page == SLOW else ())


@pytest.mark.usefixtures("eagerly", "trained_before")
@pytest.mark.parametrize("page", with_python())
def test_the_blocks_of_a_page_run_in_order(page, reader, trained, tiny_tflite, monkeypatch):
    for run in ("sge", "mine")[: 1 if page == "docs/training.md" else 2]:
        shutil.copytree(trained[0], reader / "runs" / run)
    shutil.copy(tiny_tflite, reader / "first.tflite")
    monkeypatch.setattr(sys, "argv", ["loop.py", "first.tflite", "clip.mp4"])
    namespace = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python" and not block.skip:
            run_python(block.text, block.place, namespace)
        for words in commands(block.text) if block.language == "shell" and page == RUN else ():
            run_command(ours(words), reader)


def export_of_others(folder):
    """`export.zip` of a project in CVAT, and its videos in `recordings`."""
    write_cvat_project(folder / "export.zip", SyntheticSky(videos=4, frames=3, size=64, seed=3), folder / "recordings")


def run_command(words, folder):
    """Runs `sge` and `sge-edge` as written, on little data and without a camera; other programs are not run."""
    program, *rest = words
    if program == "sge":
        assert sge_cli.main(rest) == 0, words
    if words[:2] == ["sge", "init"]:
        # What it proposes is not tiny.
        (folder / rest[rest.index("--out") + 1]).write_text((folder / "tiny.yaml").read_text())
    if program == "sge-edge" and "0" not in rest and rest[0] != "benchmark":
        globbed = [name for word in rest for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
        assert edge_cli.main(globbed) == 0, words


@pytest.mark.usefixtures("eagerly")
def test_the_notebook_runs(reader):
    cells = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    namespace = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            run_python("".join(cell["source"]), f"notebook.ipynb, cell {number}", namespace)
        if "parameters" in cell["metadata"].get("tags", ()):
            namespace.update(CLIPS=2, FRAMES=4, SIZE=64, EPOCHS=1, STEPS=1)
    import matplotlib.pyplot as plt

    assert len(plt.get_fignums()) >= 4
    plt.close("all")
    assert all(not cell.get("outputs") or len(json.dumps(cell)) < 200_000 for cell in cells)
