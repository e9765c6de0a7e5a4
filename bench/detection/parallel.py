"""Tasks over processes, with a line that says how far they are."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from bench.detection.data import DataSet

Task = TypeVar("Task")
Result = TypeVar("Result")

_data: DataSet | None = None


def over(
    data: DataSet, tasks: Sequence[Task], work: Callable[[DataSet, Task], Result], *, title: str
) -> Iterator[Result]:
    """Yield `work(data, task)` as the tasks are done, in any order; a process a core, the data sent once to each."""
    began = time.monotonic()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=_hold, initargs=(data,)) as pool:
        waiting = [pool.submit(_run, work, task) for task in tasks]
        for done, future in enumerate(as_completed(waiting), 1):
            yield future.result()
            _say(f"{title}: {done} of {len(tasks)}, {time.monotonic() - began:.0f} s", last=done == len(tasks))


def _hold(data: DataSet) -> None:
    global _data  # noqa: PLW0603 - a process of the pool holds the data once for all its tasks
    _data = data


def _run(work: Callable[[DataSet, Task], Result], task: Task) -> Result:
    assert _data is not None
    return work(_data, task)


def _say(line: str, *, last: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}" + ("\n" if last else ""))
    else:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()
