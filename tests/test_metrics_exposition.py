"""What a scrape says, byte for byte, and in which format it says it."""

import gzip
import itertools
import os
import re
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest, parser
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from app.baseline.pinned import Progress
from app.canary import Version, compare_versions
from app.decode.labels import clean_label
from app.distribution import Distribution
from app.drift.diagnosis import CAUSES, Suspect
from app.drift.effects import Effects
from app.drift.same_input import SameInput
from app.evaluate import BaselineView, Evaluation, SeriesView, WindowView
from app.lifecycle import Deployment, Documents, Lifecycle, Reindex
from app.metrics import Exposition, OwnMetrics, build, encode
from app.metrics.collector import ExporterCollector
from app.metrics.family import Family
from app.model import FOLDED, Ignored, Reason, Score, SeriesKey, Timing
from app.outcomes import OutcomeMemory
from app.series import Totals
from app.store import MemoryStore, StoreCounts
from tests.builders import events
from tests.fakes import FakeClock

GOLDEN = Path(__file__).parent / "golden"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""With native histograms on: what nobody here writes comes first."""
START = 1_800_000_000.0
NOT_AGAINST = ("invalid", "same_input")
"""Effects that have no family by window and baseline: counters tell the one, families by window the other."""
QUERIES = SeriesKey("e5", "2", "1", "query")
DOCUMENTS = SeriesKey('a "quoted" \\ Größe', "", "", "document")


class Evaluations:
    """A stand-in for the evaluator: the last evaluation, made by hand."""

    def __init__(self, *views):
        series = {view.key: view for view in views}
        canaries = {QUERIES: compare_versions(Version(), Version())}
        self.latest = (
            Evaluation(START + 10, 0.125, series, measured=3, measurable=4, canaries=canaries)
            if views
            else Evaluation()
        )


class Counted:
    """A stand-in for the store: these totals."""

    def __init__(self, *totals):
        self._totals = list(totals)

    def totals(self, now):
        return self._totals

    def slices(self, now):
        return {}

    def counts(self):
        return StoreCounts(len(self._totals), 64, 0, dict.fromkeys(Ignored, 0))


def exposition(store, evaluations=None, own=None, min_window_events=3, lifecycle=None, monotonic=time.monotonic):
    """The exposition of our own families alone: those of the process differ from run to run."""
    own = own or OwnMetrics()
    registry = CollectorRegistry()
    collector = ExporterCollector(
        store,
        evaluations or Evaluations(),
        lifecycle=lifecycle or Lifecycle(b"secret", 900.0),
        outcomes=OutcomeMemory(),
        own=own,
        clock=FakeClock(START),
        min_window_events=min_window_events,
    )
    registry.register(collector)
    return Exposition(registry, own.observe_scrape, monotonic)


def view_of_queries():
    """A series with three baselines and scores of each; all numbers exact in binary, so that their sums are, too."""
    distribution = Distribution.of([0.25, 0.5, 0.5, 1.0])
    nothing, some = SameInput(), SameInput(matches=8, changed=2, repeats=4, inconsistent=1, median_cosine=0.9375)
    signals = {"norm": distribution, "top1_similarity": distribution}
    windows = {
        "5m": WindowView("5m", 2, 2, {"norm": Distribution.of([1.0, 2.0])}, nothing),
        "1h": WindowView("1h", 4, 3, signals | {"novelty": distribution, "pc1": distribution}, some),
    }
    scores = (
        Score("5m", "pinned", "norm", "norm", 0.5, 0.25),
        Score("1h", "pinned", "norm", "norm", 0.5, 0.25),
        Score("1h", "7d", "embedding", "mean_shift", -0.5, 0.25),
        Score("1h", "peer", "top1_similarity", "top1", 0.5, 1.0),
        Score("1h", "pinned", "top1_similarity", "kl", 0.125, None),
        Score("1h", "pinned", "pc1", "psi", 0.125, None),
        Score("1h", "pinned", "pc1", "ks", 0.125, None),
        Score("1h", "pinned", "embedding", "mmd", 0.125, None),
    )
    return SeriesView(
        QUERIES,
        windows,
        (
            BaselineView("pinned", "provisional", "window", "00c0ffee00c0ffee", 2000, signals, START, PROGRESS),
            BaselineView("7d", "provisional", "trailing", None, 500, signals, covered_seconds=172_800.0),
            BaselineView("peer", "final", "peer", None, 250, signals, peer=SeriesKey("e5", "1", "0", "query")),
        ),
        scores,
        effects={("5m", "pinned"): UNKNOWN, ("1h", "pinned"): CHANGED, ("1h", "7d"): CHANGED, ("5m", "7d"): CHANGED},
        similarity_kl={("1h", "pinned"): 0.125, ("1h", "peer"): 0.25, ("5m", "peer"): 0.25},
        suspects={"pinned": (Suspect("new_topics", "new topics", "because"),), "7d": ()},
    )


def view_of_documents():
    """A series that is being learned."""
    return SeriesView(
        DOCUMENTS,
        {"5m": WindowView("5m", 0, 0, {}, SameInput(repeats=1))},
        (BaselineView("pinned", "learning", "learned", None, 7, {}, progress=PROGRESS),),
        (),
    )


PROGRESS = Progress(7, 2000, 60.0, 86400.0)
UNKNOWN = Effects(None, None, None, None, None, None, None, 0.0, None, None, 0, None)
CHANGED = Effects(
    changed_share=0.5,
    changed_share_lower_bound=0.25,
    mean_displacement=1.5,
    variance_log_ratio=-0.25,
    norm_change_ratio=-0.125,
    ood_excess_ratio=0.375,
    centroid_cosine=0.75,
    invalid_share=0.0,
    same_input_cosine=0.9375,
    same_input_changed_ratio=0.25,
    same_input_matches=8,
    same_input_inconsistent_ratio=0.25,
)


@pytest.fixture
def golden_exposition(monkeypatch):
    """Two series, one of them with everything, and a third that had to fold."""
    monkeypatch.setattr("app.metrics.exporter.__version__", "1.2.3")
    monkeypatch.setattr("app.metrics.exporter.platform.python_version", lambda: "3.11.2")
    store = MemoryStore(Timing(), max_series=2, max_state_bytes=10**9, seed=7)
    at = [START] * 3
    store.append(events(at[:2], key=DOCUMENTS, vectors=[[3, 4], [0.5]], weights=4), START)
    store.append(
        events(at, key=QUERIES, vectors=[[3, 4]] * 3, scores=[[0.75, 0.5], [0.25], None], latencies=0.5), START
    )
    store.find(QUERIES).set_poor_match_limit(0.5)
    scores = [[0.75, 0.5], None, None]
    store.append(
        events(
            at,
            key=QUERIES,
            scores=scores,
            empty=[False, True, False],
            errors=[None, None, "timeout"],
            labels=[{"locale": "de"}, {"locale": "de"}, {"locale": "pt"}],
        ),
        START + 1,
    )
    store.append(events(at, key=SeriesKey("late", "1", "1", "query"), ids=["a", "a", None], unknown_labels=1), START)
    lifecycle = Lifecycle(b"secret", 900.0)
    products = {"model": "e5", "index": 'pro"ducts'}
    lifecycle.apply(
        [
            Deployment("finished", model="e5", model_version="2", tokenizer_version="1", track="canary"),
            Reindex("finished", duration_seconds=60.0, **products),
            Documents("ingested", ids=["a", "b"], **products),
            Documents("indexed", ids=["a"], **products),
        ],
        START,
    )
    own = OwnMetrics()
    own.count_failure(Reason.LABEL, 2)
    own.observe_request("/v1/events", 202, 0.25)
    own.observe_request("/v1/events", 422, 0.5)
    own.observe_scrape(0.5)
    return exposition(store, Evaluations(view_of_queries(), view_of_documents()), own, lifecycle=lifecycle)


@pytest.mark.parametrize(("accept", "name"), [(None, "metrics.txt"), (OPENMETRICS, "metrics.openmetrics.txt")])
def test_a_scrape_is_as_it_was(golden_exposition, accept, name):
    """Names, labels, order and values are a promise to dashboards and rules.

    After a change on purpose: UPDATE_GOLDEN=1 pytest tests/test_metrics_exposition.py, and read the difference.
    """
    body = golden_exposition.render(accept, None, []).body
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (GOLDEN / name).write_bytes(body)

    assert (GOLDEN / name).read_text(encoding="utf-8").splitlines() == body.decode().splitlines()


def test_both_formats_say_what_the_client_library_says(golden_exposition):
    """Its own encoders are the oracle of ours: parsed, the pages are the same."""
    registry = golden_exposition._registry
    golden_exposition._observe_seconds = lambda seconds: None

    text, exact = encode.text(registry).decode(), encode.openmetrics(registry).decode()

    assert families(parser, generate_latest(registry).decode()) == families(parser, text)
    assert families(openmetrics_parser, openmetrics.generate_latest(registry).decode()) == families(
        openmetrics_parser, exact
    )


def families(of, text):
    return list(of.text_string_to_metric_families(text))


def test_a_family_of_one_name_or_sample_can_be_picked(golden_exposition):
    """name[] takes the name of a family or of a sample, of several at once, and passes over unknown ones."""
    names = ["embedding_norm_sum", "embedding_drift_score", "nothing"]
    body = golden_exposition.render(None, None, names).body.decode()

    found = {sample.name for family in families(parser, body) for sample in family.samples}

    assert {"embedding_norm_sum", "embedding_drift_score"} == found


def test_a_name_of_nobody_gives_an_empty_page(golden_exposition):
    """Nothing of that name is no error."""
    assert b"" == golden_exposition.render(None, None, ["nothing"]).body
    assert b"# EOF\n" == golden_exposition.render(OPENMETRICS, None, ["nothing"]).body


def test_every_family_can_be_picked_by_name():
    """The client library's own collectors too, which do not describe themselves."""
    store = MemoryStore(Timing(), max_series=2, max_state_bytes=10**9, seed=7)
    parts = {"lifecycle": Lifecycle(b"secret", 900.0), "outcomes": OutcomeMemory()}
    scrapes = build(store, Evaluations(), clock=FakeClock(START), min_window_events=3, **parts).exposition

    for name in ("process_cpu_seconds_total", "python_info", "embedding_exporter_series_limit"):
        assert f"# TYPE {name} " in scrapes.render(None, None, [name]).body.decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ("Application/OpenMetrics-Text;Version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text;version="1.0.0"', OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("application/openmetrics-text;version=1.x", TEXT),
    ],
)
def test_the_format_is_the_one_asked_for(golden_exposition, accept, content_type):
    """The best known one by weight; never OpenMetrics 2.0.0, which nobody here writes."""
    rendered = golden_exposition.render(accept, None, [])

    assert content_type == rendered.content_type
    assert (content_type == OPENMETRICS) == rendered.body.endswith(b"# EOF\n")


