"""The narrator: learning, noticing, recovering, and what it says when something is wrong."""

import argparse
import json
import socket
from itertools import pairwise

import pytest

from app.demo.acts import ACTS, HEALTHY, MODEL
from app.demo.audience import rate_factor
from app.demo.performance import HEALTHY_EVENTS, DemoError, Performance
from app.demo.run import EVENTS_PER_DAY, FAST, add_arguments, check_port, run
from app.demo.watch import Reading

BY_NAME = {act.name: act for act in ACTS}
IDENTITY = {"model": MODEL, "model_version": "1", "tokenizer_version": "1", "kind": "query"}


def listing(*causes, **identity):
    """The answer of GET /v1/series, the suspects of one series in order."""
    told = [{"cause": cause, "title": cause, "evidence": "as seen"} for cause in causes]
    return json.dumps({"series": [{**IDENTITY, **identity, "suspects": {"pinned": told}}]})


def series(tokenizer_version="1", model=MODEL, kind="query", **labels):
    pairs = {
        "model": model, "model_version": "1", "tokenizer_version": tokenizer_version, "kind": kind, **labels
    }  # fmt: skip
    return ",".join(f'{name}="{value}"' for name, value in pairs.items())


class World:
    """A fake exporter and spectator: time passes in `sleep` alone, and each act shows after a delay."""

    def __init__(
        self,
        hour_seconds=1.25,
        final_after=30.0,
        provisional_after=1e9,
        delay=1.0,
        quiet=(),
        healthy_score=0.5,
        lingering=1.0,
        events_per_second=1000,
        beside=(),
    ):
        self.now = 0.0
        self.said = []
        self.act, self.since, self.before = HEALTHY, 0.0, HEALTHY
        self.final_after, self.provisional_after = final_after, provisional_after
        self.delay, self.quiet = delay, quiet
        self.healthy_score, self.lingering = healthy_score, lingering
        self.events_per_second = events_per_second
        self.beside = beside
        """Causes that are named before an act's own."""
        self.performance = Performance(
            read=self.read,
            send=self.send,
            say=self.said.append,
            monotonic=lambda: self.now,
            unix_time=lambda: 1e9 + self.now,
            sleep=self.sleep,
            hour_seconds=hour_seconds,
        )

    def sleep(self, seconds):
        self.now += seconds

    def send(self, act):
        self.before, self.act, self.since = self.act, act, self.now

    def read(self):
        state = "provisional" if self.now >= self.provisional_after else "learning"
        state = "final" if self.now >= self.final_after else state
        lines = [f"embedding_events_total{{{series()}}} {self.now * self.events_per_second}"]
        lines += [
            f"embedding_baseline_state{{{series(baseline='pinned', state=each)}}} {int(each == state)}"
            for each in ("learning", "provisional", "final")
        ]
        shown = self.shown() if state == "final" else None
        causes = () if shown is None else (*self.beside, shown.cause)
        if state == "final":
            for window in ("1h", "24h"):
                labels = series(baseline="pinned", window=window, signal="embedding", statistic="mean_shift")
                lines.append(f"embedding_drift_score{{{labels}}} {3.25 if shown else self.healthy_score}")
            for cause in ("new_topics", *causes):
                labels = series(baseline="pinned", cause=cause)
                lines.append(f"embedding_drift_suspect{{{labels}}} {int(cause in causes)}")
        if self.act.tokenizer_version != "1" and self.act.name not in self.quiet:
            name = "embedding_version_first_seen_timestamp_seconds"
            lines.append(f"{name}{{{series(self.act.tokenizer_version)}}} {1e9 + self.since}")
            lines.append(
                f"embedding_last_event_timestamp_seconds{{{series(self.act.tokenizer_version)}}} {1e9 + self.now}"
            )
        return Reading.of("\n".join(lines) + "\n", listing(*causes))

    def shown(self):
        """The act that scores and diagnosis are of."""
        elapsed = self.now - self.since
        shown = self.act if elapsed >= self.delay else None
        if self.act is HEALTHY:
            shown = self.before if elapsed < self.lingering else None
        return shown if shown is not None and shown.cause and shown.name not in self.quiet else None


