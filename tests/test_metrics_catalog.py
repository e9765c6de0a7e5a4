"""The catalogue is complete and well named, a full series stays within its budget, and the docs are in step."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from app.baseline.pinned import Progress
from app.canary import Version, compare_versions
from app.distribution import Distribution
from app.drift import STATISTICS
from app.drift.diagnosis import CAUSES, Suspect
from app.drift.effects import Effects
from app.drift.family import ALARMS
from app.drift.same_input import SameInput
from app.evaluate import BaselineView, Evaluation, ResultsView, SeriesView, WindowView
from app.evaluate.views import Origin
from app.journal import Status
from app.lifecycle import Deployment, Documents, Lifecycle, Maintenance, Reindex
from app.metrics import build
from app.metrics.catalog import FAMILIES
from app.metrics.own import WATCHED
from app.metrics.reference import page
from app.model import MAX_ERROR_TYPES, Outcome, Reason, Score, SeriesKey, Timing, VectorFault
from app.outcomes import OutcomeMemory
from app.series import FRAME_SIGNALS
from app.signals import SIGNALS
from app.state import RESTORED, JournalFacts, StateFacts
from app.store import MemoryStore
from tests.builders import KEY, events
from tests.fakes import FakeClock

SAMPLE_BUDGET = 350
OF_SERIES = 'model="e5",model_version="2",tokenizer_version="1",kind="query"'
WINDOWS = ("5m", "1h", "24h")
STABLE = SeriesKey("e5", "1", "1", "query")
OF_THE_FRAME = {"novelty", "mahalanobis", "joint"}
"""A peer has none of them: it is measured in the frame of its own baseline."""
ALARMS_OF = {
    "pinned": ALARMS,
    "7d": [each for each in ALARMS if each.name not in {"same_input", "query_document"}],
    "peer": [each for each in ALARMS if each.name not in OF_THE_FRAME | {"same_input", "query_document"}],
}
"""What the evaluator reads against each baseline that there is by default, during a roll-out."""
OWN = [family for family in FAMILIES if family.name.startswith("embedding_")]
every_own = pytest.mark.parametrize("family", OWN, ids=lambda family: family.name)


class Evaluations:
    """A stand-in for the evaluator: the last evaluation, made by hand."""

    def __init__(self, *views):
        series = {view.key: view for view in views}
        canaries = dict.fromkeys(series, compare_versions(Version(), Version()))
        sources = {Origin("e5", "query", "server"): "1"}
        self.latest = Evaluation(1.0, 0.1, series, measured=3, measurable=4, canaries=canaries, tokenizers=sources)


def full_view():
    """A series with all windows, signals, alarms and diagnostics, against every baseline of a roll-out."""
    distribution = Distribution.of(np.linspace(0.1, 0.9, 500))
    signals = dict.fromkeys((signal.name for signal in SIGNALS), distribution)
    measured = dict.fromkeys(FRAME_SIGNALS, distribution)
    same_input = SameInput(matches=40, changed=4, repeats=20, inconsistent=1, median_cosine=0.99)
    windows = {
        # The longest window keeps no distributions of what was measured in the frame.
        name: WindowView(name, 500, 500, signals if name == "24h" else signals | measured, same_input)
        for name in WINDOWS
    }
    scores = [
        Score(window, baseline, each.signal, each.name, 0.5, 0.25)
        for baseline, alarms in ALARMS_OF.items()
        for window in WINDOWS
        if (window, baseline) not in {("5m", "7d"), ("24h", "peer")}
        for each in alarms
        if each.name != "query_document" or window != "5m"
    ]
    scores += [
        Score("1h", "pinned", signal, each.name, 0.5, None) for signal in signals | measured for each in STATISTICS
    ]
    scores += [
        Score("1h", "pinned", "embedding", statistic, 0.5, None)
        for statistic in ("mmd", "energy_distance", "sliced_wasserstein")
    ]
    places = [(window, baseline) for baseline in ALARMS_OF for window in WINDOWS]
    return SeriesView(
        KEY,
        windows,
        (
            BaselineView("pinned", "final", "learned", "c0ffee", 2000, signals, 1.0, Progress(2000, 2000, 1.0, 1.0)),
            BaselineView("7d", "final", "trailing", None, 7000, signals, covered_seconds=600_000.0),
            BaselineView("peer", "final", "peer", None, 9000, signals, peer=STABLE),
        ),
        tuple(scores),
        effects={place: effects(of_frame=place[1] != "peer") for place in places},
        similarity_kl=dict.fromkeys(places, 0.125),
        suspects={name: (Suspect("new_topics", "new topics", "because"),) for name in ALARMS_OF},
        results=ResultsView(300.0, 300, 900.0, 0.1, 0.9),
    )


def effects(*, of_frame=True):
    """Effects of every kind."""
    share = 0.25 if of_frame else None
    return Effects(
        changed_share=share,
        changed_share_lower_bound=share,
        mean_displacement=0.5,
        variance_log_ratio=-0.5,
        norm_change_ratio=0.125,
        ood_excess_ratio=share,
        centroid_cosine=0.75,
        invalid_share=0.0,
        same_input_cosine=0.99,
        same_input_changed_ratio=0.1,
        same_input_matches=40,
        same_input_inconsistent_ratio=0.05,
    )


def lived():
    """A lifecycle of which everything was told: one announced version, one index."""
    lifecycle = Lifecycle(b"secret", 900.0)
    now = FakeClock().now()
    model, index = {"model": KEY.model}, {"model": KEY.model, "index": "products"}
    version = {"model_version": KEY.model_version, "tokenizer_version": KEY.tokenizer_version}
    lifecycle.apply(
        [
            Deployment("started", **model, **version),
            Reindex("finished", reindex="1", duration_seconds=60.0, **index),
            Reindex("started", reindex="2", **index),
            Reindex("progress", reindex="2", progress=0.5, **index),
            Documents("ingested", ids=["a", "b"], **index),
            Documents("indexed", ids=["a"], **index),
            Maintenance("begin", **model),
        ],
        now,
    )
    return lifecycle


class Maximal:
    """An exporter with one series that has all there is: error types, faults, limits, and the full view."""

    def __init__(self):
        self.clock = clock = FakeClock()
        store = MemoryStore(Timing(), max_series=8, max_state_bytes=10**9, seed=7)
        faults = [None, VectorFault.ZERO, VectorFault.NON_FINITE]
        vectors, scores = [[3.0, 4.0], None, None], [[0.75, 0.5]] * 3
        now = [clock.now()] * 3
        store.append(events(now, vectors=vectors, scores=scores, faults=faults, latencies=0.5), clock.now())
        store.find(KEY).set_poor_match_limit(0.5)
        in_slice = [{"locale": "de"}] * 100
        store.append(events([clock.now()] * 100, scores=[[0.75]] * 100, labels=in_slice), clock.now())
        store.totals(clock.now())
        store._slices["e5", "query"].add_measured(in_slice, np.zeros(100, np.bool_), clock.now())
        errors = [f"type {number}" for number in range(2 * MAX_ERROR_TYPES)]
        store.append(events([clock.now()] * len(errors), errors=errors), clock.now())
        told = events(
            now[:1], scores=[[0.75]], documents=[["a"]], relevant=[{"a": 1.0}], withdrawn=[1], trace_ids=["t"]
        )
        store.append(told, clock.now())
        outcomes = OutcomeMemory()
        outcomes.count(KEY, [Outcome(success=True, clicked=True, no_answer=True, escalated=True)], [False])
        journal = JournalFacts(Status(True, 0, 7, 3, 0.01, 4096), 5, True)
        state = StateFacts("journal", 1.0, 0, 0, 4096, 0.1, 3.0, dict.fromkeys(RESTORED, 1), journal)
        parts = {"lifecycle": lived(), "outcomes": outcomes, "state": lambda: state}
        self.metrics = build(store, Evaluations(full_view()), clock=clock, min_window_events=200, **parts)
        self.metrics.own.observe_request("/v1/events", 202, 0.004)
        for name in WATCHED:
            self.metrics.own.watch(name, lambda: 1)
        self.scrape()

    def scrape(self, accept=None):
        return self.metrics.exposition.render(accept, None, []).body.decode()


@pytest.fixture(scope="module")
def maximal():
    return Maximal()


def samples_of_series(text):
    """How many samples each family has of the series: not of its model, version, index or slices."""
    names = [line.partition("{")[0] for line in text.splitlines() if OF_SERIES in line]
    return Counter(re.sub("_(bucket|sum|count)$", "", name) for name in names)


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
    """All windows, signals, statistics, baselines and error types of one series make at most 350 samples."""
    found = samples_of_series(maximal.scrape())

    assert {
        "embedding_failed_queries_total": MAX_ERROR_TYPES,
        "embedding_drift_score": 9 + 2 * 10 + 2 * 8 + 2 * 5,
        "embedding_drift_statistic": 10 + 3 + 2 * 6 + 4 * 2,
        "embedding_window_events": 3 * 3 + 2 + 3,
        "embedding_similarity_kl_nats": 3 + 2,
        "embedding_changed_share": 1 + 1,
        "embedding_centroid_cosine": 1,
        "embedding_mean_displacement": 2 + 2,
        "embedding_same_input_matches": 2,
        "embedding_drift_suspect": len(CAUSES),
        "embedding_baseline_info": 3,
    }.items() <= found.items()
    assert found.total() <= SAMPLE_BUDGET


def test_openmetrics_has_the_same_families(maximal):
    """The client library's strict parser reads the OpenMetrics page, and finds what the text page has."""
    text = maximal.scrape()

    families = list(
        openmetrics_parser.text_string_to_metric_families(maximal.scrape("application/openmetrics-text;version=1.0.0"))
    )

    assert samples_by_family(text).keys() == {f.name + ("_total" if f.type == "counter" else "") for f in families}