@given(st.text(), st.text())
@example("application/openmetrics-text;q=nan", "gzip;q=nan")
@example(";;=,", ";q")
def test_no_header_breaks_a_scrape(accept, accept_encoding):
    """Whatever a scraper sends, it gets one of two formats."""
    rendered = exposition(Counted()).render(accept, accept_encoding, [])

    assert rendered.content_type in {TEXT, OPENMETRICS}
    assert rendered.content_encoding in {None, "gzip"}


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [(None, None), ("gzip", "gzip"), ("br, GZIP;q=0.5", "gzip"), ("gzip;q=0", None), ("identity", None)],
)
def test_a_scrape_is_compressed_where_that_is_accepted(golden_exposition, accept_encoding, encoding):
    """gzip or nothing; the page is the same."""
    names = ["embedding_events_total"]
    rendered = golden_exposition.render(None, accept_encoding, names)

    body = gzip.decompress(rendered.body) if encoding else rendered.body

    assert encoding == rendered.content_encoding
    assert golden_exposition.render(None, None, names).body == body


def test_the_order_of_arrival_does_not_matter():
    """Series are sorted by their key: two replicas with the same traffic show the same page."""
    totals = [Totals(SeriesKey(model, "1", "1", "query"), first_seen=START) for model in "bca"]

    assert exposition(Counted(*totals)).render(None, None, []) == exposition(Counted(*totals[::-1])).render(
        None, None, []
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_not_there(value):
    """A value that is NaN or infinite has no sample: NaN would never alarm, infinity always."""
    scores = (Score("1h", "pinned", "norm", "ks", value, 0.5), Score("1h", "pinned", "norm", "psi", 0.25, 0.5))
    same_input = SameInput(matches=1, median_cosine=value)
    view = SeriesView(
        QUERIES,
        {"1h": WindowView("1h", 1, 1, {}, same_input)},
        (),
        scores,
        effects={("1h", "pinned"): replace(CHANGED, mean_displacement=value)},
        similarity_kl={("1h", "pinned"): value},
    )

    body = exposition(Counted(), Evaluations(view)).render(None, None, []).body.decode()

    assert 'statistic="ks"' not in body
    assert 'statistic="psi"} 0.5\n' in body
    assert not re.search("^embedding_(mean_displacement|similarity_kl|same_input_cosine)", body, re.MULTILINE)
    assert "embedding_changed_share{" in body


def scraped(view, family):
    """The labels beside those of the series, and the value, of each sample that one family has of a view."""
    body = exposition(Counted(), Evaluations(view)).render(None, None, [f"embedding_{family}"]).body.decode()
    return {
        tuple(value for label, value in sample.labels.items() if label not in SeriesKey._fields): sample.value
        for each in families(parser, body)
        for sample in each.samples
    }


def test_a_diagnostic_has_no_score():
    """What has no limit is exported raw, and never as a share of a limit."""
    view = view_of_queries()

    assert {each[2:] for each in scraped(view, "drift_score")} == {
        ("norm", "norm"),
        ("embedding", "mean_shift"),
        ("top1_similarity", "top1"),
    }
    assert ("1h", "pinned", "embedding", "mmd") in scraped(view, "drift_statistic")


def test_raw_statistics_are_of_one_window_and_the_own_baseline():
    """Of signals that alarm all of them, of others three: a series has a budget of samples."""
    raw = scraped(view_of_queries(), "drift_statistic")

    assert raw == {
        ("1h", "pinned", "norm", "norm"): 0.5,
        ("1h", "pinned", "top1_similarity", "kl"): 0.125,
        ("1h", "pinned", "pc1", "ks"): 0.125,
        ("1h", "pinned", "embedding", "mmd"): 0.125,
    }


@pytest.mark.parametrize(("own", "windows"), [("pinned", {"5m", "1h"}), ("uploaded", {"5m", "1h"}), ("30d", {"1h"})])
def test_effects_are_of_every_window_against_the_own_baseline_alone(own, windows):
    """Against another one they are of one window, and so is the KL of similarities."""
    places = [("5m", own), ("1h", own)]
    view = replace(
        view_of_queries(), effects=dict.fromkeys(places, CHANGED), similarity_kl=dict.fromkeys(places, 0.125)
    )

    for family in ("variance_log_ratio", "similarity_kl_nats"):
        assert {(window, own) for window in windows} == scraped(view, family).keys()


@pytest.mark.parametrize("effect", [each.name for each in fields(Effects) if not each.name.startswith(NOT_AGAINST)])
def test_every_effect_has_its_family(effect):
    """With the value that the evaluation found; absent where it found none."""
    found = scraped(view_of_queries(), effect)

    # That of the centroids is told of the own baseline alone.
    places = [("1h", "pinned")] + [("1h", "7d")] * (effect != "centroid_cosine")
    assert found == dict.fromkeys(places, getattr(CHANGED, effect))


@pytest.mark.parametrize(
    ("same_input", "families_of_it"),
    [
        (SameInput(), {}),
        (SameInput(matches=1), {"cosine": 1.0, "changed_ratio": 0.0, "matches": 1}),
        (SameInput(repeats=4, inconsistent=1), {"matches": 0, "inconsistent_ratio": 0.25}),
        (
            SameInput(matches=8, changed=2, repeats=4, median_cosine=0.75),
            {"cosine": 0.75, "changed_ratio": 0.25, "matches": 8, "inconsistent_ratio": 0.0},
        ),
    ],
)
def test_same_input_is_silent_about_what_was_not_seen(same_input, families_of_it):
    """No match has no cosine, no repeat no share of inconsistent ones; without either nobody sends inputs."""
    view = replace(view_of_queries(), windows={"1h": WindowView("1h", 4, 4, {}, same_input)})

    found = {
        name: value
        for name in ("cosine", "changed_ratio", "matches", "inconsistent_ratio")
        for value in scraped(view, f"same_input_{name}").values()
    }

    assert found == families_of_it


@pytest.mark.parametrize("own", ["pinned", "uploaded"])
def test_every_cause_is_suspected_or_not(own):
    """1 for those found, 0 for all others; of the own baseline alone, and of none that was not read."""
    suspects = {own: (Suspect("collapsed", "collapsed", "because"),), "7d": ()}

    found = scraped(replace(view_of_queries(), suspects=suspects), "drift_suspect")

    assert found == {(own, cause.name): float(cause.name == "collapsed") for cause in CAUSES}
    assert {} == scraped(replace(view_of_queries(), suspects={}), "drift_suspect")


@pytest.mark.parametrize(("measured", "measurable", "ratio"), [(0, 0, None), (0, 4, 0.0), (3, 4, 0.75), (4, 4, 1.0)])
def test_the_share_of_measured_vectors_is_told(measured, measurable, ratio):
    """Work that is sampled says so; before there is any it says nothing."""
    evaluations = Evaluations()
    evaluations.latest = Evaluation(START, 0.125, measured=measured, measurable=measurable)

    body = exposition(Counted(), evaluations).render(None, None, []).body.decode()

    found = re.findall(r"^embedding_exporter_novelty_sampled_ratio (\S+)$", body, re.MULTILINE)
    assert found == ([] if ratio is None else [str(ratio)])


def test_quantiles_wait_for_enough_events():
    """Below min_window_events a window says how many events it has, and nothing else."""
    names = ["embedding_norm_quantile", "embedding_window_events"]
    evaluations = Evaluations(view_of_queries())

    enough = exposition(Counted(), evaluations, min_window_events=4).render(None, None, names).body.decode()
    too_few = exposition(Counted(), evaluations, min_window_events=5).render(None, None, names).body.decode()

    assert 'window="1h",q="0.5"} 0.5\n' in enough
    assert "embedding_norm_quantile" not in too_few
    assert 'window="1h",signal="norm"} 4.0\n' in too_few


def test_the_folded_series_has_totals_only():
    """Many models in one: counted, but without a dimension, a first event or scores of its own."""
    totals = Totals(FOLDED, first_seen=0.0)
    totals.add(events([START], vectors=[[3, 4]]), vectors=1)

    body = exposition(Counted(totals)).render(None, None, []).body.decode()

    folded = {line.partition("{")[0] for line in body.splitlines() if 'model="__other__"' in line}
    assert "embedding_events_total" in folded
    assert not {"embedding_model_info", "embedding_version_first_seen_timestamp_seconds"} & folded


def test_nothing_is_said_of_an_evaluation_that_has_not_been():
    """Before the first tick there is no time of it, rather than 1970."""
    body = exposition(Counted()).render(None, None, []).body.decode()

    assert "evaluation" not in body


def test_a_scrape_tells_how_long_the_one_before_took():
    """The first one does not know; the second one does."""
    scrapes = exposition(Counted())

    first, second = (scrapes.render(None, None, []).body.decode() for _ in range(2))

    assert "embedding_exporter_scrape_duration_seconds" not in first
    assert re.search(r"^embedding_exporter_scrape_duration_seconds \d", second, re.MULTILINE)


def test_a_pair_of_scrapers_costs_as_one():
    """Within a second the second one is given the first one's answer; nobody is given the same one twice."""
    now = [0.0]
    store = MemoryStore(Timing(), max_series=2, max_state_bytes=10**9, seed=7)
    scrapes = exposition(store, monotonic=lambda: now[0])

    def told(scraper, accept=OPENMETRICS):
        store.append(events([START], key=QUERIES), START)
        return scrapes.render(accept, "gzip", [], scraper)

    first = told("10.0.0.1")
    assert first is told("10.0.0.2")
    again = told("10.0.0.1")
    assert 3 == events_total(gzip.decompress(again.body).decode())
    assert again is told("10.0.0.2")
    now[0] = 1.5
    assert again is not told("10.0.0.3")
    assert 6 == events_total(gzip.decompress(told("10.0.0.2", accept=None).body).decode(), parser)
    assert told(None) is not told(None)


def test_questions_that_wait_for_a_scrape_share_the_next_one():
    """Five hundred clients with twenty questions each held a scraper up for six seconds, for a page of its own each."""
    asked, go_on = threading.Semaphore(0), threading.Event()
    rendered = []

    class Slow:
        def describe(self):
            return iter([])

        def collect(self):
            rendered.append(len(rendered))
            go_on.wait(10)
            return iter([])

    registry = CollectorRegistry()
    registry.register(Slow())
    moments = itertools.count()

    def monotonic():
        moment = next(moments)
        asked.release()  # not before: whoever has asked has the moment of it
        return moment

    scrapes = Exposition(registry, lambda seconds: None, monotonic)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(scrapes.render(None, None, (), "10.0.0.1"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for _ in range(21):  # all have asked, and the first has begun
        asked.acquire(timeout=10)
    go_on.set()
    for thread in threads:
        thread.join()

    assert 20 == len(answers)
    assert 2 == len(rendered)


def test_scrapes_at_once_do_not_disturb_each_other():
    """Four threads scrape while events arrive: every page is whole, and counters never step back."""
    store = MemoryStore(Timing(), max_series=2, max_state_bytes=10**9, seed=7)
    store.append(events([START], key=QUERIES), START)
    scrapes = exposition(store)
    pages = [[] for _ in range(4)]

    def scrape(into):
        for _ in range(20):
            into.append(scrapes.render(OPENMETRICS, "gzip", []))

    threads = [threading.Thread(target=scrape, args=(into,)) for into in pages]
    for thread in threads:
        thread.start()
    for _ in range(50):
        store.append(events([START] * 3, key=QUERIES), START)
        scrapes.render(None, None, [])
    for thread in threads:
        thread.join()

    for each in pages:
        counted = [events_total(gzip.decompress(rendered.body).decode()) for rendered in each]
        assert 20 == len(counted)
        assert sorted(counted) == counted


def events_total(page, of=openmetrics_parser):
    (family,) = [each for each in families(of, page) if each.name == "embedding_events"]
    return family.samples[0].value


label_values = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: len(text.encode()) < 128 and text != "__other__"
)


@given(label_values, label_values, label_values)
@example("\\", 'a"b', "} 1.0")
@example("\\n", ",}{=#", " # {}")
@example("\u00a0", "\ufeff", "\U0001f600")
def test_any_label_survives_both_formats(model, version, error):
    """Every name that decode accepts comes out of both parsers as it went in."""
    model, version, error = (clean_label(text, 1000) for text in (model, version, error))
    totals = Totals(SeriesKey(model, version, "", "query"), first_seen=START)
    totals.failed_queries[error] = 3
    scrapes = exposition(Counted(totals))
    names = ["embedding_failed_queries_total"]

    for of, accept in ((parser, None), (openmetrics_parser, OPENMETRICS)):
        (family,) = families(of, scrapes.render(accept, None, names).body.decode())
        assert {"model": model, "model_version": version, "tokenizer_version": "", "kind": "query", "error": error} in [
            sample.labels for sample in family.samples
        ]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])))
@example('\\ "')
def test_any_help_survives_the_text_format(text):
    """Backslashes and quotes in a help text come out as they went in."""
    family = Family("embedding_x", "gauge", (), f"A {text}.")
    registry = CollectorRegistry()
    registry.register(One(family.metric([((), 1)])))

    (found,) = families(parser, encode.text(registry).decode())

    assert family.help == found.documentation


class One:
    """A collector of one family."""

    def __init__(self, metric):
        self._metric = metric

    def describe(self):
        return []

    def collect(self):
        return [self._metric]
