"""The simulated traffic is as it is said to be, and rules fire as Prometheus would fire them."""

from dataclasses import replace

import numpy as np
import pytest

from bench.detection import stream, tables
from bench.detection.centroid_stream import CentroidStream
from bench.detection.rules import RULES, Alert, Reading, Rule, incidents
from bench.detection.stream import Healthy, Injected
from bench.detection.synthetic import synthetic
from bench.detection.traffic import DAY, HEALTHY, INDEPENDENT, Habits, Injection, Traffic, nearest
from bench.detection.window_sums import WindowSums

HOUR = 3600.0


@pytest.fixture(scope="module")
def data():
    return synthetic(rows=1200, dimension=24, topics=20)


@pytest.fixture(scope="module")
def neighbours(data):
    return nearest(data.vectors)


def events(traffic, seconds):
    steps = list(traffic.steps(seconds))
    return np.concatenate([step.times for step in steps]), np.concatenate([step.rows for step in steps])


def test_nearest_rows_are_those_of_largest_cosine(data, neighbours):
    """Against a full sort; never the row itself."""
    cosines = data.vectors[5] @ data.vectors.T
    cosines[5] = -1

    assert np.array_equal(np.argsort(-cosines)[:10], neighbours[5, :10])


def test_events_come_in_order_and_are_the_same_for_the_same_seed(data, neighbours):
    """No step holds events of another."""
    times, rows = events(Traffic(data, neighbours, seed=3), 2 * HOUR)
    again, same_rows = events(Traffic(data, neighbours, seed=3), 2 * HOUR)
    _, other_rows = events(Traffic(data, neighbours, seed=4), 2 * HOUR)

    assert np.all(np.diff(times) >= 0)
    assert times[-1] < 2 * HOUR
    assert np.array_equal(times, again)
    assert np.array_equal(rows, same_rows)
    assert not np.array_equal(rows[:100], other_rows[:100])


def test_the_rate_follows_the_rhythm_of_the_day(data, neighbours):
    """160 a minute around 14:00 and 40 around 2:00, within 15 % over six days without bursts."""
    times, _ = events(Traffic(data, neighbours, seed=3, habits=Habits(rate_bursts_per_day=0)), 6 * DAY)
    hour = (times % DAY) // HOUR

    # The hour from 14:00 and that from 13:00 lie around the peak.
    assert 160 == pytest.approx(np.isin(hour, [13, 14]).sum() / 6 / 120, rel=0.15)
    assert 40 == pytest.approx(np.isin(hour, [1, 2]).sum() / 6 / 120, rel=0.15)


def test_a_rate_burst_doubles_the_rate_for_ten_minutes(data, neighbours):
    """With a flat rate, about four times two steps a day stand out."""
    habits = Habits(night_rate=100, day_rate=100, session_length=1)
    counts = [len(step.times) for step in Traffic(data, neighbours, seed=3, habits=habits).steps(10 * DAY)]
    loud = np.count_nonzero(np.array(counts) > 750)

    assert 40 <= loud <= 120
    assert 1000 == pytest.approx(np.mean([count for count in counts if count > 750]), rel=0.05)


def test_repeats_follow_the_law_of_zipf(data, neighbours):
    """Without mix and sessions the ten most frequent rows hold the share that exponent 0.8 gives them."""
    habits = Habits(mix_sd=0, wobble_sd=0, session_length=1)
    traffic = Traffic(data, neighbours, seed=3, habits=habits)
    _, rows = events(traffic, 4 * DAY)
    counts = np.sort(np.bincount(rows))[::-1]
    resident = len(data.vectors) - len(traffic.new_rows)
    weights = np.arange(1, resident + 1) ** -0.8

    assert weights[:10].sum() / weights.sum() == pytest.approx(counts[:10].sum() / counts.sum(), rel=0.03)


def test_the_control_has_no_rhythm_no_repeats_and_no_sessions(data, neighbours):
    """Counts of rows are as even as chance makes them."""
    traffic = Traffic(data, neighbours, seed=3, habits=INDEPENDENT)
    _, rows = events(traffic, DAY)
    counts = np.bincount(rows, minlength=len(data.vectors))
    counts = np.delete(counts, traffic.new_rows)

    assert 1 == pytest.approx(counts.var() / counts.mean(), abs=0.25)


