"""A stop and a start through real processes: what was scored is scored alike, and a final snapshot holds all of it."""

import json
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.baseline import to_bytes
from app.baseline.content import content_id
from tests.builders import KEY
from tests.process import process
from tests.senders import until
from tests.service import event
from tests.stage import HOUR, Queries, Stage
from tests.stopping import stopped_under_load

pytestmark = pytest.mark.faults

EVENTS = 1500
BATCH = 100
LOAD = json.dumps([event(model="load", norm=1.0) for _ in range(BATCH)])
"""Of another model than the one that is scored."""
FLAGS = ("--time-scale", "2")
"""Evaluated every 5 s; a restart may take 30 s before windows lack too much."""
SKETCHED = {"norm": 0.15, "top1": 0.15}
"""How far scores from sketches may differ, which toss coins when they are merged: twice what they differ by from one
look to the next. Where all events are of one pane, as on a fast machine, nothing is merged, and they are the same."""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A final baseline of a day's quarter; its blocks have no time, so that windows are scored at once."""
    stage = Stage(hours=6)
    stage.run(6.5 * HOUR)
    (learned,) = stage.pinned.all()
    assert "final" == learned.state
    content = replace(learned.content, block_seconds=0.0)
    path = tmp_path_factory.mktemp("baseline") / "baseline.npz"
    path.write_bytes(to_bytes(replace(learned, content=content, id=content_id(learned.key, content))))
    return path


def healthy():
    """Requests of the same traffic each time, without what names an input: hashes are of another secret here."""
    made = Queries(seed=5).draw([0.0] * EVENTS)
    vectors, scores = made.vectors.values.reshape(EVENTS, -1), made.scores.values.reshape(EVENTS, -1)
    each = [
        {**KEY._asdict(), "embedding": vector, "scores": found}
        for vector, found in zip(vectors.tolist(), scores.tolist(), strict=True)
    ]
    return [json.dumps(each[first : first + BATCH]) for first in range(0, EVENTS, BATCH)]


def samples(made, name, **labels):
    """Labels and value of each sample of this name."""
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(made.ask("GET", "/metrics")[1].decode())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


def scored(made):
    """Of the series, by window, statistic."""
    found = samples(made, "embedding_drift_score", model=KEY.model, baseline="pinned")
    return {(labels["window"], labels["signal"], labels["statistic"]): value for labels, value in found}


def counted(made, model):
    return sum(value for _, value in samples(made, "embedding_events_total", model=model))


def baseline_ids(made):
    return {each["id"] for each in json.loads(made.ask("GET", "/v1/baselines")[1])["baselines"]}


def in_window(made, model):
    """Events of the day's window, of the last evaluation."""
    listed = json.loads(made.ask("GET", "/v1/series")[1])["series"]
    return sum(each.get("windows", {}).get("24h", {}).get("events", 0) for each in listed if each["model"] == model)


def send(made, requests):
    for body in requests:
        status, reply = made.ask("POST", "/v1/events", body)
        assert 202 == status, reply


@pytest.mark.parametrize("mode", ["snapshot", "journal"])
def test_r19_a_restart_under_load_is_harmless(tmp_path, baseline, mode):
    """Stopped in time with a final snapshot; the same baseline, the same scores, nothing drifts, and counters as said.

    They begin at 0 without a journal, and go on exactly with one.
    """
    flags = ("--baseline", str(baseline), "--state-dir", str(tmp_path / "state"), "--state-mode", mode, *FLAGS)
    requests, statuses, errors = healthy(), [], []
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with process(tmp_path / "before", *flags) as made:
        made.started()
        send(made, requests)
        until(lambda: in_window(made, KEY.model) == EVENTS and scored(made))
        ids, before = baseline_ids(made), scored(made)
        took = stopped_under_load(made, LOAD, statuses, errors)
        log = made.log()
    acknowledged = BATCH * statuses.count(202)
    most = acknowledged + BATCH * len(errors)

    with process(tmp_path / "after", *flags) as made:
        made.started()
        first = counted(made, KEY.model)
        loaded = counted(made, "load")
        until(lambda: in_window(made, KEY.model) == EVENTS and scored(made))
        after, kept, ids_after = scored(made), in_window(made, "load"), baseline_ids(made)
        send(made, requests)
        until(lambda: in_window(made, KEY.model) == 2 * EVENTS)
        again, second = scored(made), counted(made, KEY.model)

    assert took < 10
    assert {202, 503} >= set(statuses)
    assert "Traceback" not in log
    assert "level=error" not in log
    assert "not saved" not in log
    assert ids
    assert ids == ids_after
    assert before.keys() == after.keys()
    for place, score in before.items():
        assert score == pytest.approx(after[place], abs=SKETCHED.get(place[2]))
    assert again.keys() >= before.keys()
    assert max([*before.values(), *after.values(), *again.values()]) <= 1
    assert acknowledged <= kept <= most
    if mode == "journal":
        assert (EVENTS, 2 * EVENTS) == (first, second)
        assert acknowledged <= loaded <= most
    else:
        assert (0, EVENTS) == (first, second)
        assert 0 == loaded
    print(f"R19, {mode}: stopped in {took:.2f} s, {kept} of {acknowledged} to {most} kept, {len(before)} scores")  # noqa: T201
