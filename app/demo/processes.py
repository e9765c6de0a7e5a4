"""The processes of the demonstration: started with it, watched, and ended with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import NoReturn

from app.demo.performance import DemoError

STOP_SECONDS = 8.0
"""An exporter in the middle of a request may take five."""
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, and the terminal that is closed."""


def end_on_signals() -> None:
    """Let each of `ENDING_SIGNALS` end the demonstration in order: KeyboardInterrupt for Ctrl-C, else SystemExit."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _end)


def child_process(module: str, *arguments: str, pipes: bool = False) -> AbstractContextManager[subprocess.Popen[str]]:
    """A module of ours run by this interpreter until the block ends, as `program` does it."""
    # -P: the directory that the demonstration is started in may well hold an `app` of its own.
    return program(sys.executable, "-P", "-m", module, *arguments, pipes=pipes)


@contextmanager
def program(*command: str, pipes: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A program that runs until the block ends; Ctrl-C reaches the demonstration alone.

    SIGTERM ends it then, and SIGKILL where that does not help within `STOP_SECONDS`.
    """
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    child: subprocess.Popen[str] | None = None
    try:
        with _signals_held():
            # The command is ours: nothing in it comes from outside.
            child = subprocess.Popen(  # noqa: S603
                command, env=_environment(), stdin=pipe, stdout=pipe if pipes else None, text=True, process_group=0
            )
        yield child
    finally:
        if child is not None:
            _finish(child)


def check_alive(**children: subprocess.Popen[str]) -> None:
    """Raise DemoError where one of the children, named by what it is, has ended."""
    for name, child in children.items():
        if child.poll() is not None:
            message = f"the {name} process ended with code {child.returncode}; its message stands above"
            raise DemoError(message)


def _finish(child: subprocess.Popen[str]) -> None:
    child.terminate()
    if child.stdin is not None:
        # Broken where the child has ended before us.
        with suppress(BrokenPipeError):
            child.stdin.close()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _environment() -> dict[str, str]:
    # The demonstration runs the shipped configuration, whatever is set for an exporter on this machine.
    return {name: value for name, value in os.environ.items() if not name.startswith("EMBEDDING_DRIFT_")}


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let a signal wait until the block has ended, or a child that was just started would be lost."""
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for pending in came[:1]:
            signal.raise_signal(pending)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    # Once: a second Ctrl-C would break off the ending of the children.
    for each in ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
