"""A million distinct values in every field that a sender may make up (R7, R8).

Memory is bounded, counts are exact, known series are untouched.
"""

import http.client
import json
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.store import STORES
from tests.process import process
from tests.service import event, service, vectors

BATCH = 1000
MAX_GROWTH_BYTES = 256 * 1024 * 1024
MAX_SCRAPE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Attack:
    """So many batches in which nothing comes twice."""

    batches: int


SHORT = pytest.param(Attack(50), marks=pytest.mark.faults, id="50,000")
LONG = pytest.param(Attack(1000), marks=pytest.mark.nightly, id="1,000,000")


def strangers(number):
    """A batch of events each of which is of a series, slice, query and error of its own."""
    return [
        {
            "model": f"stranger-{number}-{position}",
            "model_version": f"{position}",
            "tokenizer_version": f"{number}",
            "space": f"space-{number}-{position}",
            "labels": {"locale": f"locale-{number}-{position}"},
            "event_id": f"event-{number}-{position}",
            "query_id": f"query-{number}-{position}",
            "input_hash": f"input-{number}-{position}",
            "trace_id": f"trace-{number}-{position}",
            "error": f"error-{number}-{position}",
            "scores": [0.5],
            "ids": [f"document-{number}-{position}"],
        }
        for position in range(BATCH)
    ]


@pytest.mark.parametrize("attack", [SHORT, LONG])
def test_r7_strangers_fold_into_one_series_and_cost_bounded_memory(tmp_path, attack):
    """Every event that was accepted is counted once, under its own series or under __other__."""
    rng = np.random.default_rng(7)
    flags = ("--reserved-models", "known", "--slice-labels", "locale")
    with process(tmp_path, *flags) as made:
        made.started()
        connection = http.client.HTTPConnection(made.host, made.port, timeout=60)

        def post(events):
            connection.request("POST", "/v1/events", json.dumps(events), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            body = json.loads(reply.read())
            assert 202 == reply.status
            return body["accepted"]

        accepted = 0
        for number in range(64):
            rows = vectors(rng, 100, dimension=256)
            accepted += post([event(model=f"resident-{number}", embedding=row) for row in rows])
        before = made.resident_bytes()
        accepted += sum(post(strangers(number)) for number in range(attack.batches))
        growth = made.resident_bytes() - before
        accepted += post([event(model="known") for _ in range(BATCH)])
        connection.close()
        scrape = made.ask("GET", "/metrics")[1]

    samples = [sample for family in text_string_to_metric_families(scrape.decode()) for sample in family.samples]
    counted = {sample.labels["model"]: sample.value for sample in samples if sample.name == "embedding_events_total"}
    assert accepted == 64 * 100 + (attack.batches + 1) * BATCH == sum(counted.values())
    assert BATCH == counted["known"]
    assert counted["__other__"] >= (attack.batches - 1) * BATCH
    (series,) = [sample.value for sample in samples if sample.name == "embedding_exporter_series"]
    assert series <= 64
    assert len(scrape) < MAX_SCRAPE_BYTES
    sys.stdout.write(f"{growth / 2**20:.0f} MiB more\n")
    assert growth < MAX_GROWTH_BYTES, f"{growth / 2**20:.0f} MiB"


def lived(served, *, attacked):
    """What is exported of a known model after some hours, beside strangers or not."""
    rng = np.random.default_rng(7)
    for hour in range(8):
        for _ in range(6):
            rows = vectors(rng, 60)
            served.post([event(model="known", embedding=row, labels={"locale": "en"}) for row in rows])
            if attacked:
                served.post(strangers(hour))
            served.clock.advance(600)
        served.tick()
    return {key: value for key, value in served.samples().items() if ("model", "known") in key}


@pytest.mark.faults
def test_r8_a_known_series_is_what_it_would_be_without_the_attack(tmp_path, monkeypatch):
    """Every sample of it: counts, histograms, windows, scores and the baseline that was learned meanwhile.

    What is left to chance elsewhere is not here: seeds are given, and quantile sketches large enough to be exact.
    """
    (tmp_path / "key").write_text("0123456789abcdef")
    monkeypatch.setattr("app.sketch.quantiles.K", 4096)
    monkeypatch.setitem(STORES, "memory", partial(STORES["memory"], seed=7))
    settings = {
        "input_hash_key_file": tmp_path / "key",
        "max_series": 8,
        "reserved_models": ("known",),
        "slice_labels": ("locale",),
        "baseline_duration_seconds": 2 * 3600.0,
        "baseline_min_events": 500,
    }
    with service(**settings) as quiet, service(**settings) as noisy:
        alone, beside = lived(quiet, attacked=False), lived(noisy, attacked=True)

    assert len(alone) > 100
    assert alone == beside
