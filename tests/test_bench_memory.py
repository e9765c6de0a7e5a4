"""The bench of memory: full series in a directory under many keys, and an exporter that takes all of them up."""

import pytest

from app.baseline import Pinned
from app.model import Timing
from app.store import MemoryStore
from bench import savings
from bench.collected import ToldClock
from bench.fill import budget, key, room_mib
from bench.grown import END, Grown, State
from bench.memory import report
from bench.plan import QUICK
from bench.savings import Taken
from bench.state import keeper
from bench.together import Together, run, write

MIB = 2**20


@pytest.fixture(scope="module")
def grown():
    """One full series with a final baseline."""
    made = Grown(range(1), 1)
    for _ in made.states():
        pass
    return made


def test_an_exporter_takes_up_as_many_full_series_as_were_written(grown, tmp_path):
    """Each under a key of its own with scores, of a real process; `run` refuses one that has fewer."""
    write(grown, tmp_path / "state", 3)

    found = run(tmp_path / "state", 3, settled_seconds=0.0)

    assert 3 * grown.store.find(key(0)).nbytes()["vector samples of windows"] < found.resident <= found.peak


def test_what_panes_measured_goes_with_a_copied_series(grown, tmp_path):
    """A copy has a baseline of its own: measured by the first one's, its panes would forget all that they measured."""
    write(grown, tmp_path / "state", 2)
    store, pinned = MemoryStore(Timing(), max_series=3, max_state_bytes=2**40), Pinned(Timing(), 0, budget(Timing()))
    kept = keeper(tmp_path / "state", store, pinned, ToldClock(END))

    kept.restore()

    (before,) = grown.store.series()
    assert before.measured_since is not None
    for series in store.series():
        assert before.nbytes()["vector sums of panes"] == series.nbytes()["vector sums of panes"]
    kept.directory.release()


def test_the_whole_process_is_held_against_its_limit_over_the_idle_one():
    """Parts, too, have a row each."""
    states = {name: State({"panes": MIB}, 9 * MIB, frozenset()) for name in ("learning", "provisional", "final")}

    held = report(states, 17 * MIB, 80 * MIB, Together(780 * MIB, 790 * MIB), QUICK)
    over = report(states, 17 * MIB, 80 * MIB, Together(781 * MIB, 790 * MIB), QUICK)

    assert [True] * 5 == [goal.held for goal in held.goals]
    assert [True] * 4 + [False] == [goal.held for goal in over.goals]
    assert ["panes", "sum of the parts", "resident memory it adds"] == [row[0] for row in held.tables[0][1].rows]


def test_what_a_setting_saves_is_of_the_same_run():
    """A series as shipped saves nothing; a label costs."""
    series = dict.fromkeys(savings.SETTINGS, 9.0 * MIB) | {"`baselines` pinned,peer": 8.5 * MIB}

    (_, by_setting), (_, by_dimension) = savings.tables(Taken(series, 0.25 * MIB))

    rows = {row[0]: row[1:] for row in by_setting.rows}
    assert ("9.00", "0.00", "0") == rows["as shipped"]
    assert ("8.50", "0.500", "32") == rows["`baselines` pinned,peer"]
    assert "-0.250" in next(row for name, row in rows.items() if name.startswith("`slice_labels`"))
    assert [f"{room_mib(64, each):,}" for each in savings.DIMENSIONS] == [row[-1] for row in by_dimension.rows]


def test_a_shorter_day_of_learning_has_fewer_blocks():
    """As the setting says: the series began to learn six hours before its end."""
    made = Grown(range(1), 1, savings.SETTINGS["`baseline_duration_seconds` 21600, six hours"])
    for _ in zip(("learning", "provisional"), made.states(), strict=False):
        pass

    (baseline,) = made.pinned.all()

    assert "provisional" == baseline.state
    assert 60 <= len(baseline.content.blocks) <= 73
