"""The acts offline: each moves the signal it says it moves, and the ordinary day moves none."""

import hashlib
import sysconfig
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from app.demo.acts import ACTS, HEALTHY, Sign
from app.demo.audience import Audience, rate_factor
from app.demo.corpus import Question, build_corpus, docstrings, reference, source_files
from app.demo.service import SearchService
from app.demo.tokenizer import TOKENIZERS
from app.demo.traffic import EVENTS_PER_TICK, FIRST_DAY, Orders, Pace, send

SLICE = {"email", "http", "json", "logging", "turtle.py", "unittest", "urllib", "tarfile.py"}
SIGNALS = ("norm", "top1_similarity", "similarity_mean", "margin")
HOUR_EVENTS = 1000
AGAINST_HEALTHY = 2.0
"""How far beyond the healthiest hour's extreme an act must be: sharp statistics have their limits about there."""
ORDINARY = 1 / 6
"""What the hour of the day may move a signal by, in standard deviations."""


@pytest.fixture(scope="module")
def service():
    """The search over a slice of the corpus, trained in half a second."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in source_files(root) if path.relative_to(root).parts[0] in SLICE]
    return SearchService(build_corpus([*docstrings(paths, root), *reference()]))


def hour(service, act, day):
    """One hour of queries: signal -> values."""
    rows = []
    for first in range(0, HOUR_EVENTS, EVENTS_PER_TICK):
        questions = service.questions(act, EVENTS_PER_TICK, day + first / HOUR_EVENTS / 24)
        vectors, hits = service.answer(act, questions)
        rows += [
            (np.linalg.norm(vector), found.scores[0], np.mean(found.scores), found.scores[0] - found.scores[1])
            for vector, found in zip(vectors, hits, strict=True)
            if found.scores
        ]
    return dict(zip(SIGNALS, np.array(rows).T, strict=True))


@pytest.fixture(scope="module")
def healthy_hours(service):
    """A day, every second hour."""
    return [hour(service, HEALTHY, number / 12) for number in range(12)]


@pytest.fixture(scope="module")
def extremes(healthy_hours):
    """The largest distance of a healthy hour from the other hours, for each signal, in standard deviations."""
    return {
        signal: max(distance(signal, each, [h for h in healthy_hours if h is not each]) for each in healthy_hours)
        for signal in SIGNALS
    }


def distance(signal, hour, others):
    """W1 of an hour to other hours, in their standard deviations."""
    rest = np.concatenate([other[signal] for other in others])
    return wasserstein_distance(hour[signal], rest) / rest.std()


def test_the_ordinary_day_moves_no_signal_by_much(extremes):
    """The rhythm is there to be learned, not to be mistaken for drift: a sixth of a standard deviation at most."""
    assert max(extremes.values()) < ORDINARY, extremes


@pytest.mark.parametrize("act", [act for act in ACTS if act.sign is Sign.SCORE], ids=lambda act: act.name)
def test_an_act_moves_the_signal_it_says_it_moves(act, service, healthy_hours, extremes):
    """Well beyond every healthy hour."""
    signal = act.signals[0]

    assert distance(signal, hour(service, act, 0.3), healthy_hours) > AGAINST_HEALTHY * extremes[signal]


def test_a_lost_normalisation_leaves_the_similarities_alone(service, healthy_hours):
    """The engine compares by cosine: nothing but the norm tells."""
    (act,) = (act for act in ACTS if not act.unit_length)
    lost = hour(service, act, 0.3)

    assert distance("norm", lost, healthy_hours) > 10
    for signal in ("top1_similarity", "similarity_mean", "margin"):
        assert distance(signal, lost, healthy_hours) < ORDINARY


def test_a_stale_index_leaves_the_norms_alone(service, healthy_hours):
    """The queries are as ever."""
    (act,) = (act for act in ACTS if act.indexed_share < 1)

    assert distance("norm", hour(service, act, 0.3), healthy_hours) < ORDINARY


def test_the_acts_begin_healthy_and_each_can_be_played():
    """The healthy act is held to every window, which later acts would spoil; tokenizers are those of the table."""
    assert ACTS[0] is HEALTHY
    assert len(ACTS) == len({act.name for act in ACTS})
    assert {act.tokenizer for act in ACTS} <= set(TOKENIZERS)
    for act in ACTS:
        assert (act.sign is Sign.SCORE) == bool(act.signals)
        assert set(act.signals) <= set(SIGNALS)
        assert act.look_at.startswith("embedding_")


def test_the_silent_upgrade_is_the_announced_one_without_its_version():
    """Both acts do the same to the vectors; only one says so."""
    announced, silent = (act for act in ACTS if act.tokenizer != HEALTHY.tokenizer)

    assert announced.tokenizer == silent.tokenizer
    assert announced.tokenizer_version != silent.tokenizer_version == HEALTHY.tokenizer_version


QUESTIONS = [Question(f"{topic} {number}", topic, f"{topic}.{number // 3}") for topic in "abcd" for number in range(30)]
NEW_QUESTIONS = [Question(f"new {number}", "new", "new") for number in range(10)]


def test_the_same_seed_asks_the_same_questions():
    """The demonstration is the same each time, apart from timing."""
    first, again = (Audience(QUESTIONS, NEW_QUESTIONS, seed=3).ask(500, 0.25, 0.5) for _ in range(2))

    assert first == again


def test_nobody_asks_about_new_things_before_they_are_asked_to():
    """Then about the share of users that was ordered does, as sessions end."""
    audience = Audience(QUESTIONS, NEW_QUESTIONS)
    before, after = audience.ask(2000, 0.1), audience.ask(4000, 0.1, 0.5)

    assert not any(question.topic == "new" for question in before)
    assert 0.4 < np.mean([question.topic == "new" for question in after]) < 0.6


def test_what_users_come_for_moves_over_the_day_and_comes_back():
    """Topic shares at noon differ from those at midnight, and are those of the noon after."""

    def shares(day):
        topics = [question.topic for question in Audience(QUESTIONS, [], seed=5).ask(8000, day)]
        return np.array([topics.count(topic) for topic in "abcd"]) / len(topics)

    assert np.abs(shares(0.0) - shares(0.5)).max() > 0.05
    np.testing.assert_array_equal(shares(0.5), shares(1.5))


def test_a_session_stays_with_its_topic(monkeypatch):
    """Neighbouring questions of one user are related: events are not independent, as in any real traffic."""
    monkeypatch.setattr("app.demo.audience.SESSIONS", 1)
    asked = Audience(QUESTIONS, []).ask(3000, 0.0)

    # Of independent questions about four topics a quarter of the neighbours would agree.
    assert 0.6 < np.mean([one.topic == other.topic for one, other in pairwise(asked)]) < 0.8


def test_a_day_of_traffic_has_the_ordered_number_of_events_and_its_rhythm():
    """Over a day the rhythm cancels out; noon, at which it begins, has more than midnight."""
    pace = Pace(day_seconds=30, events_per_day=43_000, start=100.0)
    due = [pace.due(100 + 30 * step / 1000) for step in range(1001)]

    assert 43_000 == pytest.approx(sum(due), rel=0.001)
    assert sum(due[:100] + due[900:]) / sum(due[400:600]) == pytest.approx(1.47 / 0.53, rel=0.02)


def test_a_machine_that_falls_behind_sends_less_and_never_a_burst():
    """What could not be sent in two ticks is forgotten."""
    pace = Pace(day_seconds=30, events_per_day=43_000, start=0.0)

    assert 2 * EVENTS_PER_TICK == pace.due(10.0)
    assert pace.due(10.0 + pace.tick_seconds) <= rate_factor(FIRST_DAY + 10 / 30) * EVENTS_PER_TICK + 1


def test_an_unknown_act_is_refused_with_the_known_ones(capsys):
    """The last known act goes on, and the end of the input ends the traffic."""
    orders = Orders()
    orders.follow(["healthy\n", "stale_index\n", "no such act\n"])

    assert "stale_index" == orders.act.name
    assert orders.ended.is_set()
    assert "one of healthy, tokenizer_announced" in capsys.readouterr().err


class Recorder:
    """Stands in for the client."""

    def __init__(self):
        self.events = []

    def record(self, **event):
        self.events.append(event)


def test_an_event_carries_what_a_search_service_knows(service):
    """One event a question, with the vector as the model gives it and ten scores, best first; no text leaves."""
    client = Recorder()
    questions = service.questions(HEALTHY, 5, 0.5)
    send(service, client, HEALTHY, questions, 40)

    assert ["q40", "q41", "q42", "q43", "q44"] == [event["query_id"] for event in client.events]
    for question, event in zip(questions, client.events, strict=True):
        assert sorted(event["scores"], reverse=True) == event["scores"]
        assert 10 == len(event["ids"]) == event["result_count"]
        assert "1" == event["tokenizer_version"]
        assert (256,) == event["embedding"].shape
        assert hashlib.blake2b(question.text.encode(), digest_size=16).hexdigest() == event["input_hash"]
        assert not any(question.text == value for value in event.values() if isinstance(value, str))
