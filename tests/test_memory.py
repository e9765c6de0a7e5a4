"""A series takes no more memory than the store counts on: measured in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.model import Timing
from app.series import full_series_nbytes

MIB = 2**20

FILL = """
import json
from bench.grown import grow

states = grow(2, 256)
print(json.dumps({name: [state.resident, sum(state.parts.values())] for name, state in states.items()}))
"""

SKETCHES = """
import json, os, sys
import numpy as np
from app.sketch import QuantileSketch

rng = np.random.default_rng(7)


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sketch(data):
    made = QuantileSketch()
    for batch in np.array_split(data, max(1, data.size // 500)):
        made.update(batch)
    return made


found = {}
for n in (1, 150, 300, 1000, 10_000, 50_000):
    data, kept = rng.normal(size=n), []
    kept.append(sketch(data))
    before = resident()
    kept += [sketch(data) for _ in range(1500 if n <= 10_000 else 500)]
    found[n] = [(resident() - before) / (len(kept) - 1), kept[-1].nbytes]
    # Kept to the end, or the next size would be given what this one frees.
    globals()[f"kept{n}"] = kept
print(json.dumps(found))
"""


def measured(program):
    """What the program prints, run with one BLAS thread in a process that holds nothing else."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def full_series():
    """What a full series of 768 dimensions took, resident and by its own account, in each state of its baseline."""
    return measured(FILL)


def test_forty_full_series_fit_the_default_budget():
    """Of 768 dimensions, into 512 MiB."""
    assert 40 * full_series_nbytes(Timing(), 768) <= 512 * MIB


def test_sixty_four_full_series_fit_what_the_setting_says_of_them():
    """Of 768 dimensions, into 768 MiB."""
    assert 64 * full_series_nbytes(Timing(), 768) <= 768 * MIB


@pytest.mark.parametrize("state", ["learning", "final"])
def test_a_full_series_takes_no_more_than_the_store_counts_on(full_series, state):
    """Every pane, block and sample full, learning or done; and the store does not count on much more than it takes."""
    bound = full_series_nbytes(Timing(), 768)
    resident, accounted = full_series[state]

    assert resident <= bound <= 1.5 * resident
    assert 0.6 * bound <= accounted <= bound


def test_a_sketch_takes_no_more_than_it_says():
    """Its memory is the library's own, which no Python tool sees: by the growth of a process with many."""
    for n, (resident, stated) in measured(SKETCHES).items():
        assert resident <= 1.05 * stated, n
        assert stated <= 1.7 * resident, n
