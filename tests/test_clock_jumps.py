"""R22: the machine's clock is set forward or back while the exporter runs: nothing changes but the times that it tells.

Every run has a twin whose clock is not set. Senders tell the time as it is set, as a number or in RFC 3339, or none.
"""

import asyncio
import io
import math
import re
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from app.config import Settings
from app.main import create_app, create_store, take_directory
from app.state.check import check
from tests.fakes import FakeClock
from tests.service import Service, event, service

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0
EVERY_SECONDS = 5.0
"""An event: just enough for scores of five minutes, and so few that no sketch tosses coins for them."""
SETTINGS = {"baseline_min_events": 150, "baseline_duration_seconds": 900.0, "min_window_events": 20}
SIGNED = {
    "embedding_mean_displacement",
    "embedding_norm_change_ratio",
    "embedding_ood_excess_ratio",
    "embedding_variance_log_ratio",
}
"""What may be below 0: everything else is a count, a duration, a share or a time."""
TOSSED = re.compile(r"embedding_(\w+_quantile|drift_statistic)\b.*'(1h|24h)'")
"""Of more than 200 events: no two runs are alike to the last digit."""
TIMES = {"first_seen", "last_event", "created", "timestamp"}
"""In JSON."""
OF_THE_PROCESS = re.compile("(process|python|embedding_exporter_(request|scrape|evaluation)_duration)_")
"""Measured by clocks that a test does not move."""

every_jump = pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])


def told(served, number):
    """A time in one of the ways that senders tell it: their clocks are right, as the exporter's is."""
    wall = served.clock.wall
    return [wall, datetime.fromtimestamp(wall, UTC).isoformat(), None][number % 3]


def traffic(served, rng, seconds, began=0):
    """An event and its outcome every five seconds, and an evaluation every fifteen; the page after each of those."""
    pages = []
    for number in range(began, began + round(seconds / EVERY_SECONDS)):
        vector = (rng.normal(1.0, 0.1, 4) / 2).round(4).tolist()
        named = {"query_id": f"q{number}", "timestamp": told(served, number)}
        sent = event(embedding=vector, scores=[float(rng.uniform(0.6, 0.9))], trace_id=f"t{number}", **named)
        reply = served.post(sent)
        assert (202, 1, 0) == (reply.status, reply.json()["accepted"], reply.json()["late"])
        assert 1 == served.post({"clicked": True, **named}, path="/v1/outcomes").json()["accepted"]
        served.clock.advance(EVERY_SECONDS)
        if number % 3 == 0:
            served.tick()
            pages.append(served.samples())
    return pages


def tell(served, status, documents):
    """Of a deployment, reindexes and a document, some by the time of the event and some by one of their own."""
    names = {"model": "e5", "timestamp": datetime.fromtimestamp(served.clock.wall, UTC).isoformat()}
    sent = [
        {"type": "deployment", "status": status, "model_version": "2", **names},
        {"type": "reindex", "status": status, **names},
        {"type": "reindex", "status": "started", "reindex": "other", **names},
        {"type": "documents", "status": documents, "documents": [{"id": 1, "timestamp": served.clock.wall}], **names},
    ]
    reply = served.post(sent, path="/v1/lifecycle")
    assert (202, 0) == (reply.status, reply.json()["rejected"])


def exemplars(served):
    """Trace -> its time."""
    text = served.get("/metrics", {"accept": "application/openmetrics-text;version=1.0.0"}).text()
    return {
        sample.exemplar.labels["trace_id"]: float(sample.exemplar.timestamp)
        for family in parse_openmetrics(text)
        for sample in family.samples
        if sample.exemplar
    }


def lived(jump):
    """The pages since the clock was set, what else is told at the end, and by what time of day."""
    rng = np.random.default_rng(22)
    with service(**SETTINGS) as served:
        served.store._rng = np.random.default_rng(7)
        traffic(served, rng, 1200)
        tell(served, "started", "ingested")
        served.clock.set_by(jump)
        pages = [served.samples(), *traffic(served, rng, 120, began=240)]
        tell(served, "finished", "indexed")
        pages += traffic(served, rng, 480, began=264)
        documents = {path: served.get(path).json() for path in ("/v1/series", "/v1/baselines", "/v1/samples")}
        for series in documents["/v1/series"]["series"]:
            series["windows"] = {name: each["events"] for name, each in series["windows"].items()}
            series["effects"] = series["effects"]["5m"]
            series["scores"] = [each for each in series["scores"] if each["window"] == "5m"]
        return pages, documents, exemplars(served), served.get("/").text(), served.clock.wall


