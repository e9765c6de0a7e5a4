"""What a journal's records bring back: every counter and histogram, to the last bit; and no vector, text or id."""

import json
from contextlib import contextmanager

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service import JSON, event, service

MODELS = ("e5", "bge")
OF_THE_PROCESS = ("embedding_exporter", "embedding_event_failures", "process_", "python_")
"""Counted anew by every process."""


class Recorder:
    """A journal in memory: what is to be written is kept, and applied at once."""

    def __init__(self):
        self.records = []

    async def commit(self, encode, apply):
        self.records.append(encode())
        return apply()

    def note(self, payload, apply):
        self.records.append(payload)
        apply()


@contextmanager
def recorded(path, **settings):
    """A service whose requests are recorded, and another one of the same key that they can be replayed into."""
    (path / "key").write_text("a secret of at least sixteen bytes")
    settings = {"input_hash_key_file": path / "key", "slice_labels": ("locale",), **settings}
    with service(**settings) as first, service(**settings) as second:
        first.services.intake.journal = Recorder()
        yield first, second


def replay(first, second):
    """Into the second what came to the first, at the time that it is there."""
    replayed = second.services.intake.replay(first.services.intake.journal.records)
    second.clock.advance(first.clock.now() - second.clock.now())
    assert 0 == replayed.failed
    return replayed


def counted(served):
    """Every counter and histogram of the exposition, as text: to the last bit."""
    text = served.get("/metrics").text()
    return {
        (sample.name, *sorted(sample.labels.items())): repr(sample.value)
        for family in text_string_to_metric_families(text)
        if family.type in {"counter", "histogram"} and not family.name.startswith(OF_THE_PROCESS)
        for sample in family.samples
    }


def made_event(rng, number, now):
    """An event with whatever an event may carry, and some that are late, twice, refused or of another dimension."""
    dimension = int(rng.choice([8, 8, 8, 8, 8, 5]))
    made = event(
        model=str(rng.choice(MODELS)),
        embedding=None if rng.random() < 0.1 else (rng.normal(size=dimension) * rng.choice([0, 1, 1, 1])).tolist(),
        scores=sorted(rng.uniform(-1, 1, int(rng.integers(0, 6))).tolist(), reverse=True),
        timestamp=now - float(rng.choice([0.0, 3.0, 400.0, 4000.0], p=[0.7, 0.2, 0.05, 0.05])),
        sample_rate=float(rng.choice([1.0, 0.3, 0.07])),
        event_id=f"event-{rng.integers(0, 4000)}",
    )
    some = {
        "latency_seconds": float(rng.gamma(2.0, 0.1)),
        "input_hash": f"input-{rng.integers(0, 50)}",
        "probe": f"probe-{rng.integers(0, 5)}",
        "query_id": f"query-{number}",
        "trace_id": f"trace-{number}",
        "labels": {"locale": str(rng.choice(["de", "en", "fr"])), "unknown": "x"},
        "outcome": {"clicked": bool(rng.random() < 0.5)},
        "relevant": {f"doc-{each}": float(rng.integers(0, 4)) for each in rng.integers(0, 12, 3)},
        "space": "shared",
        "kind": "document",
        "similarity_metric": "dot",
    }
    made |= {name: value for name, value in some.items() if rng.random() < 0.25}
    if rng.random() < 0.3:
        made["ids"] = [f"doc-{each}" for each in rng.permutation(12)[: len(made["scores"])]]
    if rng.random() < 0.05:
        made["error"] = str(rng.choice(["Timeout", "Refused"]))
        del made["scores"]
        made.pop("ids", None)
    return made


def made_lifecycle(rng, number):
    """Of each type, some of them twice."""
    model = str(rng.choice(MODELS))
    status = str(rng.choice(["ingested", "indexed", "withdrawn", "restored"]))
    return [
        {
            "type": "deployment",
            "status": "started",
            "model": model,
            "model_version": "2",
            "deployment": f"d{number % 7}",
        },
        {
            "type": "documents",
            "status": status,
            "model": model,
            "ids": [f"doc-{each}" for each in rng.integers(0, 12, 3)],
        },
        {"type": "documents", "status": "ingested", "model": model, "documents": [{"id": number}, {"id": "a"}]},
        {"type": "documents", "status": "indexed", "model": model, "count": 3},
        {"type": "reindex", "status": str(rng.choice(["started", "finished"])), "model": model, "index": "products"},
        {"type": "maintenance", "status": "begin", "model": model, "duration_seconds": 600},
    ]


def live(served, rng, requests):
    """Traffic of every kind, with scrapes and evaluations at any moment between."""
    for number in range(requests):
        served.clock.advance(float(rng.exponential(2.0)))
        now = served.clock.now()
        kind = rng.random()
        headers = {"idempotency-key": f"key-{rng.integers(0, requests)}"} if rng.random() < 0.3 else {}
        if kind < 0.75:
            batch = [made_event(rng, f"{number}-{each}", now) for each in range(int(rng.choice([1, 1, 5, 60])))]
            served.post(batch, headers)
        elif kind < 0.9:
            queries = [f"query-{rng.integers(0, number + 1)}-{each}" for each in range(5)]
            served.post(
                [{"query_id": each, "success": bool(rng.random() < 0.8)} for each in queries], headers, "/v1/outcomes"
            )
        else:
            served.post(made_lifecycle(rng, number), headers, "/v1/lifecycle")
        if rng.random() < 0.2:
            served.get("/metrics")
        if rng.random() < 0.1:
            served.tick()
        if rng.random() < 0.1:
            for series in served.store.series():
                served.services.intake.judge_by(series, float(rng.choice([0.1, 0.35])))


