"""Full series on disk: a start with them is quick, its first evaluation has all scores, and damage is noticed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.baseline import pinned
from app.config import Settings
from app.evaluate import Evaluator, Rules
from app.main import create_app, create_store, take_directory
from app.state.envelope import Kind
from bench import state
from tests.damage import passed, sealed_files
from tests.fakes import FakeClock

SERIES = 2
EXPECTED = 64
"""Full series that an exporter must be ready with in five seconds."""
IMPORTS_SECONDS = 1.5
"""Of those, before anything is read: 1.2 s of CPU."""
ALLOWED_SECONDS = (5.0 - IMPORTS_SECONDS) / EXPECTED
TRIES = 3
MOST_TRIES = 10
"""Where neighbours take the caches, and a second of CPU is worth less."""
SKETCHED = {"norm": 0.15, "top1": 0.06}
"""How far scores from sketches may differ, which toss coins when they are merged: twice what was seen (two states, four
restarts each)."""
FEW = pytest.param(1_000, marks=pytest.mark.faults, id="1,000")
MANY = pytest.param(10_000, marks=pytest.mark.nightly, id="10,000")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A directory with full series of 768 numbers, the time at which it was saved, and the scores of that moment."""
    folder = tmp_path_factory.mktemp("full") / "state"
    made = state.Full(folder, SERIES)
    made.save()
    made.go_on()
    made.save()
    scores = scored(Evaluator(made.store, made.keeper.kept.pinned, Rules()).tick(made.clock.seconds))
    made.keeper.directory.release()
    return folder, made.clock.seconds, scores


def scored(evaluation):
    """Each score that there is, by series, window, baseline, statistic and signal; those of the alarm family alone."""
    return {
        (key, each.window, each.baseline, each.statistic): each.score
        for key, view in evaluation.series.items()
        for each in view.scores
        if each.score is not None
    }


def taken_up(folder, now):
    """An exporter with this state, the CPU time that it took, and its directory."""
    settings = Settings(state_dir=folder, max_state_mib=4096)
    directory = take_directory(settings)
    begun = time.thread_time()
    app = create_app(settings, create_store(settings, directory), FakeClock(now), directory)
    return app.services, time.thread_time() - begun, directory


@pytest.mark.faults
def test_a_full_series_is_taken_up_in_a_64th_of_the_time_that_a_start_may_take(full):
    """In CPU time, the least of some: whatever else the machine does. 64 of them are measured by `make bench`."""
    folder, now, _ = full
    taken = []
    while len(taken) < TRIES or (min(taken) > ALLOWED_SECONDS and len(taken) < MOST_TRIES):
        services, seconds, directory = taken_up(folder, now)
        directory.release()
        assert SERIES == len(services.store.series())
        taken.append(seconds / SERIES)

    assert min(taken) <= ALLOWED_SECONDS


@pytest.mark.faults
def test_scores_are_back_at_the_first_evaluation(full, monkeypatch):
    """All that there were, by the limits that there were: none is learned again."""
    folder, now, before = full
    monkeypatch.setattr(pinned, "calibrate", lambda *_: pytest.fail("limits were learned again"))
    services, _, directory = taken_up(folder, now)
    try:
        after = scored(services.evaluator.tick(now))
    finally:
        directory.release()

    assert before.keys() == after.keys()
    assert {"mean_shift", "novelty", "mahalanobis", "joint", "spread", "norm", "top1"} <= {each[3] for each in after}
    for place, score in before.items():
        assert score == pytest.approx(after[place], abs=SKETCHED.get(place[3]))


@pytest.mark.parametrize("flips", [FEW, MANY])
def test_flipped_bits_of_a_full_state_are_noticed(full, flips):
    """Wherever they are, in manifests, packs and baselines: by the check that nothing is decoded before."""
    folder, _, _ = full
    files = sealed_files(folder)
    sizes = np.array([path.stat().st_size for path in files])
    counts = 1 + np.random.default_rng(7).multinomial(flips - len(files), sizes / sizes.sum())

    def unnoticed(work):
        (path, kind), count = work
        data, rng = path.read_bytes(), np.random.default_rng(path.stat().st_size)
        return passed(data, kind, zip(rng.integers(len(data), size=count), rng.integers(8, size=count), strict=True))

    # The digest lets go of the interpreter.
    with ThreadPoolExecutor(2) as pool:
        found = [each for part in pool.map(unnoticed, zip(files.items(), counts, strict=True)) for each in part]

    assert set(Kind) == set(files.values())
    assert counts.sum() == flips
    assert [] == found
