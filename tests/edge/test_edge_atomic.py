"""Files are whole or not there, and on the disk before they have their names."""

from __future__ import annotations

import os

import pytest

from edge.atomic import atomic_path
from edge.errors import InputError


def test_atomic_path(tmp_path):
    target = tmp_path / "notes.txt"
    with atomic_path(target) as path:
        assert path.suffix == ".txt" and path.parent == tmp_path
        path.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), atomic_path(target) as path:
            path.write_text("half")
            raise error
    assert target.read_text() == "whole" and os.listdir(tmp_path) == ["notes.txt"]
    with pytest.raises(InputError, match="it is a folder"), atomic_path(tmp_path):
        pass


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name(tmp_path, monkeypatch):
    steps, target = [], tmp_path / "notes.txt"
    fsync, replace = os.fsync, os.replace

    def flush(descriptor):
        flushed = os.fstat(descriptor)
        for path in (tmp_path, *tmp_path.iterdir()):
            if path.stat().st_ino == flushed.st_ino:
                steps.append("folder" if path == tmp_path else path.read_text())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("name"), replace(*names)))
    with atomic_path(target) as path:
        path.write_text("whole")
        assert steps == []
    assert steps == ["whole", "name", "folder"] and target.read_text() == "whole"


def test_atomic_path_follows_links_and_spares_devices(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    with atomic_path(link) as path:
        path.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    with atomic_path(os.devnull) as path:
        assert str(path) == os.devnull
