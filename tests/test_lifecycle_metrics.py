"""Families of the lifecycle: well named, read from a view, bounded, and what the documents' PromQL makes of them."""

import json
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from app.lifecycle import Deployment, Documents, Lifecycle, Maintenance, Reindex, deployments, documents, reindexes
from app.metrics.catalog import FAMILIES
from app.metrics.family import families
from app.metrics.lifecycle import LIFECYCLE

NOW = 1_800_000_000.0
PAGE = Path(__file__).parents[1] / "docs" / "lifecycle.md"


class OfLifecycle(Collector):
    """The families with samples, as the collector of the exporter will give them."""

    def __init__(self, lifecycle, now):
        self._view = lifecycle.view(now, ["bge"])

    def collect(self):
        metrics = (source.family.metric(source.read(self._view)) for source in LIFECYCLE)
        return [metric for metric in metrics if metric.samples]


def scrape(lifecycle, now):
    registry = CollectorRegistry()
    registry.register(OfLifecycle(lifecycle, now))
    return generate_latest(registry).decode()


LABELS = {family.name: family.labels for family in families(LIFECYCLE)}


def samples(lifecycle, now):
    """Name without prefix, and label values in the order of the family's labels -> value."""
    found = {}
    for family in text_string_to_metric_families(scrape(lifecycle, now)):
        for sample in family.samples:
            names = LABELS.get(sample.name) or LABELS.get(family.name) or ()
            values = [sample.labels[name] for name in (*names, *sample.labels.keys() - set(names))]
            found[sample.name.removeprefix("embedding_"), *values] = sample.value
    return found


@pytest.fixture
def lived():
    """A lifecycle of which everything was told."""
    lifecycle = Lifecycle(b"secret", 900.0)
    canary = {"model": "e5", "model_version": "3", "tokenizer_version": "2", "track": "canary"}
    index = {"model": "e5", "index": "products"}
    lifecycle.apply([Deployment("started", **canary), Reindex("started", reindex="1", **index)], NOW - 600)
    lifecycle.apply([Documents("ingested", ids=list("abcd"), **index)], NOW - 1000)
    lifecycle.apply([Documents("indexed", ids=list("abc"), **index)], NOW - 400)
    lifecycle.apply(
        [
            Deployment("rolled_back", **canary),
            Reindex("finished", reindex="1", **index),
            Reindex("started", reindex="2", **index),
            Reindex("progress", reindex="2", progress=0.5, **index),
            Maintenance("begin", model="e5"),
        ],
        NOW,
    )
    return lifecycle


def test_everything_that_was_told_is_there(lived):
    """Each family by hand."""
    found = {name: value for name, value in samples(lived, NOW).items() if name[0] != "document_lag_seconds_bucket"}
    e5 = ("e5", "products")

    assert {
        ("deployments_total", "e5", "canary", "finished"): 0,
        ("deployments_total", "e5", "canary", "failed"): 0,
        ("deployments_total", "e5", "canary", "rolled_back"): 1,
        ("deployment_timestamp_seconds", "e5", "canary", "started", "3", "2"): NOW - 600,
        ("deployment_timestamp_seconds", "e5", "canary", "rolled_back", "3", "2"): NOW,
        ("reindexes_total", *e5, "finished"): 1,
        ("reindexes_total", *e5, "failed"): 0,
        ("reindex_in_progress", *e5): 1,
        ("reindex_started_timestamp_seconds", *e5): NOW,
        ("reindex_progress_ratio", *e5): 0.5,
        ("reindex_duration_seconds", *e5): 600,
        ("documents_ingested_total", *e5): 4,
        ("documents_indexed_total", *e5): 3,
        ("documents_fresh_total", *e5): 3,
        ("documents_late_total", *e5): 1,
        ("document_lag_seconds_count", *e5): 3,
        ("document_lag_seconds_sum", *e5): 1800,
        ("freshness_limit_seconds",): 900,
        ("maintenance", "bge"): 0,
        ("maintenance", "e5"): 1,
        ("lifecycle_ignored_total", "duplicate"): 0,
        ("lifecycle_ignored_total", "late"): 0,
        ("lifecycle_ignored_total", "unmatched_document"): 0,
        ("lifecycle_ignored_total", "dropped_document"): 0,
        ("lifecycle_ignored_total", "dropped_withdrawn"): 0,
        ("lifecycle_ignored_total", "dropped_run"): 0,
    } == found


def test_before_anything_was_told_only_what_is_known_is_there():
    """The limit, and that nothing was ignored."""
    assert {"freshness_limit_seconds", "maintenance", "lifecycle_ignored_total"} == {
        name for name, *_ in samples(Lifecycle(b"secret", 900.0), NOW)
    }


