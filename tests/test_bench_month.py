"""The judge of thirty days: alerts are held and grouped as Prometheus and Alertmanager would, and it can tell drift."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from bench.month import backfill, exporter, judge, read, record, speed
from bench.month.fleet import FLEET, Member
from prometheus.families import LABELS
from prometheus.rule import Record

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("times", "wait", "fires"),
    [
        ([], 600, []),
        ([0], 600, []),
        ([0, 300], 600, [(300, 600)]),
        ([0, 300, 600, 900], 900, [(600, 1200)]),
        ([0, 300, 900, 1200], 900, []),
        ([0, 300, 900, 1200], 600, [(300, 600), (1200, 1500)]),
        ([300], 0, [(300, 600)]),
    ],
    ids=["never", "once", "nearly long enough", "long", "interrupted", "twice", "at once"],
)
def test_an_alert_is_held_for_its_wait_less_one_step(times, wait, fires):
    """Asked every 300 s, a stretch of the wait's length may look one step shorter."""
    assert fires == list(judge.held(times, 300, wait))


def firing(severity, begin, end, name="A", model="m"):
    return judge.Firing(name, severity, {"job": "j", "model": model}, begin, end)


def test_alerts_of_one_deployment_are_one_incident_and_a_page_speaks_for_its_tickets():
    """As routes group and inhibit: what follows within the group interval is the same, another model is another."""
    found = judge.incidents(
        [
            firing("critical", 0, 600),
            firing("critical", 700, 900, "B"),
            firing("warning", 100, 5000),
            firing("warning", 100, 200, model="other"),
            firing("critical", 9000, 9300),
        ]
    )

    assert [("page", 0, 900, ("A", "B")), ("ticket", 100, 200, ("A",)), ("page", 9000, 9300, ("A",))] == [
        (each.call, each.begin, each.end, each.alerts) for each in found
    ]


def test_recording_rules_come_after_what_they_read():
    """In levels, whatever the order of the files; a circle is an error that names its rules."""
    rules = record.needed()
    done = set()
    for level in record.levels(rules):
        for rule in level:
            assert not (read.names_in(rule.expr) & {each.name for each in rules}) - done
        done |= {rule.name for rule in level}

    assert {rule.name for rule in rules} == done
    with pytest.raises(ValueError, match="in a circle: a:b:c, d:e:f"):
        record.levels([Record("a:b:c", "d:e:f"), Record("d:e:f", "a:b:c")])


def test_every_sample_that_rules_read_is_known():
    """Counters, scores and buckets among them."""
    assert {"embedding_events_total", "embedding_drift_score", "embedding_top1_similarity_bucket"} <= read.SAMPLES
    assert read.SAMPLES <= LABELS.keys()
    assert 7 * 86400 < speed.ranges()["model:embedding_query_latency_seconds:p95_rate1h"]


def test_the_fleet_has_sixty_four_models():
    """Each with a seed of its own."""
    assert 64 == len({each.name for each in FLEET}) == len({each.seed for each in FLEET})


def test_what_is_counted_at_once_is_what_the_series_counts():
    """Counters of the exposition run ahead of the series' own, which fold later; they are the same numbers."""
    simulated = exporter.Exporter(Member("m", "usual", 5))
    last = list(islice(simulated.run(86400), 60))[-1]
    (ahead,), (own,) = simulated.store.totals(last.now), simulated.store.folded(last.now)

    assert (ahead.events, ahead.vectors, ahead.queries) == (own.events, own.vectors, own.queries)
    assert ahead.buckets["top1_similarity"].cumulative.tolist() == own.buckets["top1_similarity"].cumulative.tolist()
    labels = 'model="m",model_version="1",tokenizer_version="1",kind="query"'
    assert f"embedding_events_total{{{labels}}} {own.events}.0".encode() in last.plain


def test_lines_are_stamped_with_their_target_and_time():
    """As promtool reads them."""
    assert b'a{job="embedding-drift-exporter",instance="127.0.0.1:10877",b="c"} 1.0 60\n' == backfill.stamped(
        b'a{b="c"} 1.0\n', 60.0
    )


@pytest.mark.usefixtures("promtool", "prometheus")
def test_a_quick_month_is_silent_and_a_silent_tokenizer_change_pages():
    """The whole way through a real Prometheus: healthy series page nobody, the two that change are told of."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.month", "--quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "healthy series: 0 pages" in done.stdout
