"""M1 to M10 as docs/retrieval.md asks for them, of a real Prometheus: equal to a stream counted by hand, or its halves.

One exporter is fed the whole stream, two others halves of it. All have a simulated clock; their pages say of what time
they are, so that Prometheus has two scrapes an hour apart, and rates of it have no jitter.
"""

import json
import math
import re
import time
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml

from app.metrics.catalog import FAMILIES
from tests.scraped import served
from tests.service import event, service

PAGE = Path(__file__).parents[1] / "docs" / "retrieval.md"
QUERY = re.compile(r"^# (M\d+: .*?)\n(.*?)(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)

WHOLE, HALVES = "e5-whole", "e5"
"""The model as Prometheus stores it: one scrape gives the whole another name."""
SIMILARITIES = (0.42, 0.55, 0.62, 0.70)
LEARNED = (60, 120, 240, 180)
"""How often each of them comes in the hours that the baseline is learned from, and in the hour that is looked at."""
LOOKED_AT = (40, 100, 150, 90)
FAILED, EMPTY = 8, 12
RELEVANT = [f"r{number}" for number in range(10)]
INDEX = {"model": "e5", "index": "products"}


def query(rng, number, similarity, norm):
    """A query with ten results, none of which is any of the relevant ones."""
    direction = rng.normal(size=8)
    return event(
        query_id=f"q{number}",
        embedding=(norm * direction / np.linalg.norm(direction)).tolist(),
        scores=[similarity] * 10,
        ids=[f"d{rank}" for rank in range(10)],
        latency_seconds=0.01 * (number % 7),
        labels={"locale": "de" if number % 3 else "en"},
    )


def stream(rng, counts, *, first, norm):
    """Queries of an hour, and what people made of them: numbered from `first`, the failed and the empty ones before.

    Of the normal ones 35 are labelled: ten find their document first, ten third, ten not at all, and five have ten
    relevant ones and find seven of them.
    """
    numbers = iter(range(first, 10**9))
    sent = [event(query_id=f"q{next(numbers)}", scores=None, error="timeout") for _ in range(FAILED)]
    sent = [{name: value for name, value in each.items() if value is not None} for each in sent]
    sent += [
        event(query_id=f"q{next(numbers)}", scores=[], result_count=0, outcome={"no_answer": True})
        for _ in range(EMPTY)
    ]
    values = [value for value, count in zip(SIMILARITIES, counts, strict=True) for _ in range(count)]
    matched = [query(rng, next(numbers), value, norm) for value in values]
    for each in matched[:8]:
        each["outcome"] = {"no_answer": False}
    labelled = matched[counts[0] : counts[0] + 35]
    for position, each in enumerate(labelled):
        if position < 30:
            each["relevant"] = ["wanted"]
            if position < 20:
                each["ids"][0 if position < 10 else 2] = "wanted"
        else:
            each["relevant"] = RELEVANT
            each["ids"][:7] = RELEVANT[:7]
    poor, normal = matched[:20], matched[-20:]
    told = [
        {"query_id": each["query_id"], "clicked": position < clicked, "success": position < found, "escalated": sad}
        for group, clicked, found, escalated in ((poor, 2, 1, 3), (normal, 10, 7, 0))
        for position, each in enumerate(group)
        for sad in [position < escalated]
    ]
    return [*sent, *matched], told


class Exporters:
    """The one that is told everything, and the two that are told half of it each."""

    def __init__(self, stack, now):
        self.all = [
            stack.enter_context(
                service(
                    poor_match_similarity=0.5,
                    min_window_events=100,
                    baseline_min_events=500,
                    baseline_duration_seconds=3600.0,
                    slice_labels=("locale",),
                )
            )
            for _ in range(3)
        ]
        for each in self.all:
            each.clock.advance(now - each.clock.now())

    def advance(self, seconds):
        for each in self.all:
            each.clock.advance(seconds)

    def post(self, items, path):
        """Everything to the first; to the others by turns, each query with its outcomes."""
        whole, *halves = self.all
        parts = {half: [] for half in halves}
        for item in items:
            number = int(item["query_id"][1:]) if "query_id" in item else 0
            parts[halves[number % 2]].append(item)
        for exporter, part in ((whole, items), *parts.items()):
            if part:
                reply = exporter.post(part, path=path)
                assert (202, len(part)) == (reply.status, reply.json()["accepted"]), reply.text()

    def tick(self):
        for each in self.all:
            each.tick()

    def pages(self, at):
        """What each says, as of this time."""
        return [stamped(each.get("/metrics").text(), at) for each in self.all]


def stamped(page, at):
    """The page with a time for every sample."""
    return "".join(
        f"{line}\n" if line.startswith("#") else f"{line} {round(1000 * at)}\n" for line in page.splitlines() if line
    )


def told_first(now):
    """Fourteen canaries, three hundred documents and a reindex, hours ago.

    Two scrapes are few: a counter that grew by more than it was before would not be extrapolated as the others are.
    """
    canaries = ["finished"] * 12 + ["rolled_back"] * 2
    return [
        *deployments(canaries, "before"),
        *documents("before", now - 300, range(300), range(300), 300),
        {"type": "reindex", "status": "finished", **INDEX, "reindex": "1", "duration_seconds": 1800},
    ]


def told_then(now):
    """One of five canaries is rolled back; of a hundred documents 90 are indexed in time, six late, and four not."""
    came = now - 1800
    return [
        *deployments(["finished"] * 4 + ["rolled_back"], "then"),
        *documents("then", came, range(100), range(90), 300),
        *documents("then", came, (), range(90, 96), 1200),
        {"type": "reindex", "status": "started", **INDEX, "reindex": "2", "timestamp": now - 600},
        {"type": "reindex", "status": "progress", **INDEX, "reindex": "2", "progress": 0.4},
    ]


def deployments(results, name):
    return [
        {"type": "deployment", "status": status, "model": "e5", "track": "canary", "deployment": f"{name} {number}"}
        for number, status in enumerate(results)
    ]


def documents(name, came, ingested, indexed, lag):
    told = {"type": "documents", **INDEX}
    return [
        {**told, "status": status, "ids": [f"{name} {number}" for number in numbers], "timestamp": at}
        for status, numbers, at in (("ingested", ingested, came), ("indexed", indexed, came + lag))
        if numbers
    ]


@pytest.fixture(scope="module")
def pages():
    """Now, and what the three say at its beginning and its end of an hour that ends a minute before."""
    now = float(math.floor(time.time()))
    rng = np.random.default_rng(7)
    with ExitStack() as stack:
        exporters = Exporters(stack, now - 4 * 3600)
        sent, outcomes = stream(rng, LEARNED, first=0, norm=1.0)
        # A query each, from which on there is a limit of poor matches; then fifty minutes, and the end of the hour.
        exporters.post([event(query_id="q1000"), event(query_id="q1001")], "/v1/events")
        exporters.tick()
        rng.shuffle(sent)
        for part in np.array_split(np.array(sent, object), 50):
            exporters.advance(60)
            exporters.post(part.tolist(), "/v1/events")
        exporters.post(outcomes, "/v1/outcomes")
        for _ in range(2):
            exporters.advance(600)
            exporters.tick()
        exporters.post(told_first(exporters.all[0].clock.now()), "/v1/lifecycle")
        exporters.advance(now - 120 - exporters.all[0].clock.now())
        exporters.tick()
        before = exporters.pages(now - 3500)
        sent, outcomes = stream(rng, LOOKED_AT, first=2000, norm=1.04)
        exporters.post(sent, "/v1/events")
        exporters.post(outcomes, "/v1/outcomes")
        exporters.advance(60)
        exporters.post(told_then(now - 60), "/v1/lifecycle")
        exporters.tick()
        return now, list(zip(before, exporters.pages(now - 60), strict=True))


@pytest.fixture(scope="module")
def ask(pages, start, prometheus, tmp_path_factory):
    """A function that asks a Prometheus that has scraped both pages of all three: labels -> value."""
    now, exported = pages
    with ExitStack() as stack:
        targets = [stack.enter_context(served(map(str.encode, each))) for each in exported]
        directory = tmp_path_factory.mktemp("slis")
        renamed = {"source_labels": ["model"], "regex": HALVES, "target_label": "model", "replacement": WHOLE}
        jobs = [
            {"job_name": "whole", "static_configs": [{"targets": targets[:1]}], "metric_relabel_configs": [renamed]},
            {"job_name": "halves", "static_configs": [{"targets": targets[1:]}]},
        ]
        configuration = {"global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"}, "scrape_configs": jobs}
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        command = [
            prometheus,
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--web.listen-address={address}",
        ]
        process = start("slis", command, "/-/ready")

        def asked(expression):
            asking = urllib.parse.urlencode({"query": expression, "time": now})
            answer = json.loads(process.get(f"/api/v1/query?{asking}"))
            assert "success" == answer["status"]
            return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

        both = "count(count_over_time(embedding_queries_total[1h]) == 2)"
        process.until(lambda: [3.0] == [value for _, value in asked(both)])
        yield asked