def test_learning_tells_its_progress_and_ends_when_the_baseline_is_final():
    """A line each tenth of the day, with events and the share of it."""
    world = World()
    world.performance.learn()

    assert 30 <= world.now < 31
    assert any(line.startswith("  learning: 6,000 events, 20% of the day") for line in world.said)
    assert 9 <= len([line for line in world.said if "of the day" in line]) <= 10
    assert world.said[-1].startswith("  learned: the baseline is final after 30,")


def test_a_long_day_of_learning_is_never_silent_for_long():
    """Nobody stares at a still terminal for half a minute; and it says when the baseline becomes usable."""
    world = World(hour_seconds=12.5, final_after=300.0, provisional_after=20.0)
    told = []
    world.performance.say = lambda line: told.append((world.now, line))
    world.performance.learn()

    assert max(later - earlier for (earlier, _), (later, _) in pairwise(told)) < 17
    assert 1 == sum("provisional from 20," in line for _, line in told)


def test_a_baseline_that_never_gets_final_is_an_error_with_its_state():
    """It does not wait for ever."""
    world = World(final_after=1e9)
    with pytest.raises(DemoError, match=r"not final after \d+ s and [\d,]+ events \(its state: learning\)"):
        world.performance.learn()
    assert world.now < 80


def learned(**settings):
    world = World(**settings)
    world.now = world.since = 40.0
    return world


def test_all_acts_are_noticed_in_time_and_told_with_the_evidence():
    """In the fast mode, acts and recoveries take three quarters of a minute together."""
    world = learned()
    outcomes = world.performance.all_acts(ACTS)

    assert all(outcome.as_promised for outcome in outcomes), [str(outcome) for outcome in outcomes]
    assert [act.name for act in ACTS] == [outcome.act.name for outcome in outcomes]
    assert world.now - 40 < 45
    assert "  +   1.0 s  embedding: mean_shift over 1h at 3.25 times its limit" in world.said
    assert any('a new series: tokenizer_version="2"' in line for line in world.said)
    for act in ACTS:
        assert any(act.title in line for line in world.said)
        assert f"  look at {act.look_at}" in world.said
        if act.cause:
            assert f"  ?   1.0 s  {act.cause}: as seen" in world.said
            assert f"  diagnosis: {act.cause}: as seen" in world.said


def test_the_users_of_an_act_are_told():
    """The share of those who found what they came for meanwhile, of those of whom it is known; else nothing."""
    world = learned()
    read = world.read

    def with_outcomes():
        found, all_of_them = 400 + (world.now - 40) * 10, 1000 + (world.now - 40) * 100
        lines = [
            f"embedding_outcomes_total{{{series(version, outcome=outcome, value=value, band=band)}}} {count}"
            for version, outcome, value, band, count in (
                ("1", "success", "true", "normal", found),
                ("1", "success", "false", "normal", 0),
                ("1", "success", "false", "poor", all_of_them - found),
                ("1", "clicked", "true", "normal", 77777),
                ("2", "success", "true", "normal", 88888),
            )
        ]
        more = Reading.of("\n".join(lines) + "\n", listing()).samples
        reading = read()
        return Reading({**reading.samples, **more}, reading.suspects)

    world.performance.read = with_outcomes
    world.performance.play(BY_NAME["stale_index"], 1, 1)

    (line,) = [line for line in world.said if line.startswith("  users: ")]
    assert line.startswith("  users: 10% of ")
    quiet = learned()
    quiet.performance.play(BY_NAME["stale_index"], 1, 1)
    assert not any(line.startswith("  users: ") for line in quiet.said)


