"""What teams measure of a roll-out, an index and its slices: told over HTTP, computed by hand, equal in /metrics."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.service import event, service

ROOT = Path(__file__).parents[1]
LIFECYCLE = "/v1/lifecycle"
E5 = {"model": "e5"}
PRODUCTS = {"model": "e5", "index": "products"}


@pytest.fixture
def served():
    with service(slice_labels=("locale",), poor_match_similarity=0.5) as made:
        yield made


def tell(served, *events):
    reply = served.post(list(events), path=LIFECYCLE)
    assert (202, len(events)) == (reply.status, reply.json()["accepted"]), reply.text()


def values(served, name, *labels):
    """The samples of a family: values of these labels -> value."""
    found = {}
    for (sample, *pairs), value in served.samples().items():
        if sample == f"embedding_{name}":
            of = dict(pairs)
            found[tuple(of[label] for label in labels)] = value
    return found


def test_m8_a_reindex_has_a_duration_a_progress_and_a_start(served):
    """The last took an hour; the next has been running for ten minutes and is at 40 %."""
    reindex = {"type": "reindex", **PRODUCTS}
    tell(served, {**reindex, "status": "started", "reindex": "1"})
    served.clock.advance(3600)
    tell(served, {**reindex, "status": "finished", "reindex": "1"})
    begun = served.clock.advance(60)
    tell(served, {**reindex, "status": "started", "reindex": "2"})
    served.clock.advance(600)
    tell(served, {**reindex, "status": "progress", "reindex": "2", "progress": 0.4})

    place = ("e5", "products")
    assert {place: 3600.0} == values(served, "reindex_duration_seconds", "model", "index")
    assert {place: 1.0} == values(served, "reindex_in_progress", "model", "index")
    assert {place: begun} == values(served, "reindex_started_timestamp_seconds", "model", "index")
    assert {place: 0.4} == values(served, "reindex_progress_ratio", "model", "index")
    assert {(*place, "finished"): 1.0, (*place, "failed"): 0.0} == values(
        served, "reindexes_total", "model", "index", "result"
    )


def test_m9_and_f3_documents_that_are_not_indexed_in_time_are_late(served):
    """Ten come in; seven are indexed after five minutes, one after twenty, two never: 7 of 10 are fresh."""
    documents = {"type": "documents", **PRODUCTS}
    tell(served, {**documents, "status": "ingested", "ids": list(range(10))})
    served.clock.advance(300)
    tell(served, {**documents, "status": "indexed", "ids": list(range(7))})
    served.clock.advance(900)
    tell(served, {**documents, "status": "indexed", "ids": [7]})

    place = ("e5", "products")
    counted = {
        name: values(served, f"documents_{name}_total", "model", "index")[place]
        for name in ("ingested", "indexed", "fresh", "late")
    }
    assert {"ingested": 10, "indexed": 8, "fresh": 7, "late": 3} == counted
    assert {place: 8.0} == values(served, "document_lag_seconds_count", "model", "index")
    assert {place: 7 * 300 + 1200} == values(served, "document_lag_seconds_sum", "model", "index")
    assert {(): 900.0} == values(served, "freshness_limit_seconds")


def test_the_freshness_limit_is_a_setting_and_scales():
    """Of an hour, in a demonstration that runs sixty times as fast: a minute."""
    with service(freshness_limit_seconds=3600.0, time_scale=60.0) as served:
        assert {(): 60.0} == values(served, "freshness_limit_seconds")


def test_m10_canaries_are_counted_by_how_they_ended(served):
    """Three finished, one rolled back: a quarter; what happens to stable deployments is beside it."""
    for number, status in enumerate(("finished", "finished", "rolled_back", "finished")):
        told = {"type": "deployment", **E5, "track": "canary", "deployment": str(number)}
        tell(served, {**told, "status": "started"}, {**told, "status": status})
    tell(served, {"type": "deployment", "status": "failed", **E5})

    counted = values(served, "deployments_total", "track", "result")
    canaries = {result: count for (track, result), count in counted.items() if track == "canary"}
    assert {"finished": 3, "failed": 0, "rolled_back": 1} == canaries
    assert 1 == counted["stable", "failed"]


def send(served, n, **fields):
    assert 202 == served.post([event(**fields)] * n).status


def test_f2_a_version_that_nobody_announced_says_so(served):
    """Version 2 was announced, 3 came by itself; what is told later of 3 counts from then on."""
    tell(served, {"type": "deployment", "status": "started", **E5, "model_version": "2", "tokenizer_version": "1"})
    send(served, 30, model_version="2")
    send(served, 10, model_version="3")
    first_seen = served.clock.now()

    assert {("2",): 1.0, ("3",): 0.0} == values(served, "version_announced", "model_version")
    assert {("2",): 30.0, ("3",): 10.0} == values(served, "events_total", "model_version")
    assert {("2",): first_seen, ("3",): first_seen} == values(
        served, "version_first_seen_timestamp_seconds", "model_version"
    )

    tell(served, {"type": "deployment", "status": "started", **E5, "model_version": "3", "tokenizer_version": "1"})
    assert {("2",): 1.0, ("3",): 1.0} == values(served, "version_announced", "model_version")


def test_f2_shares_of_traffic_by_version_are_asked_as_the_page_says(promtool, tmp_path):
    """30 and 10 events a minute: three quarters and one, whatever the clock says; a version without any is 0."""
    page = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    query = re.search(r"## Versions.*?```promql\n(.*?)```", page, re.DOTALL)[1]

    def series(version, step):
        labels = f'model="e5",model_version="{version}",tokenizer_version="1",kind="query"'
        return {"series": f"embedding_events_total{{{labels}}}", "values": f"0+{step}x60"}

    expected = [
        {"labels": f'{{model="e5", model_version="{version}", tokenizer_version="1"}}', "value": share}
        for version, share in (("1", 0.0), ("2", 0.75), ("3", 0.25))
    ]
    asked = {"expr": query, "eval_time": "1h", "exp_samples": expected}
    document = {"series": 'embedding_events_total{model="e5",model_version="9",kind="document"}', "values": "0+99x60"}
    tests = [
        {
            "interval": "1m",
            "input_series": [series("1", 0), series("2", 30), series("3", 10), document],
            "promql_expr_test": [asked],
        }
    ]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": tests}))

    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_f9_a_bad_slice_stands_out_from_its_parent(served):
    """Of 300 German queries 15 match poorly, of 120 Portuguese 60: 5 % and 50 %, and 18 % of all; worst is Portuguese.

    The other version's events are of the same slices; probes and events without the label are of none.
    """
    served.post(event(scores=[0.9]))
    served.tick()
    for version, locale, good, poor in (("2", "de", 185, 10), ("1", "de", 100, 5), ("2", "pt", 60, 60)):
        send(served, 1, model_version=version)
        served.tick()
        for count, score in ((good, 0.75), (poor, 0.25)):
            send(served, count, model_version=version, labels={"locale": locale}, scores=[score])
    send(served, 5, labels={"locale": "pt"}, probe="p", embedding=[1.0, 2.0])

    place = ("model", "kind", "slice_label", "slice_value")
    de, pt = ("e5", "query", "locale", "de"), ("e5", "query", "locale", "pt")
    assert {de: 300.0, pt: 120.0} == values(served, "slice_events_total", *place)
    assert {de: 300.0, pt: 120.0} == values(served, "slice_queries_total", *place)
    assert {de: 15.0, pt: 60.0} == values(served, "slice_poor_match_queries_total", *place)
    assert {de: 0.75, pt: 0.25} == values(served, "slice_top1_similarity_median", *place)
    assert 75.0 == sum(values(served, "poor_match_queries_total", "model_version").values())
    assert {} == values(served, "slice_ood_excess_ratio", *place)
    assert [
        {
            "model": "e5",
            "kind": "query",
            "slice_label": "locale",
            "slice_value": "pt",
            "poor_match_ratio": 0.5,
            "top1_similarity_median": 0.25,
            "ood_excess_ratio": None,
        }
    ] == served.get("/v1/series").json()["worst_slices"]


def test_a_model_without_slices_has_no_worst_one(served):
    """And one with too few events in each has none either."""
    send(served, 3, labels={"locale": "de"})

    assert [] == served.get("/v1/series").json()["worst_slices"]