def later(document, jump):
    """A document with its times later."""
    if isinstance(document, list):
        return [later(each, jump) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        name: each + jump if name in TIMES and each is not None else later(each, jump)
        for name, each in document.items()
    }


@pytest.fixture(scope="module")
def twin():
    """A run whose clock is not set."""
    return lived(0.0)


def test_r22_the_twin_has_all_there_is_to_lose(twin):
    """Scores in every page, full windows, and times of every kind."""
    pages, documents, traces, _, _ = twin
    names = [{name for name, *_ in page} for page in pages]

    assert all("embedding_drift_score" in each for each in names)
    assert 6 == len({name for name in names[-1] if name.endswith("_timestamp_seconds")})
    assert all(documents["/v1/samples"]["series"][0]["queries"])
    assert documents["/v1/baselines"]["baselines"]
    assert traces


@every_jump
def test_r22_a_jump_of_the_clock_changes_nothing_but_the_times_that_are_told(twin, jump):
    """Each sample of each page from the jump on, and each document, is as without one; a time is the machine's."""
    pages, documents, traces, landing, wall = lived(jump)

    for page, expected in zip(pages, twin[0], strict=True):
        moved = {
            name: value + jump if name[0].endswith("_timestamp_seconds") else value for name, value in expected.items()
        }
        assert page.keys() == moved.keys()
        for name, value in moved.items():
            if TOSSED.search(str(name)):
                assert page[name] == pytest.approx(value, rel=0.3, abs=0.1), name
            elif not OF_THE_PROCESS.match(name[0]):
                assert page[name] == value, name
        assert not [name for name, value in page.items() if math.isnan(value)]
        assert {name for (name, *_), value in page.items() if value < 0} <= SIGNED
        assert all(value <= wall for (name, *_), value in page.items() if name.endswith("_timestamp_seconds"))
    assert documents == later(twin[1], jump)
    assert traces == {trace: at + jump for trace, at in twin[2].items()}
    assert f"{datetime.fromtimestamp(wall - EVERY_SECONDS, UTC):%H:%M}" in landing


@every_jump
def test_r22_the_future_and_the_past_are_those_of_the_machine_s_clock(jump):
    """After a jump as before it: refused past ten minutes ahead, taken for now before, late after an hour."""
    with service() as served:
        served.clock.set_by(jump)
        wall = served.clock.wall
        ages = [("ahead", -601.0), ("now", -599.0), ("old", 3599.0), ("late", 3601.0)]
        replies = {name: served.post(event(timestamp=wall - age)).json() for name, age in ages}
        (listed,) = served.get("/v1/series").json()["series"]

    assert {"ahead": 0, "now": 1, "old": 1, "late": 0} == {name: each["accepted"] for name, each in replies.items()}
    assert {"timestamp"} == {each["field"] for each in replies["ahead"]["errors"]}
    assert 1 == replies["late"]["late"]
    assert wall == listed["last_event"]


@every_jump
def test_r22_maintenance_ends_when_it_was_said_to(jump):
    """By the clock as it was when that was told, or by the clock as it was set before."""
    with service() as served:

        def begin(model):
            until = datetime.fromtimestamp(served.clock.wall + HOUR, UTC).isoformat()
            sent = {"type": "maintenance", "status": "begin", "model": model, "until": until}
            assert 1 == served.post(sent, path="/v1/lifecycle").json()["accepted"]

        def under():
            return {
                dict(labels)["model"]: value
                for (name, *labels), value in served.samples().items()
                if name == "embedding_maintenance"
            }

        begin("before")
        served.clock.set_by(jump)
        begin("after")
        served.clock.advance(HOUR - 1)
        assert {"before": 1, "after": 1} == under()
        served.clock.advance(2)
        assert {"before": 0, "after": 0} == under()


@every_jump
def test_r22_a_baseline_keeps_its_time_in_a_file(jump):
    """One that goes to another exporter and back again: made when it was made, whatever both clocks were set by."""
    rows = np.random.default_rng(3).normal(1.0, 0.1, (300, 4)).astype(np.float32)
    file = io.BytesIO()
    np.savez(file, embedding=rows, model="e5")
    binary = {"content-type": "application/octet-stream"}
    with service() as first, service() as second:
        first.clock.set_by(jump)
        uploaded = first.send(file.getvalue(), binary, "/v1/baselines").json()
        exported = first.get(f"/v1/baselines/{uploaded['id']}").body
        second.clock.set_by(2 * jump)
        taken = second.send(exported, binary, "/v1/baselines").json()

    assert START + jump == uploaded["created"] == taken["created"]


