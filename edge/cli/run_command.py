"""What `sge` and `sge-edge` do alike: errors become one line and an exit code, and signals end a run in order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from edge.errors import InputError
from edge.missing_packages import missing_package


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a service manager sends it: what is handled as Ctrl-C is, ends with exit code 0."""


def run_command(program: str, command: Callable[[], int]) -> int:
    """Runs a command.

    SIGTERM ends it as Ctrl-C does, with files closed. Commands that run others inside are ended as a whole.

    Args:
        program: its name, for messages. command: gives the exit code.

    Returns:
        The command's exit code; 0 after SIGTERM and where the reader of standard output left, 2 for a mistake that the
        user can mend, 130 for Ctrl-C.
    """
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


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # A second one would break off what the first one closes.
    signal.signal(signal.SIGTERM, _ignore)
    raise Terminated


def _ignore(number: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which child processes would inherit."""


def _failed(program: str, message: str) -> int:
    print(f"{program}: error: {message}", file=sys.stderr)
    return 2
