"""Every bit and every cut of a real state, of each kind of file: noticed, and the generation before is used."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from app.intake import Intake, Ledger, Repeats
from app.lifecycle import Lifecycle
from app.outcomes import OutcomeMemory
from app.state import Keeper, Kept, StateDirectory
from app.state.envelope import Kind
from tests.builders import KEY
from tests.damage import noticed, passed, sealed_files
from tests.stage import HOUR, Change, Stage

pytestmark = pytest.mark.faults

MOST_BYTES = 80 * 1024
TRIES = 30
"""Bits of each file that a whole restore is tried with: the check itself is tried with every one."""
SECRET = bytes(32)
TRAFFIC = Change(hashes=False, scores=False)


def keeper(folder, stage):
    """What keeps this stage in a directory."""
    lifecycle, outcomes = Lifecycle(SECRET, 3600.0), OutcomeMemory()
    intake = Intake(Ledger(stage.store, outcomes, lifecycle, SECRET, Repeats()))
    kept = Kept(stage.store, stage.pinned, lifecycle, outcomes, intake, stage.timing, stage.clock)
    return Keeper(StateDirectory.take(folder), kept)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A directory with a series that has a final baseline, saved twice; each generation has a pack of its own."""
    folder = tmp_path_factory.mktemp("small") / "state"
    stage = Stage(dimension=2, hours=1.4, min_events=0)
    stage.run(1.75 * HOUR, TRAFFIC, per_minute=2.2, every_minutes=105, step_minutes=5)
    assert "final" == stage.pinned.find(KEY).state
    made = keeper(folder, stage)
    assert made.save()
    stage.run(60, TRAFFIC, per_minute=3)
    assert made.save()
    made.directory.release()
    size = sum(path.stat().st_size for path in sealed_files(folder))
    assert size <= MOST_BYTES, f"{size} bytes: every bit of so many takes too long"
    return folder, stage


def test_every_flipped_bit_and_every_cut_of_every_file_is_noticed(small):
    """By the check that nothing is decoded before; a flipped version too, though a newer one is another matter."""
    files = [(path.read_bytes(), kind) for path, kind in sealed_files(small[0]).items()]

    def unnoticed(file):
        data, kind = file
        cuts = [length for length in range(len(data)) if not noticed(data[:length], kind)]
        return cuts + passed(data, kind, product(range(len(data)), range(8)))

    assert set(Kind) == {kind for _, kind in files}
    with ThreadPoolExecutor(2) as pool:
        assert [[]] * len(files) == list(pool.map(unnoticed, files))


def damages(data, seed):
    """Some flipped bits and cuts of a file."""
    rng = np.random.default_rng(seed)
    for offset, bit in zip(rng.integers(len(data), size=TRIES), rng.integers(8, size=TRIES), strict=True):
        flipped = bytearray(data)
        flipped[offset] ^= 1 << bit
        yield bytes(flipped)
    for length in rng.integers(len(data), size=TRIES // 3):
        yield data[:length]


EXPECTED = {
    "manifest": {"previous"},
    "pack of the newest": {"previous"},
    # Whole where the damage is in what the newest generation no longer needs of it.
    "pack of both": {"partial", "whole"},
    "baseline": {"whole"},
}


@pytest.mark.parametrize("which", EXPECTED)
def test_a_restore_uses_what_is_whole_and_sets_the_damaged_file_aside(small, tmp_path, which):
    """The generation before; of a pack that both name what is left; without its baseline a series learns anew.

    The next snapshot is whole again.
    """
    folder, stage = small
    manifests, packs = (sorted(folder.glob(f"{kind}-*")) for kind in ("manifest", "pack"))
    path = {
        "manifest": manifests[-1],
        "pack of the newest": packs[-1],
        "pack of both": packs[0],
        "baseline": next((folder / "baselines").iterdir()),
    }[which]
    found = set()
    for number, data in enumerate(damages(path.read_bytes(), seed=7)):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        (copy / path.relative_to(folder)).write_bytes(data)
        results = []
        for _ in range(2):
            new = Stage(dimension=2, hours=1.4, min_events=0, start=stage.clock.now())
            restored = keeper(copy, new)
            restored.restore()
            assert new.look().windows["1h"].events > 0
            assert restored.save()
            restored.directory.release()
            results += [name for name, count in restored.facts.restored.items() if count]
            assert (which != "baseline") == (new.pinned.find(KEY) is not None)
        found.add(results[0])
        assert "whole" == results[1]
        assert 1 == len(list(copy.rglob(f"{path.name}.corrupt-*")))
        shutil.rmtree(copy)

    assert found == EXPECTED[which]
