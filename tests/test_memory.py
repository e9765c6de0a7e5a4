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
import ctypes, gc, json, os, sys
import numpy as np
from app.baseline import Pinned
from app.model import Timing
from app.series import Series
from tests.builders import KEY, events, traffic

DAY, NOW, DIMENSION = 86400.0, 1_800_000_000.0, int(sys.argv[1])
timing, pinned, rng = Timing(), Pinned(Timing(), min_events=2000), np.random.default_rng(7)
block = traffic(rng, np.full(256, 0.0), dimension=DIMENSION, top_k=10)


def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def append(series, now, many):
    # With vectors for the samples and sums; many more without, for sketches as large as they get.
    from dataclasses import replace
    series.append(replace(block, timestamp=np.full(256, now)), now)
    if many:
        bare = events(np.full(2048, now), norms=rng.normal(1, 0.1, 2048), scores=rng.normal(0.5, 0.1, (2048, 2)))
        series.append(bare, now)


def full():
    # Events in every pane of the ladder, and for the last two days in every block of a baseline that is learned.
    series = Series(KEY, NOW - 91 * DAY, timing, rng.spawn(1)[0])
    for now in np.arange(NOW - 91 * DAY, NOW - 2 * DAY, DAY):
        append(series, now, True)
    series.restart_learning(NOW - 2 * DAY)
    for now in np.arange(NOW - 2 * DAY, NOW - 3900, 300):
        append(series, now, False)
    for now in [*np.arange(NOW - 3900, NOW - 310, 300), *np.arange(NOW - 310, NOW, 10)]:
        append(series, now, True)
    series.append(traffic(rng, np.full(120, NOW), dimension=DIMENSION), NOW)
    return series


kept = [full()]
before, found = resident(), []
kept.append(full())
found.append([resident() - before, sum(kept[-1].nbytes().values())])
panes = sum(1 for _ in kept[-1]._ladder.all_panes())
baselines = [pinned.of(series, NOW) for series in kept]
found.append([resident() - before, sum(kept[-1].nbytes().values()) + baselines[-1].nbytes])
print(json.dumps({"found": found, "panes": panes, "state": baselines[-1].state}))
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


def measured(program, *arguments):
    """What the program prints, run with one BLAS thread in a process that holds nothing else."""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, check=False)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def full_series():
    """What a full series of 768 dimensions took, resident and by its own account: learning, then with its baseline."""
    return measured(FILL, "768")


def test_the_store_counts_on_eight_mebibytes_for_a_full_series():
    """64 series of 768 dimensions fit the default budget of 512 MiB."""
    assert full_series_nbytes(Timing(), 768) <= 8 * MIB


def test_a_full_series_takes_no_more_than_the_store_counts_on(full_series):
    """Every pane, block and sample full, learning or done; and the store does not count on much more than it takes."""
    assert "final" == full_series["state"]
    assert full_series["panes"] >= 150
    bound = full_series_nbytes(Timing(), 768)
    for resident, accounted in full_series["found"]:
        assert resident <= bound
        assert 0.6 * bound <= accounted <= bound


def test_a_sketch_takes_no_more_than_it_says():
    """Its memory is the library's own, which no Python tool sees: by the growth of a process with many."""
    for n, (resident, stated) in measured(SKETCHES).items():
        assert resident <= 1.05 * stated, n
        assert stated <= 1.7 * resident, n
