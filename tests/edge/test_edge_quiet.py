"""Native libraries: what they log is taken, and every other line passes."""

from __future__ import annotations

import os

import cv2
import pytest

from edge.quiet import native_log, quiet_opencv


def test_overlapping_quiet_blocks_bring_the_log_back(monkeypatch):
    logging = getattr(cv2.utils, "logging", cv2)
    session_level = logging.getLogLevel()
    # As if the fixture of the session had not silenced it already.
    monkeypatch.setattr("edge.quiet._blocks", 0)
    logging.setLogLevel(3)
    try:
        first, second = quiet_opencv(), quiet_opencv()
        for block in (first, second):
            block.__enter__()
        first.__exit__(None, None, None)
        assert logging.getLogLevel() == 0
        second.__exit__(None, None, None)
        assert logging.getLogLevel() == 3
    finally:
        logging.setLogLevel(session_level)


def test_lines_of_others_pass_and_those_of_native_libraries_do_not(capfd):
    native = (
        b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
        b"INFO: [environment.cc:36] Creating LiteRT environment with options\n",
        b"I0000 00:00:1795900391.046178   11915 environment.cc:532] Selected adapter: SwiftShader Device\n",
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        b"WARNING: Logging before InitGoogle() is written to STDERR\n",
    )
    others = (
        b"INFO:root:a line of logging\n",
        b"INFO: a line\n",
        b"WARNING: another\n",
        b"[a.cc:1] no line of theirs\n",
        b"\r50%",
        b" done\n",
    )
    with native_log() as log:
        for number in (1, 2):
            for theirs, ours in zip(native, others, strict=False):
                os.write(number, theirs + ours)
            os.write(number, others[-1])
            # Its text and its line's end, and another thread's line in between.
            os.write(number, b"INFO: [a.cc:1] text" + b"not theirs\n" + b"\n")
        with native_log():
            os.write(1, native[0] + b"inner\n")
    expected = b"".join(others[:5]) + others[-1] + b"INFO: [a.cc:1] textnot theirs\n\n"
    assert capfd.readouterr() == ((expected + b"inner\n").decode(), expected.decode())
    assert all(line.decode() in log[number] for line in native for number in (0, 1))


def test_lines_pass_when_the_block_fails(capfd):
    with pytest.raises(ValueError, match="it failed"), native_log():
        os.write(2, b"the last words\n")
        raise ValueError("it failed")
    assert capfd.readouterr().err == "the last words\n"