def test_the_healthy_act_is_as_long_as_its_events():
    """Ten thousand, however fast they come."""
    slow, fast = (learned(events_per_second=rate) for rate in (500, 2000))
    outcomes = [world.performance.play(HEALTHY, 1, 1) for world in (slow, fast)]

    assert [19.9, 4.9] <= [slow.now - 40, fast.now - 40] <= [20.5, 5.5]
    for outcome in outcomes:
        assert outcome.as_promised
        assert HEALTHY_EVENTS <= outcome.events < 1.1 * HEALTHY_EVENTS
        assert f"silent for {outcome.events:,} events" in str(outcome)


def test_a_healthy_act_with_too_few_events_proves_nothing():
    """It ends after a day all the same."""
    world = learned(events_per_second=100)
    outcome = world.performance.play(HEALTHY, 1, 1)

    assert not outcome.as_promised
    assert "TOO FEW" in str(outcome)
    assert 30 == pytest.approx(world.now - 40, abs=0.5)


@pytest.mark.parametrize("name", [act.name for act in ACTS if act is not HEALTHY])
def test_an_act_that_goes_unnoticed_is_told(name):
    """With the metric that should have shown it."""
    world = learned(quiet=(name,))
    outcome = world.performance.play(BY_NAME[name], 1, 1)

    assert not outcome.as_promised
    assert "UNNOTICED" in str(outcome)
    assert BY_NAME[name].look_at in str(outcome)


def test_a_score_over_its_limit_in_the_healthy_act_is_a_false_alarm():
    """Of every window."""
    world = learned(healthy_score=1.2)
    outcome = world.performance.play(HEALTHY, 1, 1)

    assert not outcome.as_promised
    assert "FALSE ALARM: embedding: mean_shift over 1h at 1.20 times its limit; embedding: mean_shift over 24h" in str(
        outcome
    )


def test_a_limit_that_is_touched_for_half_an_hour_is_no_alarm():
    """No rule would open a ticket: they wait for an hour and five minutes. The highest score is told all the same."""
    calm, loud = learned(), learned(healthy_score=1.2)
    read, began = calm.read, []

    def touched():
        began.append(calm.now)
        loud.now = calm.now
        reading = read()
        return Reading(
            loud.read().samples if calm.now - began[0] < calm.performance.hour_seconds / 2 else reading.samples, ()
        )

    calm.performance.read = touched
    outcome = calm.performance.play(HEALTHY, 1, 1)

    assert {} == outcome.crossed
    assert 1.2 == outcome.highest.value


def test_a_suspect_in_the_healthy_act_is_a_false_alarm():
    """Also where no score is over its limit."""
    world = learned()
    read = world.read
    world.performance.read = lambda: Reading(read().samples, Reading.of("", listing("mixed_versions")).suspects)
    outcome = world.performance.play(HEALTHY, 1, 1)

    assert not outcome.as_promised
    assert "FALSE ALARM: mixed_versions: as seen" in str(outcome)


def test_another_cause_in_the_first_place_does_not_count():
    """The diagnosis that people read must be the right one; others may stand behind it."""
    act = BY_NAME["normalisation_lost"]
    first, behind = learned(beside=("collapsed",)), learned()
    read = behind.read
    also = Reading.of("", listing("new_topics")).suspects
    behind.performance.read = lambda: Reading(read().samples, (*read().suspects, *also))

    assert "UNNOTICED" in str(wrong := first.performance.play(act, 1, 1))
    assert "suspected: collapsed, normalisation_broken" in str(wrong)
    assert behind.performance.play(act, 1, 1).as_promised


def test_a_cause_that_is_named_for_a_moment_alone_does_not_count():
    """It must stand first when the act's own window is full of it."""
    world = learned()
    act = BY_NAME["flood"]
    read = world.read
    world.performance.read = lambda: read() if world.now < 42 else Reading.of("", listing())

    assert world.performance.play(act, 1, 1).seconds is None