def divergence(now, before):
    """KL in nats of counts of four values, by hand: of nine bins they fill four, and half an event is in each."""
    n, m = sum(now), sum(before)
    p = [(count + 0.5) / (n + 4.5) for count in (*now, 0, 0, 0, 0, 0)]
    q = [(count + 0.5) / (m + 4.5) for count in (*before, 0, 0, 0, 0, 0)]
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) - 3 / 2 * (1 / n + 1 / m)


ANSWERED = 400 - FAILED
BY_HAND = {
    'M1: median top-1 similarity of each exporter; q="0.05" is its tail': 0.62,
    # 140 of 380 are at most 0.60, 290 at most 0.65: the 190th is a third of the way.
    "M1: the same over replicas, to within a bucket (0.05)": 0.60 + 0.05 * 50 / 150,
    "M2: recall at 10; with hit_queries or ndcg in the place of recall the hit rate and nDCG": (20 + 5 * 0.7) / 35,
    "M2: precision at 10, of queries with at least ten relevant documents": 0.7,
    "M2: mean reciprocal rank": (10 + 10 / 3 + 5) / 35,
    "M3: divergence of the similarities from the baseline's, in nats": divergence(LOOKED_AT, LEARNED),
    "M4: median L2 norm": 1.04,
    "M4: by how much the norms differ from the baseline's, on average": 0.04,
    "M5: share of poor matches, empty results among them, of the queries that did not fail": (40 + EMPTY) / ANSWERED,
    "M5: share of queries that found nothing": EMPTY / ANSWERED,
    "M6: error rate": FAILED / 400,
    "M7: share of each outcome (success, clicked, no_answer, escalated), of those of which it is known": {
        "success": 8 / 40,
        "clicked": 12 / 40,
        "escalated": 3 / 40,
        "no_answer": EMPTY / (EMPTY + 8),
    },
    "M7: click rate of queries with a poor match": 2 / 20,
    "M8: seconds that the last reindex took": 1800,
    "M8: seconds that the present one has been running": 660,
    "M8: how far it is": 0.4,
    "M9: share of the documents that were indexed within the limit": 0.9,
    "M9: mean lag of those that were indexed": (90 * 300 + 6 * 1200) / 96,
    "M10: share of canaries that were rolled back": 1 / 5,
}
"""What each query of the page answers."""
OF_EACH_EXPORTER = ("M1: median", "M3", "M4")
"""Those that halves do not add up to: the whole alone is compared."""
WITHIN = {"M1": 1e-6, "M3": 0.01, "M4": 1e-5}
"""How near an answer comes: a sketch's error, and that of float32; all others to the last digits."""


