"""What a device installs."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import edge

ROOT = Path(edge.__file__).parent.parent


def test_the_list_for_devices_is_the_packages_own():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = (ROOT / "requirements-edge.txt").read_text().splitlines()
    wanted = [line for line in setup["options"]["install_requires"].splitlines() if line]
    assert [line for line in listed if not line.startswith("#")] == wanted


def test_it_runs_without_being_installed():
    done = subprocess.run([sys.executable, "-m", "edge", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == f"sge-edge {edge.__version__}", done.stderr