def test_sessions_are_near_duplicates_twenty_seconds_apart(data, neighbours):
    """So rare that few overlap, they are runs of three on average, each near the first of its run."""
    habits = Habits(night_rate=0.15, day_rate=0.15, rate_bursts_per_day=0)
    times, rows = events(Traffic(data, neighbours, seed=3, habits=habits), 10 * DAY)
    gap = np.diff(times)
    follows = np.isclose(gap, 20.0)
    near = np.sum(data.vectors[rows[1:]] * data.vectors[rows[:-1]], axis=1)

    assert 2 / 3 == pytest.approx(follows.mean(), abs=0.08)
    assert near[follows].mean() > near[~follows].mean() + 0.1


def test_the_mix_of_topics_drifts_over_hours(data, neighbours):
    """Neighbouring hours are more alike than hours half a day apart."""
    times, rows = events(Traffic(data, neighbours, seed=3), 3 * DAY)
    hours = np.array([np.bincount(data.topics[rows[times // HOUR == hour]], minlength=20) for hour in range(72)])
    mix = hours / hours.sum(axis=1, keepdims=True)

    near = np.abs(mix[1:] - mix[:-1]).sum(axis=1).mean()
    far = np.abs(mix[12:] - mix[:-12]).sum(axis=1).mean()

    assert far > 1.5 * near


def test_hot_traffic_has_bursts_of_one_topic(data, neighbours):
    """Two steps twice a day in which a topic has over 10 % more than on average; never without them."""

    def loud_steps(bursts):
        habits = replace(INDEPENDENT, topic_bursts_per_day=bursts)
        steps = Traffic(data, neighbours, seed=3, habits=habits).steps(8 * DAY)
        mix = np.array([np.bincount(data.topics[step.rows], minlength=20) / len(step.rows) for step in steps])
        return np.count_nonzero((mix - mix.mean(axis=0)).max(axis=1) > 0.10)

    assert 0 == loud_steps(0.0)
    assert 15 <= loud_steps(2.0) <= 50


def test_new_topics_come_only_from_the_injection_on_and_in_its_share(data, neighbours):
    """10 % from the third hour on; without an injection never."""
    quiet = Traffic(data, neighbours, seed=3)
    traffic = Traffic(data, neighbours, seed=3, injection=Injection(2 * HOUR, 0.10))
    times, rows = events(traffic, 12 * HOUR)
    new = np.isin(rows, traffic.new_rows)

    assert not np.isin(events(quiet, 4 * HOUR)[1], quiet.new_rows).any()
    assert not new[times < 2 * HOUR].any()
    assert 0.10 == pytest.approx(new[times > 2.1 * HOUR].mean(), abs=0.015)


def test_a_growing_injection_grows_linearly():
    """Half its share after half its ramp, all of it after the ramp."""
    injection = Injection(100.0, 0.2, 50.0)

    assert [0.0, 0.0, 0.1, 0.2, 0.2] == [injection.at(t) for t in (0.0, 100.0, 125.0, 150.0, 1e9)]


def test_window_sums_are_the_sums_of_the_last_steps():
    """Against sums over the rows themselves, beyond the length of the ring."""
    rng = np.random.default_rng(7)
    features = rng.standard_normal((50, 3))
    sums = WindowSums(features, {"short": 60, "long": 300}, 30)
    steps = [rng.integers(0, 50, rng.integers(0, 6)) for _ in range(40)]
    for i, rows in enumerate(steps):
        sums.add(rows)
        windows = sums.close()
        for name, length in (("short", 2), ("long", 10)):
            held = np.concatenate(steps[max(0, i + 1 - length) : i + 1])
            assert len(held) == windows[name].n
            assert np.allclose(features[held].sum(axis=0), windows[name].total)


def alert(for_seconds=60.0, severity="ticket", window="1h", shipped=True):
    return Alert(Rule("rule", severity, window, for_seconds, shipped))


SHARE = {"changed_share_lower_bound": 0.02}
LOUD = Reading({"novelty": 1.5, "spread": 0.2}, SHARE)
CALM = Reading({"novelty": 0.9}, SHARE)


@pytest.mark.parametrize(
    ("readings", "fired"),
    [
        ([LOUD, LOUD], []),
        ([LOUD, LOUD, LOUD], [60.0]),
        ([CALM, LOUD, LOUD, LOUD, LOUD], [90.0]),
        ([LOUD, LOUD, CALM, LOUD, LOUD], []),
        ([LOUD, LOUD, None, LOUD, LOUD], []),
        ([LOUD] * 9, [60.0]),
        ([LOUD] * 3 + [CALM] + [LOUD] * 3, [60.0, 180.0]),
    ],
    ids=["too short", "exactly long enough", "later", "interrupted", "absent", "fires once", "fires again"],
)
def test_an_alert_fires_when_its_condition_held_long_enough(readings, fired):
    """For a minute, evaluated every 30 s: pending at the first evaluation, firing at the third in a row."""
    rule = alert()
    results = [rule.evaluate(reading, 30.0 * i) for i, reading in enumerate(readings)]

    assert fired == rule.fired
    assert fired == [30.0 * i for i, result in enumerate(results) if result]


def test_an_alert_without_a_wait_fires_at_once():
    """As a rule without `for` does."""
    rule = alert(for_seconds=0)

    assert rule.evaluate(LOUD, 30.0)
    assert not rule.evaluate(LOUD, 60.0)


@pytest.mark.parametrize(
    ("rule", "reading", "holds"),
    [
        (alert().rule, Reading({"novelty": 1.0}, SHARE), False),
        (alert().rule, Reading({"novelty": float("nan")}, SHARE), False),
        (alert().rule, Reading({"novelty": 9.0}, {"changed_share_lower_bound": 0.01}), False),
        (alert().rule, Reading({"spread": 9.0}, {"variance_log_ratio": -0.2}), True),
        (alert().rule, Reading({"norm": 9.0}, {"mean_displacement": 0.2, "norm_change_ratio": 0.3}), True),
        (alert().rule, Reading({"novelty": 9.0}, {"variance_log_ratio": -0.2}), False),
        (alert(3900.0).rule, Reading({"spread": 1.1}, {"variance_log_ratio": -0.2}), False),
        (alert().rule, Reading({"novelty": 1.2}, SHARE), False),
        (alert(3900.0).rule, Reading({"novelty": 1.2}, SHARE), True),
        (alert(3900.0, window="24h").rule, Reading({"novelty": 1.2}, SHARE), False),
        (alert(severity="page").rule, LOUD, False),
        (alert().rule, LOUD._replace(scores={"novelty": 9.0}, events=199), False),
        (alert().rule, LOUD._replace(scores={"novelty": 9.0}, events=200), True),
        (alert(severity="page").rule, Reading({"novelty": 9.0}, {"changed_share_lower_bound": 0.2}), True),
        (alert(severity="page").rule, Reading({"novelty": 1.4}, {"changed_share_lower_bound": 0.2}), False),
        (alert(severity="page").rule, Reading({"novelty": 9.0}, {"changed_share_lower_bound": 0.2}, False), False),
        (alert().rule, Reading({"mean_shift": 9.0}, {"mean_displacement": 9.0}, final=False), False),
        (alert().rule, Reading({"novelty": 9.0}, {"changed_share_lower_bound": 0.2}, final=False), True),
    ],
)
def test_a_rule_needs_a_score_and_an_effect(rule, reading, holds):
    """Above, not at; of either sign; by a statistic of its own; what nothing confirms needs more.

    A state below final opens tickets only, and only for large effects.
    """
    assert holds == rule.holds(reading)


def test_alarms_of_several_rules_within_three_hours_are_one_incident():
    """Rules that are not shipped do not count."""
    alerts = [alert(), alert(), alert(severity="page"), alert(shipped=False)]
    alerts[0].fired = [0.0, 5 * HOUR]
    alerts[1].fired = [HOUR, 20 * HOUR]
    alerts[3].fired = [40 * HOUR]

    assert 3 == incidents(alerts, "ticket")
    assert 0 == incidents(alerts, "page")


class Counting:
    """A trivial detector: drift is any row of the upper half, its share the effect."""

    def __init__(self, data, baseline_seconds):
        self._half = len(data.vectors) // 2
        self._baseline_seconds = baseline_seconds
        self.times = []
        self.at = []

    def add(self, rows, times):
        self.times.extend(times)

    def evaluate(self, now):
        self.at.append(now)
        return (
            {}
            if now <= self._baseline_seconds
            else {"1h": Reading({"novelty": 2.0 if now > 7200 else 0.5}, {"changed_share_lower_bound": 1.0})}
        )


def test_the_harness_evaluates_every_thirty_seconds_with_all_events_till_then(data, neighbours):
    """Every event is fed once, before the first evaluation that is not earlier than it."""
    detector = Counting(data, 0.0)
    expected, _ = events(Traffic(data, neighbours, seed=3), HOUR)
    seen = []
    for now, _, part in stream.evaluations(Traffic(data, neighbours, seed=3), detector, HOUR):
        seen.append((now, part.times))

    assert [30.0 * i for i in range(1, 121)] == detector.at
    assert np.array_equal(expected, detector.times)
    assert all(np.all((now - 30 <= times) & (times < now)) for now, times in seen)


def test_alarms_on_healthy_traffic_are_counted_after_the_baseline(data, neighbours):
    """A detector that goes off for ever after two hours opens one ticket and one page."""
    calm = stream.watch(
        Traffic(data, neighbours, seed=3),
        Counting(data, HOUR),
        Healthy("healthy", HEALTHY, HOUR, 1, 1),
    )

    assert (1, 1, 1) == (calm.series_days, calm.pages, calm.tickets)
    assert 2880 == calm.evaluations["1h"]
    assert 2880 - 120 == calm.above["1h"]
    assert 1 == calm.alarms["ticket 1h for 65m"]


def test_the_delay_counts_from_the_injection(data, neighbours):
    """The page rule waits ten minutes from the first evaluation after two hours."""
    injection = Injection(2 * HOUR - 60, 0.25)
    scenario = Injected("injected", 0.25, 0, "page", HOUR, 1)
    traffic = Traffic(data, neighbours, seed=3, injection=injection)

    seen = stream.notice(traffic, Counting(data, HOUR), injection, scenario)
    never = stream.notice(
        Traffic(data, neighbours, seed=3, injection=Injection(0.0, 0.25)), Counting(data, 9e9), injection, scenario
    )

    assert 60 + 30 + 600 == seen.delay_seconds
    assert 0.25 == seen.share
    assert 200 < seen.delay_events < 1500
    assert np.isinf(never.delay_seconds)


def test_the_centroid_sees_other_vectors_and_is_calm_without(data, neighbours):
    """On independent events; the limits come from the baseline's own blocks."""
    detector = CentroidStream(data, 2 * HOUR)
    scores = []
    for now, readings, _ in stream.evaluations(
        Traffic(data, neighbours, seed=3, habits=INDEPENDENT), detector, 4 * HOUR
    ):
        scores.extend([readings["5m"].score] if "5m" in readings else [])
        assert ("5m" in readings) == (now > 2 * HOUR)
    for i in range(10):
        detector.add(np.repeat(np.flatnonzero(data.topics == 3), 5), np.empty(0))
        shifted = detector.evaluate(4 * HOUR + 30 * (i + 1))["5m"].score

    assert np.mean(np.array(scores) > 1) < 0.05
    assert shifted > 2


def test_a_plan_runs_over_processes_and_fills_the_tables(data):
    """Each series once, by the scenarios' names."""
    plan = stream.Plan(
        healthy=(Healthy("calm", HEALTHY, HOUR, 1, 2),), injected=(Injected("new", 0.25, 0, "page", HOUR, 2),)
    )
    streamed = stream.measure(data, Counting, plan)

    assert 2 == streamed.calm["calm"].series_days
    assert 2 == len(streamed.seen["new"])
    assert "| calm | 2 | 2 | 2 |" in tables.calm(streamed)
    assert "| new | page within 1 h | " in tables.delays(streamed, plan)


def test_shipped_rules_wait_longer_than_a_burst_or_ask_for_a_large_effect():
    """A ten-minute burst keeps a 5m window up for 15 minutes and a 1h window for 70."""
    for rule in RULES:
        if rule.shipped:
            assert rule.severity == "page" or rule.for_seconds >= {"5m": 1800, "1h": 3900, "24h": 3900}[rule.window]