def queries():
    """Each query of the page by what it is called."""
    page = PAGE.read_text(encoding="utf-8")
    return dict(QUERY.findall(re.search(r"```promql\n(.*?)```", page, re.DOTALL)[1]))


def test_the_page_has_a_query_for_each_of_the_ten():
    """And each is counted by hand here."""
    assert BY_HAND.keys() == queries().keys()
    assert [f"M{number}" for number in range(1, 11)] == list(dict.fromkeys(title.split(":")[0] for title in BY_HAND))


@pytest.mark.parametrize("title", BY_HAND)
def test_an_sli_is_what_was_counted_by_hand(title, ask):
    """From one exporter that was told everything, and from two that were told half of it each."""
    found = {WHOLE: {}, HALVES: {}}
    for labels, value in ask(queries()[title]):
        found[labels["model"]][labels.get("outcome", "")] = value

    expected = BY_HAND[title] if isinstance(BY_HAND[title], dict) else {"": BY_HAND[title]}
    within = WITHIN.get(title.split(":")[0], 1e-12)
    assert pytest.approx(expected, rel=1e-12, abs=within) == found[WHOLE]
    if not title.startswith(OF_EACH_EXPORTER):
        assert pytest.approx(expected, rel=1e-12) == found[HALVES]


COUNTERS = [family for family in FAMILIES if "model" in family.labels and family.kind in {"counter", "histogram"}]
SUMS_OF_FRACTIONS = {f"embedding_{name}_total" for name in ("recall", "precision", "ndcg", "reciprocal_rank")}


@pytest.mark.parametrize("family", COUNTERS, ids=lambda family: family.name)
def test_counters_of_two_halves_add_up_to_those_of_the_whole(family, ask):
    """Exactly, as do the buckets of histograms; sums of fractions to the last digits."""
    name, labels = (
        (family.name, family.labels) if family.kind == "counter" else (f"{family.name}_bucket", (*family.labels, "le"))
    )
    found = {WHOLE: {}, HALVES: {}}
    for each, value in ask(f"sum by ({', '.join(labels)}) ({name})"):
        found[each.pop("model")][tuple(sorted(each.items()))] = value

    assert found[WHOLE]
    exact = family.name not in SUMS_OF_FRACTIONS
    assert found[WHOLE] == (found[HALVES] if exact else pytest.approx(found[HALVES], rel=1e-12))