def test_what_is_not_known_is_absent():
    """No zero for a duration, no share of documents that were only counted."""
    lifecycle = Lifecycle(b"secret", 900.0)
    lifecycle.apply([Reindex("finished", model="e5"), Documents("ingested", model="e5", count=5)], NOW)

    found = {name for name, *_ in samples(lifecycle, NOW)}
    assert {"reindex_in_progress", "documents_ingested_total"} <= found
    assert not found & {"reindex_duration_seconds", "reindex_started_timestamp_seconds", "documents_fresh_total"}


def test_the_names_stand_up_to_promtool(promtool, lived):
    """Help, units, suffixes."""
    done = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(lived, NOW), capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr + done.stdout)


def test_a_full_scrape_is_bounded():
    """200 indexes of 200 models: some 130 pairs of labels."""
    lifecycle = Lifecycle(b"secret", 900.0)
    for i in range(200):
        names = {"model": f"m{i}", "index": f"i{i}"}
        lifecycle.apply([Reindex("started", **names), Documents("ingested", ids=["a"], **names)], NOW)
        lifecycle.apply([Deployment("started", model=f"m{i}"), Maintenance("begin", model=f"m{i}")], NOW)

    assert len(samples(lifecycle, NOW)) < 3000


def test_every_family_named_in_the_page_and_in_the_docstrings_exists():
    """Else a copied query would show nothing."""
    known = {family.name for family in FAMILIES}
    text = PAGE.read_text() + "".join(module.__doc__ for module in (deployments, documents, reindexes))

    named = set(re.findall(r"embedding_\w+", text))
    assert len(named) > 6
    assert named <= known


def expression(module, number=0):
    """The indented PromQL of a module's docstring."""
    blocks = re.split(r"\n\s*\n", module.__doc__)
    return [" ".join(block.split()) for block in blocks if block.startswith("    ")][number]


def test_the_promql_of_the_docstrings_gives_what_is_computed_by_hand(promtool, tmp_path):
    """M9 and M10 over scrapes a minute apart: 90 of 100 documents in time, 1 of 4 canaries rolled back."""
    lifecycle = Lifecycle(b"secret", 120.0)
    scrapes = []
    for minute in range(121):
        now = NOW + 60 * minute
        if minute == 0:
            lifecycle.apply([Deployment("started", model="e5", track="canary", deployment="0")], now)
            lifecycle.apply([Documents("ingested", model="e5", index="products", ids=["first"])], now - 1)
            lifecycle.apply([Documents("indexed", model="e5", index="products", ids=["first"])], now)
        elif minute % 30 == 10:
            status = "rolled_back" if minute == 40 else "finished"
            lifecycle.apply([Deployment(status, model="e5", track="canary", deployment=str(minute))], now)
        elif minute % 10 == 5 and minute < 105:
            names = [f"{minute}-{i}" for i in range(10)]
            lifecycle.apply([Documents("ingested", model="e5", index="products", ids=names)], now - 10)
            lifecycle.apply([Documents("indexed", model="e5", index="products", ids=names[1:])], now)
        scrapes.append(samples(lifecycle, now))
    rules = _rules(
        scrapes, {"m9": expression(documents), "m9_exact": expression(documents, 1), "m10": expression(deployments)}
    )
    (tmp_path / "test.yml").write_text(json.dumps(rules))

    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def _rules(scrapes, queries):
    names = sorted(name for name in scrapes[-1] if name[0].startswith(("documents", "deployments")))
    series = []
    for name in names:
        keys = LABELS[f"embedding_{name[0]}"]
        text = ",".join(f'{key}="{value}"' for key, value in zip(keys, name[1:], strict=True))
        values = " ".join(f"{each[name]:g}" for each in scrapes)
        series.append({"series": f"embedding_{name[0]}{{{text}}}", "values": values})
    expected = {
        "m9": ('{model="e5", index="products"}', 0.9),
        "m9_exact": ('{model="e5", index="products"}', 0.9),
        "m10": ('{model="e5"}', 0.25),
    }
    return {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [
                    {
                        # Over what there is, in place of a day or a month: the ends of the range are then scrapes.
                        "expr": f"round({re.sub(r'.(1h|1d|30d)]', '[2h]', query)}, 0.001)",
                        "eval_time": "2h",
                        "exp_samples": [{"labels": expected[name][0], "value": expected[name][1]}],
                    }
                    for name, query in queries.items()
                ],
            }
        ],
    }


def test_bounds_of_the_lag_are_in_order():
    """And the usual limits are among them, for an exact share."""
    assert all(low < high for low, high in pairwise(documents.LAG_BOUNDS))
    assert {60.0, 300.0, 900.0, 3600.0, 86400.0} <= set(documents.LAG_BOUNDS)