def test_times_are_told_by_the_machine_s_clock(maximal):
    """Where it was set they, and those of exemplars, and nothing else are other by as much; set right, none is."""
    openmetrics = "application/openmetrics-text;version=1.0.0"

    def told():
        own = ("process_", "python_", "embedding_exporter_scrape_duration_seconds")
        return [line for line in maximal.scrape(openmetrics).splitlines() if not line.startswith(own)]

    before = told()
    maximal.clock.set_by(86400.0)
    moved = told()
    maximal.clock.set_by(-86400.0)

    assert before == told()
    pairs = [(old, new) for old, new in zip(before, moved, strict=True) if old != new]
    names = {old.partition("{")[0].partition(" ")[0] for old, _ in pairs if " # " not in old}
    assert names == {family.name for family in FAMILIES if family.name.endswith("_timestamp_seconds")}
    assert any(" # " in old for old, _ in pairs)
    for old, new in pairs:
        assert old.rpartition(" ")[0] == new.rpartition(" ")[0]
        assert 86400.0 == float(new.rpartition(" ")[2]) - float(old.rpartition(" ")[2])


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
    store = MemoryStore(Timing(), max_series=8, max_state_bytes=10**9, seed=7)
    metrics = build(store, Evaluations(), lived(), FakeClock(), 200, outcomes=OutcomeMemory())
    text = metrics.exposition.render(None, None, []).body.decode()

    for reason in Reason:
        assert f'embedding_event_failures_total{{reason="{reason}"}} 0.0\n' in text


def test_the_page_of_docs_is_in_step():
    """docs/metrics.md is what `python -m app.metrics` prints."""
    committed = Path(__file__).parents[1] / "docs" / "metrics.md"

    assert page() == committed.read_text(encoding="utf-8")
