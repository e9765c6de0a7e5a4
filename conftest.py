"""Runs before any test imports numpy."""

import fcntl
import os
from collections.abc import Iterator
from functools import cache
from types import ModuleType

# OpenBLAS reads it on import; with two threads on shared cores its barriers spin, and tests took thirty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# No deadline: an example's time says more of the machine's neighbours than of the code. In CI the examples are the same
# in every run: a find belongs into a developer's run, not between somebody and their merge.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# They import libraries that are installed beside this project's, never with them: `make bench-peers`.
collect_ignore = ["bench/peers/foreign"]

LARGER = {"subprocess", "bench", "tests.failures", "tests.process", "tests.site", "tests.stage"}
"""What starts processes, measures, or plays hours and days of traffic."""
PROGRAMS = {"start", "promtool", "prometheus"}
"""Fixtures that do."""


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` the tests that need none of these: `make test-unit`."""
    for item in items:
        needs = _imported(getattr(item, "module", None)).union(getattr(item, "fixturenames", ()))
        marked = any(item.get_closest_marker(name) for name in ("slow", "faults", "nightly"))
        if not marked and not needs & (LARGER | PROGRAMS):
            item.add_marker("unit")


@cache
def _imported(module: ModuleType | None) -> frozenset[str]:
    """Where the names of a test module come from: modules and their packages. Doctests have none."""
    values = vars(module).values() if module else ()
    names = {
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in values
    }
    return frozenset(part for name in names if isinstance(name, str) for part in (name, name.partition(".")[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Under `pytest -n` a test that is marked `alone` waits for those of other processes to end, and they for it."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    locks = item.config.cache.mkdir("alone")
    with (locks / "queue").open("a") as queue, (locks / "turn").open("a") as turn:
        # Held while it waits for its turn, or those that share theirs would never let it have one.
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(turn, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        return (yield)
