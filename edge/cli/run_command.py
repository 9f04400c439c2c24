"""What `sge` and `sge-edge` do alike: errors become one line and an exit code, signals end a run in order, what the
libraries log is printed, and `--json` means the same everywhere."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from edge.atomic import check_writable, write_json
from edge.errors import InputError
from edge.missing_packages import missing_package

# For the help of every command.
EXIT_CODES = """exit codes: 0 done, or ended by SIGTERM with every file closed; 1 a check failed; 2 user error in the
command, a file or the installation; 130 stopped with Ctrl-C"""
_PACKAGES = ("edge", "keras_sge", "quantization")


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a service manager sends it: what is handled as Ctrl-C is, ends with exit code 0."""


def run_command(program: str, command: Callable[[], int]) -> int:
    """Runs a command.

    SIGTERM ends it as Ctrl-C does, with files closed. Commands that run others inside are ended as a whole.

    Args:
        program: its name, for messages. command: gives the exit code.

    Returns:
        The command's exit code; 0 after SIGTERM and where the reader of standard output left, 2 for a user error,
        130 for Ctrl-C.
    """
    with _log_in_terminal():
        return _run_command(program, command)


def _run_command(program: str, command: Callable[[], int]) -> int:
    before = signal.getsignal(signal.SIGTERM)
    inside = before is _terminate
    # Python hands signals to the main thread only.
    takes = not inside and threading.current_thread() is threading.main_thread()
    if takes:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return command()
    except InputError as error:
        return _failed(program, str(error))
    except ModuleNotFoundError as error:
        if (missing := missing_package(error.name)) is None:
            raise
        return _failed(program, str(missing))
    except BrokenPipeError:
        # The reader of a pipe left, as `head` does; Python must not try to flush to it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(program, str(error))
    except KeyboardInterrupt as stop:
        if inside and isinstance(stop, Terminated):
            raise
        print(f"{program}: stopped", file=sys.stderr)
        return 0 if isinstance(stop, Terminated) else 130
    finally:
        if takes:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def add_json_option(parser: argparse._ActionsContainer, what: str) -> None:
    """Adds `--json FILE`, see `json_output`. `what` is written, for the help."""
    parser.add_argument(
        "--json", metavar="FILE", help=f"write {what} as JSON; - is standard output, text then goes to standard error"
    )


@contextlib.contextmanager
def json_output(target: str | None) -> Iterator[Callable[[Any], None]]:
    """Where a command's machine output goes; all that the command prints is printed within the block.

    Args:
        target: of `--json`: a file's name; `-` for standard output, where text then would disturb: it goes to standard
            error; None for nowhere.

    Yields:
        What takes the document, plain values.

    Raises:
        InputError: the file cannot be written; before the block is entered.
    """
    if target is None:
        yield lambda document: None
    elif target == "-":
        output = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):
            yield lambda document: print(json.dumps(document, indent=1), file=output, flush=True)
    else:
        check_writable(target)
        if os.path.isfile(target) and not target.lower().endswith(".json"):
            raise InputError(f"--json {target} would replace a file that is no .json. Give another name.")
        yield lambda document: write_json(target, document)


class _Terminal(logging.Handler):
    """Prints what is logged as it is: information to standard output, warnings as notes to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            print(record.getMessage(), flush=True)
        else:
            print(f"note: {record.getMessage()}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _log_in_terminal() -> Iterator[None]:
    """Prints what our libraries log; of commands within a command, only the outer one does."""
    with contextlib.ExitStack() as stack:
        for logger in map(logging.getLogger, _PACKAGES):
            if not any(isinstance(handler, _Terminal) for handler in logger.handlers):
                handler = _Terminal()
                stack.callback(logger.setLevel, logger.level)
                stack.callback(logger.removeHandler, handler)
                logger.addHandler(handler)
                logger.setLevel(logging.INFO)
        yield


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # A second one would break off what the first one closes.
    signal.signal(signal.SIGTERM, _ignore)
    raise Terminated


def _ignore(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which child processes would inherit."""


def _failed(program: str, message: str) -> int:
    print(f"{program}: error: {message}", file=sys.stderr)
    return 2
