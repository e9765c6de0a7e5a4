"""What senders tell of people stays where it is promised to: canaries, looked for in all that leaves the process."""

import base64
import json
import signal

import numpy as np
import pytest

from tests.process import process
from tests.vectors import stands_in

DIMENSION = 16
VECTOR = np.random.default_rng(7).normal(size=DIMENSION).astype("<f4")
NEVER = ("event_id", "input_hash", "probe", "label", "text", "refused")
"""Canaries that are nowhere: hashed, or not taken at all."""
OF_WORST = ("query_id", "ids", "trace_id")
"""Those of the queries that matched worst: in snapshots and behind the read token, for a person to look at."""


def canary(name):
    return f"canary-{name}-7f3a"


def events():
    """Thirty queries, one of them with a canary wherever a sender may put one, and a probe."""
    plain = {"model": "e5", "scores": [0.9], "embedding": base64.b64encode(VECTOR.tobytes()).decode()}
    told = {name: canary(name) for name in ("event_id", "input_hash", "query_id", "trace_id", "text")}
    low = {**plain, **told, "scores": [0.1], "ids": [canary("ids")], "labels": {"tenant": canary("label")}}
    return [*[plain] * 29, low, {**plain, "probe": canary("probe")}]


def found_in(data):
    """The names of the canaries in these bytes."""
    return {name for name in (*NEVER, *OF_WORST) if canary(name).encode() in data}


def files_of(state):
    return {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["snapshot", "journal"])
@pytest.mark.parametrize("vectors", ["full", "projected", "none"])
def test_canaries_stay_where_they_are_promised(tmp_path, mode, vectors):
    """Scrapes, replies, logs, files: no text, no id but those of the worst queries, vectors only where allowed."""
    state = tmp_path / "state"
    flags = ("--state-dir", str(state), "--state-mode", mode, "--persist-vectors", vectors, "--log-level", "debug")
    with process(tmp_path, *flags) as made:
        made.started()
        status, reply = made.ask("POST", "/v1/events", json.dumps({"events": events()}))
        assert (202, 31) == (status, json.loads(reply)["accepted"])
        bad = {"model": "e5", "scores": canary("refused"), canary("refused"): 1}
        refusals = [made.ask("POST", "/v1/events", json.dumps(bad)), made.ask("POST", "/v1/events", canary("refused"))]
        assert [422, 400] == [status for status, _ in refusals]
        page = made.ask("GET", "/metrics")[1]
        if mode == "journal":
            journal = b"".join(data for path, data in files_of(state).items() if "journal" in path.name)
            assert journal
            assert set() == found_in(journal)
            assert not any(stands_in(journal, [VECTOR]))
        samples = made.ask("GET", "/v1/samples")[1]
        made.signal(signal.SIGTERM)
        assert 0 == made.exit_code()
        log = made.log()

    assert set(OF_WORST) == found_in(samples), "the canaries were not looked at"
    assert set() == found_in(log.encode())
    assert set() == found_in(page)
    assert set() == found_in(reply).union(*(found_in(body) for _, body in refusals))
    kept = files_of(state)
    assert found_in(b"".join(kept.values())) <= set(OF_WORST)
    # Vectors are packed plainly, in half precision: where they may be kept they are found, so the search can find them.
    assert (vectors == "full") == any(any(stands_in(data, [VECTOR])) for data in kept.values())