def test_what_a_longer_window_remembers_is_not_credited_to_the_next_act():
    """Suspects are told once the act's own window is over a limit."""
    world = learned(quiet=("flood",))
    read = world.read
    world.performance.read = lambda: Reading(read().samples, Reading.of("", listing("flood_of_one_query")).suspects)
    outcome = world.performance.play(BY_NAME["flood"], 1, 1)

    assert outcome.seconds is None
    assert {} == outcome.named


def test_an_act_noticed_late_is_waited_for():
    """The patience is six hours, and six seconds for the spectator at least."""
    world = learned(delay=5.0)

    assert 5.0 == pytest.approx(world.performance.play(BY_NAME["stale_index"], 1, 1).seconds, abs=0.2)


def test_the_recovery_waits_until_every_score_has_fallen():
    """Or the next act would be credited with the last one's drift."""
    world = learned(lingering=4.0)
    world.send(BY_NAME["stale_index"])
    began = world.now
    world.performance.recover()

    assert 4.0 <= world.now - began < 5.0
    assert HEALTHY is world.act
    assert "back to health after" in world.said[-1]


def test_a_round_ends_when_no_window_remembers_it():
    """The healthy act of the next round is held to every window."""
    world = learned(lingering=20.0)
    world.send(BY_NAME["stale_index"])
    began = world.now
    world.performance.forget()

    assert 20.0 <= world.now - began < 21.0


def test_a_new_version_is_noticed_again_in_the_next_round_only_by_new_events():
    """The series of the round before is known by then."""
    world = learned()
    act = BY_NAME["tokenizer_announced"]
    assert world.performance.play(act, 1, 1).as_promised
    stale_page = world.read()
    world.now += 100
    world.performance.read = lambda: stale_page

    assert not world.performance.play(act, 1, 1).as_promised


def test_only_the_demonstrations_own_series_are_read():
    """Another model on the page, a document series or another baseline is not ours to judge."""
    labels = {"window": "1h", "signal": "norm", "statistic": "ks"}
    page = "\n".join(
        f"{name}{{{each}}} 9"
        for name, more in (("embedding_drift_score", labels), ("embedding_drift_suspect", {"cause": "flood"}))
        for each in (
            series(model="e5", baseline="pinned", **more),
            series(kind="document", baseline="pinned", **more),
            series(tokenizer_version="2", baseline="pinned", **more),
            series(baseline="7d", **more),
        )
    )
    reading = Reading.of(page + "\n", listing("flood", tokenizer_version="2"))

    assert ([], set(), ()) == (reading.scores(), reading.suspected(), reading.suspects)


def test_before_the_first_event_a_page_says_nothing():
    """No series, no state, no events."""
    reading = Reading.of("# TYPE up gauge\nup 1\n", '{"series": []}')

    assert (None, 0, None, None, ()) == (
        reading.baseline_state(), reading.events(), reading.first_seen("1"), reading.last_event("1"), reading.suspects
    )  # fmt: skip


def test_before_the_first_evaluation_nothing_is_suspected():
    """The series is listed without a word of scores."""
    assert () == Reading.of("", json.dumps({"series": [IDENTITY]})).suspects


def test_a_taken_port_is_said_with_what_to_do(capsys):
    """Before anything is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        parser = argparse.ArgumentParser()
        add_arguments(parser)

        assert 2 == run(parser.parse_args(["--once", "--fast", "--port", str(port)]))
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert "choose another port with --port" in said


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port):
    """As a sentence, not a traceback."""
    with pytest.raises(DemoError, match="a number from 1 to 65535"):
        check_port(port)


def test_the_traffic_is_enough_for_the_window_that_acts_are_told_by():
    """At night too a 1h window has well over the 200 events that a score asks for; the fast day is half a minute."""
    assert EVENTS_PER_DAY / 24 * rate_factor(0.0) > 3 * 200
    assert 30 == FAST.hour_seconds * 24


def test_the_traffic_is_too_little_for_scores_of_the_shortest_window():
    """On the average of its up to 31 panes: 5m scores would be looked at so often that one crosses its limit."""
    assert EVENTS_PER_DAY / 86400 * 310 * rate_factor(0.5) < 200
