"""A state directory as a released version left it: read by this one, to the same exposition; a newer one is refused.

tests/golden/state-1 is of format 1, and stays as it is for as long as that format is read. The next format gets one of
its own: UPDATE_GOLDEN=1 pytest tests/test_state_golden.py writes that of FORMAT, from made-up vectors of four numbers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from app.main import StartError, create_app, create_store, take_directory
from app.state.envelope import FORMAT
from tests.damage import newer
from tests.fakes import FakeClock
from tests.service import Service, event

GOLDEN = Path(__file__).parent / "golden"
STATE = GOLDEN / f"state-{FORMAT}"
SAMPLES = GOLDEN / f"state-{FORMAT}.txt"
STARTED = 1_800_000_000.0
SAVED = STARTED + 2.75 * 3600.0
OF_THE_PROCESS = ("embedding_exporter_", "embedding_event_failures", "process_", "python_")
"""Counted anew by every process."""
LEARNING_SECONDS = 80 * 60
SINCE_SECONDS = 300.0
"""That the newest generation is older than the end of the journal: with more time between them windows are not full."""


class Kept(Service):
    """The service with a state directory, as it is before its first tick; nothing is saved unless told."""

    def __init__(self, runner, folder, now):
        settings = Settings(
            state_dir=folder,
            state_mode="journal",
            baseline_duration_seconds=float(LEARNING_SECONDS),
            baseline_min_events=200,
            min_window_events=50,
            slice_labels=("locale",),
        )
        self._runner = runner
        self.clock = FakeClock(now)
        self.directory = take_directory(settings)
        try:
            self.store = create_store(settings, self.directory)
            self.app = create_app(settings, self.store, self.clock, self.directory)
        except StartError:
            self.directory.release()
            raise
        self.services = self.app.services
        self.keeper = self.services.save_baselines.__self__

    def close(self):
        self.keeper.requests.close(10.0)
        self.directory.release()


@contextmanager
def kept(folder, now=SAVED):
    """A service that goes on from this directory."""
    with asyncio.Runner() as runner:
        made = Kept(runner, folder, now)
        try:
            yield made
        finally:
            made.close()


def traffic(served, rng, seconds):
    """Queries of one series, some of a document series, outcomes and lifecycle events, every five minutes."""
    for number in range(round(seconds / 300)):
        served.clock.advance(300.0)
        at = f"{served.clock.now():.0f}"
        queries = [
            event(
                embedding=(rng.normal(size=4) + 2).round(3).tolist(),
                scores=[round(float(score), 3) for score in sorted(rng.uniform(0.4, 0.9, 3), reverse=True)],
                ids=[f"doc-{each}" for each in rng.permutation(20)[:3]],
                event_id=f"event-{at}-{each}",
                query_id=f"query-{at}-{each}",
                input_hash=f"input-{rng.integers(40)}",
                labels={"locale": ("de", "fr")[each % 2]},
                latency_seconds=0.05,
            )
            for each in range(14)
        ]
        documents = [event(kind="document", embedding=(rng.normal(size=4) - 1).round(3).tolist()) for _ in range(3)]
        for each in documents:
            del each["scores"]
        assert 202 == served.post(queries + documents, {"idempotency-key": f"key-{at}"}).status
        assert 202 == served.post([{"query_id": f"query-{at}-0", "clicked": True}], path="/v1/outcomes").status
        if number % 6 == 0:
            told = [
                {"type": "deployment", "status": "finished", "model": "e5", "model_version": "2"},
                {"type": "documents", "status": "ingested", "model": "e5", "ids": [at, "doc-1"]},
                {"type": "documents", "status": "indexed", "model": "e5", "ids": [at]},
            ]
            assert 202 == served.post(told, path="/v1/lifecycle").status
        served.tick()


def write():
    """Make the directory: a baseline, two generations, and requests in the journal after the newest."""
    shutil.rmtree(STATE, ignore_errors=True)
    rng = np.random.default_rng(7)
    with kept(STATE, STARTED) as made:
        traffic(made, rng, LEARNING_SECONDS + 300)
        assert made.keeper.save()
        traffic(made, rng, SAVED - SINCE_SECONDS - made.clock.now())
        assert made.keeper.save()
        traffic(made, rng, SINCE_SECONDS)
    (STATE / "lock").unlink()


def exposed(served):
    """Every sample of a scrape that comes of the state: name and labels -> value."""
    text = served.get("/metrics").text()
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(text)
        if not family.name.startswith(OF_THE_PROCESS)
        for sample in family.samples
    }


@pytest.fixture(scope="module", autouse=True)
def updated():
    if os.environ.get("UPDATE_GOLDEN") == "1":
        write()
        with kept(copied(GOLDEN.parent / ".state")) as made:
            made.tick()
            found = exposed(made)
        shutil.rmtree(GOLDEN.parent / ".state")
        SAMPLES.write_text("".join(f"{name} {value!r}\n" for name, value in sorted(found.items())))


def copied(to, source=STATE):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source, to)
    return to


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_what_a_version_of_this_format_left_is_read_to_the_same_exposition(tmp_path):
    """Every sample, and none more. Of a day's sketches, which toss coins as they are merged, to a tenth."""
    lines = [line.rpartition(" ") for line in SAMPLES.read_text().splitlines()]
    expected = {name: float(value) for name, _, value in lines}
    with kept(copied(tmp_path / "state")) as made:
        facts = made.keeper.told()
        made.tick()
        found = exposed(made)

    assert {"whole": 1} == {name: count for name, count in facts.restored.items() if count}
    assert 0 == facts.damaged
    assert facts.journal.exact
    assert facts.journal.replayed > 0
    assert expected.keys() == found.keys()
    assert any(name.startswith("embedding_drift_score{") for name in found)
    differing = {
        name: (value, found[name])
        for name, value in expected.items()
        if found[name] != pytest.approx(value, rel=0.1 if "window=24h" in name else 1e-4, abs=1e-6)
    }
    assert {} == differing


def test_the_next_snapshot_of_it_is_read_as_well(tmp_path):
    """Written on from where it was: a generation more, and nothing set aside."""
    folder = copied(tmp_path / "state")
    with kept(folder) as made:
        made.tick()
        before = exposed(made)
        assert made.keeper.save()
    with kept(folder) as made:
        made.tick()
        assert before.keys() == exposed(made).keys()
        assert 0 == made.keeper.told().damaged


@pytest.mark.parametrize("which", ["manifest-*", "baselines/*"])
def test_what_a_newer_version_wrote_is_refused_and_not_written_over(tmp_path, which):
    """With advice; not a byte is changed."""
    folder = copied(tmp_path / "state")
    path = max(folder.glob(which))
    path.write_bytes(newer(path.read_bytes()))
    before = contents(folder)

    with asyncio.Runner() as runner, pytest.raises(StartError, match=f"format {FORMAT + 1}.*upgrade"):
        Kept(runner, folder, SAVED)

    assert before == contents(folder)