class Kept(Service):
    """The service with a state directory; nothing is saved unless told."""

    def __init__(self, runner, folder, mode, clock):
        settings = Settings(state_dir=folder, state_mode=mode, **SETTINGS)
        self._runner = runner
        self.clock = clock
        self.directory = take_directory(settings)
        self.store = create_store(settings, self.directory)
        self.app = create_app(settings, self.store, clock, self.directory)
        self.services = self.app.services
        self.keeper = self.services.save_baselines.__self__


@contextmanager
def kept(folder, mode, clock):
    """A service that goes on from this directory, and is killed."""
    with asyncio.Runner() as runner:
        made = Kept(runner, folder, mode, clock)
        try:
            yield made
        finally:
            made.keeper.requests.close(10.0)
            made.directory.release()


def windows(served):
    """Events in each window, and the scores."""
    served.tick()
    samples = served.samples()
    events = {key: value for key, value in samples.items() if key[0] == "embedding_window_events"}
    scores = {key: value for key, value in samples.items() if key[0] == "embedding_drift_score"}
    assert events
    return events, scores


@pytest.fixture(scope="module", params=["snapshot", "journal"])
def saved(request, tmp_path_factory):
    """A mode, and a directory of it with a series that has scores, saved at START + 1200 s."""
    folder = tmp_path_factory.mktemp("saved") / "state"
    with kept(folder, request.param, FakeClock(boot="b")) as made:
        traffic(made, np.random.default_rng(22), 1200)
        assert made.keeper.save()
    return request.param, folder


@pytest.fixture
def state(saved, tmp_path):
    """The same, to go on from."""
    return saved[0], Path(shutil.copytree(saved[1], tmp_path / "state"))


@pytest.mark.parametrize("when", ["before the last snapshot", "after it", "while it is down"])
@every_jump
def test_r22_a_restart_beside_a_jump_loses_no_window(state, jump, when):
    """Killed and started again within the same boot of the machine: nothing is older or younger for the jump."""
    mode, folder = state
    clock = FakeClock(START + 1200.0, boot="b")
    with kept(folder, mode, clock) as made:
        expected = windows(made)
        if when == "before the last snapshot":
            clock.set_by(jump)
            assert made.keeper.save()
        if when == "after it":
            assert made.keeper.save()
            clock.set_by(jump)
            made.get("/metrics")
    ahead = clock.wall - clock.hand + (jump if when == "while it is down" else 0.0)
    again = FakeClock(clock.hand + 5.0, boot="b", ahead=ahead)
    with kept(folder, mode, again) as made:
        found, samples = windows(made), made.samples()
        (listed,) = made.get("/v1/series").json()["series"]
        late = made.post([event(timestamp=again.wall), event()]).json()["late"]

    assert expected == found
    assert found[1]
    assert START + 1200.0 - EVERY_SECONDS + jump == listed["last_event"]
    assert 5.0 == samples["embedding_exporter_state_restored_age_seconds",]
    assert START + 1200.0 + jump == samples["embedding_exporter_state_last_success_timestamp_seconds",]
    assert 0 == late


def test_r22_a_clock_set_back_while_the_machine_was_off_loses_no_window(state):
    """How long it was off nobody knows then: time goes on from what happened last, in the journal too."""
    mode, folder = state
    clock = FakeClock(START + 1200.0, boot="b")
    with kept(folder, mode, clock) as made:
        clock.advance(60.0)
        assert 202 == made.post(event()).status
        expected = windows(made)
    again = FakeClock(60.0, boot="another", ahead=clock.wall - DAY - 60.0)
    with kept(folder, mode, again) as made:
        if mode == "snapshot":
            again.advance(60.0)
            assert 202 == made.post(event()).status
        assert clock.now() == again.now()
        assert expected == windows(made)
        assert 0 == made.post([event(timestamp=again.wall), event()]).json()["late"]


@every_jump
def test_r22_check_state_tells_the_machine_s_time(state, jump):
    """Of the newest generation, which was saved after the clock was set."""
    mode, folder = state
    with kept(folder, mode, FakeClock(START + 1200.0, boot="b", ahead=jump)) as made:
        assert made.keeper.save()

    assert datetime.fromtimestamp(START + 1200.0 + jump, UTC).isoformat() in check(folder).holds[0]


def test_r22_a_state_of_a_version_that_knew_one_clock_is_read(state):
    """Its times are those of the machine's clock."""
    mode, folder = state
    clock = FakeClock(START + 1200.0, boot="b")
    with kept(folder, mode, clock) as made:
        with patch.object(FakeClock, "mark", return_value={}):
            assert made.keeper.save()
        expected = windows(made)
    with kept(folder, mode, FakeClock(START + 1205.0, boot="b")) as made:
        assert expected == windows(made)
