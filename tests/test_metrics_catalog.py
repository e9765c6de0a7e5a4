"""The catalogue is complete and well named, a full series stays within its budget, and the docs are in step."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from app.metrics.catalog import FAMILIES
from app.metrics.reference import page
from app.model import MAX_ERROR_TYPES, Reason
from tests.exporter import Exporter

SAMPLE_BUDGET = 350
OWN = [family for family in FAMILIES if family.name.startswith("embedding_")]
KEY = {"model": "e5", "model_version": "2", "tokenizer_version": "1", "kind": "query"}
every_own = pytest.mark.parametrize("family", OWN, ids=lambda family: family.name)


@pytest.fixture(scope="module")
def maximal():
    """An exporter with one series that has all there is: windows, signals, statistics, error types, faults, limits."""
    exporter = Exporter()
    rng = np.random.default_rng(7)
    for _ in range(25):
        exporter.send([query(rng) for _ in range(120)])
        exporter.clock.advance(3600)
    exporter.tick()
    exporter.send([query(rng) for _ in range(250)])
    exporter.tick()
    exporter.send([KEY | {"error": f"type {number}"} for number in range(2 * MAX_ERROR_TYPES)])
    exporter.send([KEY | {"embedding": [0] * 4}, KEY | {"embedding": [1] * 3}, KEY | {"embedding": [None] * 4}])
    exporter.send([KEY | {"scores": [], "result_count": 0}])
    exporter.metrics.own.observe_request("/v1/events", 202, 0.004)
    exporter.scrape()
    return exporter


def query(rng):
    """A query with all that an event may carry."""
    return KEY | {
        "embedding": rng.normal(size=4).tolist(),
        "scores": sorted(rng.beta(8, 4, size=5).tolist(), reverse=True),
        "latency_seconds": float(rng.gamma(2, 0.02)),
        "sample_rate": 0.5,
    }


def samples_by_family(text):
    """Family name as in the catalogue -> type and the label names of each of its samples."""
    found = {}
    for metric in parser.text_string_to_metric_families(text):
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = {tuple(label for label in sample.labels if label != "le") for sample in metric.samples}
        found[name] = (metric.type, labels)
    return found


def test_what_is_exported_stands_in_the_catalogue(maximal):
    """Every family of a scrape has its entry, of the same type and with the same labels in the same order."""
    catalogue = {family.name: (family.kind, {family.labels}) for family in FAMILIES}

    exported = samples_by_family(maximal.scrape())

    assert exported == {name: catalogue[name] for name in exported}


def test_what_stands_in_the_catalogue_can_be_exported(maximal):
    """No entry is a promise that nobody keeps: one exporter shows them all, in the catalogue's words."""
    text = maximal.scrape()

    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))

    assert {family.name: family.help for family in FAMILIES} == helps


def test_a_full_series_stays_within_its_budget(maximal):
    """All windows, signals, statistics and error types of one series make at most 350 samples."""
    lines = [line for line in maximal.scrape().splitlines() if 'model="e5"' in line]

    assert sum("embedding_failed_queries_total" in line for line in lines) == MAX_ERROR_TYPES
    assert sum("embedding_drift_score{" in line for line in lines) == 3 * 4 * 6
    assert len(lines) <= SAMPLE_BUDGET


def test_openmetrics_has_the_same_families(maximal):
    """The client library's strict parser reads the OpenMetrics page, and finds what the text page has."""
    text = maximal.scrape()

    families = list(
        openmetrics_parser.text_string_to_metric_families(maximal.scrape("application/openmetrics-text;version=1.0.0"))
    )

    assert samples_by_family(text).keys() == {f.name + ("_total" if f.type == "counter" else "") for f in families}


def test_promtool_has_nothing_to_say(maximal, promtool):
    """`promtool check metrics` on a full scrape is silent."""
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=maximal.scrape(), capture_output=True, text=True, check=False
    )

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


def test_nothing_is_exported_that_prometheus_has_or_cannot_use(maximal):
    """No timestamp, no _created, no NaN or infinity in any sample."""
    samples = [line for line in maximal.scrape().splitlines() if not line.startswith("#")]

    for sample in samples:
        assert re.fullmatch(r"[a-z0-9_]+(\{.*\})? -?\d[\d.e+-]*", sample), sample
        assert "_created{" not in sample


def test_no_family_is_named_twice():
    """Each family stands in the catalogue once."""
    names = [family.name for family in FAMILIES]

    assert sorted(set(names)) == sorted(names)


@every_own
def test_names_and_suffixes_say_the_type(family):
    """Counters alone end in _total, an _info is a gauge, and no suffix of another type is borrowed."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.kind == "gauge" or not family.name.endswith("_info")
    assert not family.name.endswith(("_count", "_sum", "_bucket", "_created", "_percent"))
    assert not re.search(r"gauge|counter|histogram|summary", family.name)


@every_own
def test_units_are_base_units(family):
    """Seconds and bytes, ratios instead of percent, a unix time as _timestamp_seconds."""
    words = family.name.split("_")

    assert not {"ms", "milliseconds", "minutes", "hours", "days", "kb", "mib", "megabytes", "percent"} & set(words)
    assert ("timestamp" in words) == family.name.endswith("_timestamp_seconds")


@every_own
def test_labels_clash_with_nothing(family):
    """No label that Prometheus or a scraper's targets use for themselves, none that only histograms may have."""
    targets = {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "node", "cluster", "region"}
    stages = {"zone", "env", "environment", "stage", "type", "owner", "customer"}
    reserved = targets | stages | {"le", "quantile", "__name__"}

    assert not reserved & set(family.labels)
    assert len(set(family.labels)) == len(family.labels)


@every_own
def test_help_is_a_sentence(family):
    """Help begins with a capital or a name, ends with a full stop and is one line."""
    assert re.fullmatch(r"[A-Z0-9][^\n]*\.", family.help)


@pytest.mark.parametrize("family", [f for f in OWN if f.name.endswith("_quantile")], ids=lambda family: family.name)
def test_quantiles_warn_against_averaging(family):
    """A gauge of quantiles says that they cannot be combined."""
    assert "Never sum or average" in family.help


def test_every_reason_is_there_from_the_start():
    """Before anything went wrong each reason reads 0: a rate needs a first value."""
    text = Exporter().scrape()

    for reason in Reason:
        assert f'embedding_event_failures_total{{reason="{reason}"}} 0.0\n' in text


def test_the_page_of_docs_is_in_step():
    """docs/metrics.md is what `python -m app.metrics` prints."""
    committed = Path(__file__).parents[1] / "docs" / "metrics.md"

    assert page() == committed.read_text(encoding="utf-8")