@pytest.mark.parametrize("seed", range(4))
def test_every_counter_and_histogram_comes_back_to_the_last_bit(tmp_path, seed):
    """Whatever was read or evaluated in between: a value that is an ulp lower would be read as a reset."""
    rng = np.random.default_rng(seed)
    with recorded(tmp_path, baseline_min_events=10, max_series=4) as (first, second):
        live(first, rng, 150)
        before = counted(first)
        replay(first, second)

        assert before == counted(second)
        assert 500 < sum(float(value) for (name, *_), value in before.items() if name == "embedding_events_total")


def test_windows_have_every_event_again_and_quantiles_of_what_is_no_vector(tmp_path):
    """Panes by the times of their events; sums of vectors are lost, and absent rather than wrong."""
    rng = np.random.default_rng(7)
    with recorded(tmp_path) as (first, second):
        for _ in range(20):
            first.clock.advance(5.0)
            first.post([event(embedding=rng.normal(size=8).tolist(), scores=[float(rng.random())]) for _ in range(30)])
        replay(first, second)
        was, found = (each.store.series()[0].windows(each.clock.now()) for each in (first, second))

    for name in was:
        assert was[name].pane.events == found[name].pane.events == 600
        assert found[name].distribution("norm").n == 600
        assert found[name].pane.vectors is None
        for signal in ("norm", "top1_similarity"):
            one, other = (each[name].distribution(signal) for each in (was, found))
            assert one.quantile(np.array([0.1, 0.5, 0.9])) == pytest.approx(
                other.quantile(np.array([0.1, 0.5, 0.9])), abs=0.2
            )


def test_what_was_seen_before_is_known_after(tmp_path):
    """Event ids, idempotency keys with their answers, queries that wait for outcomes, withdrawn documents."""
    with recorded(tmp_path) as (first, second):
        body = json.dumps([event(event_id="e1", query_id="q1"), event(scores=[2.0])]).encode()
        answer = first.send(body, {"idempotency-key": "k1"})
        first.post({"type": "documents", "status": "withdrawn", "model": "e5", "ids": ["doc-7"]}, path="/v1/lifecycle")
        replay(first, second)
        again = second.send(body, {"idempotency-key": "k1"})
        duplicate = second.post(event(event_id="e1"))
        outcome = second.post({"query_id": "q1", "clicked": True}, path="/v1/outcomes")
        second.post(event(ids=["doc-7", "doc-8"]))

        assert (202, "true") == (again.status, again.headers["idempotent-replayed"])
        assert answer.body == again.body
        assert 1 == duplicate.json()["duplicates"]
        assert 1 == outcome.json()["accepted"]
        found = [value for (name, *_), value in second.samples().items() if name == "embedding_withdrawn_results_total"]
        assert [1] == found


def test_a_series_that_expired_is_not_there_again(tmp_path):
    """Its counters began anew with the events that came after."""
    with recorded(tmp_path, series_ttl_seconds=3600.0) as (first, second):
        first.post(event())
        first.clock.advance(7200)
        first.tick()
        first.post(event())
        before = counted(first)
        replay(first, second)

        assert before == counted(second)
        assert "1.0" == before["embedding_events_total", *sorted({**labels(), "kind": "query"}.items())]


def labels():
    return {"model": "e5", "model_version": "2", "tokenizer_version": "1"}


def test_a_record_holds_no_vector_text_or_id(tmp_path):
    """Of events, outcomes and lifecycle events with canaries in every field that is not a label."""
    rng = np.random.default_rng(11)
    vector = rng.normal(size=64).astype(np.float32)
    with recorded(tmp_path) as (first, _):
        first.post(
            event(
                embedding=vector.tolist(),
                event_id="canary-1",
                query_id="canary-2",
                trace_id="canary-3",
                input_hash="canary-4",
                ids=["canary-5", "canary-6"],
                relevant=["canary-5"],
                text="canary-7",
            ),
            {"idempotency-key": "canary-8"},
        )
        first.post([event(probe="canary-9"), event(scores=[2.0])], {"idempotency-key": "canary-10"})
        first.post({"query_id": "canary-11", "clicked": True}, path="/v1/outcomes")
        first.post(
            [
                {"type": "documents", "status": "ingested", "model": "e5", "ids": ["canary-12"]},
                {"type": "documents", "status": "indexed", "model": "e5", "documents": [{"id": "canary-13"}]},
            ],
            path="/v1/lifecycle",
        )
        written = b"".join(first.services.intake.journal.records)

    assert b"e5" in written
    assert b"canary" not in written
    pieces = vector.tobytes() + vector.astype(np.float64).tobytes() + vector.astype(np.float16).tobytes()
    assert not [at for at in range(0, len(pieces) - 8, 8) if pieces[at : at + 8] in written]


def test_records_are_read_at_fifty_thousand_events_a_second(tmp_path):
    """In batches of 64 with ten scores; the floor is for a machine that is busy with other things."""
    rng = np.random.default_rng(13)
    with recorded(tmp_path) as (first, second):
        for _ in range(200):
            first.clock.advance(0.05)
            embeddings = rng.normal(size=(64, 32)).round(3).tolist()
            first.post([event(embedding=each, scores=[0.9] * 10) for each in embeddings], JSON)
        replayed = replay(first, second)

    rate = replayed.events / replayed.seconds
    print(f"{rate:,.0f} events a second")  # noqa: T201 - the figure of docs/reliability.md
    assert 64 * 200 == replayed.events
    assert rate > 20_000
