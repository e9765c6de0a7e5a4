"""The acts offline: the diagnosis names each of them, and nothing on an ordinary day."""

import hashlib
import sysconfig
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from app.compare import Reference
from app.demo.acts import ACTS, BY_NAME, HEALTHY
from app.demo.audience import Audience, rate_factor
from app.demo.corpus import Question, build_corpus, docstrings, reference, source_files
from app.demo.frontend import Frontend
from app.demo.operations import CHANGED_DOCUMENTS, Operations
from app.demo.service import JUDGED_SHARE, SearchService
from app.demo.tokenizer import TOKENIZERS
from app.demo.traffic import EVENTS_PER_TICK, FIRST_DAY, Orders, Pace
from app.demo.users import FEEDBACK_SHARE, Users
from app.drift.diagnosis import CAUSES

SLICE = {"email", "http", "json", "logging", "tkinter", "turtle.py", "unittest", "urllib", "tarfile.py"}
HOUR_EVENTS = 1000


class Hour(NamedTuple):
    """An hour of queries, without those that have no embedding."""

    vectors: np.ndarray
    scores: np.ndarray
    """Of the best passage; NaN where none was found."""
    hashes: list[str]

    @property
    def norms(self):
        return np.linalg.norm(self.vectors, axis=1)


@pytest.fixture(scope="module")
def service():
    """The search over a slice of the corpus, trained in half a second."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in source_files(root) if path.relative_to(root).parts[0] in SLICE]
    return SearchService(build_corpus([*docstrings(paths, root), *reference()]))


def hour(service, act, day):
    """One hour of queries."""
    rows = []
    for first in range(0, HOUR_EVENTS, EVENTS_PER_TICK):
        questions = service.questions(act, EVENTS_PER_TICK, day + first / HOUR_EVENTS / 24)
        rows += [
            (answer.embedding, answer.hits.scores[0] if answer.hits.scores else np.nan, question.text)
            for question, answer in zip(questions, service.answer(act, questions), strict=True)
            if answer.embedding is not None
        ]
    vectors, scores, hashes = zip(*rows, strict=True)
    return Hour(np.array(vectors), np.array(scores), list(hashes))


@pytest.fixture(scope="module")
def day(service):
    """A day, every second hour, as a baseline."""
    hours = [hour(service, HEALTHY, number / 12) for number in range(12)]
    return Reference(
        np.concatenate([each.vectors for each in hours]),
        scores=np.concatenate([each.scores for each in hours]),
        hashes=[each for one in hours for each in one.hashes],
    )


def held(day, found):
    """An hour against the day."""
    return day.compare(found.vectors, scores=found.scores, hashes=found.hashes)


@pytest.mark.parametrize("time", [1.25, 1.5, 2.0])
def test_on_an_ordinary_day_nothing_is_suspected(day, service, time):
    """The rhythm is there to be learned, not to be mistaken for drift."""
    comparison = held(day, hour(service, HEALTHY, time))

    assert comparison.score < 1, comparison.scores
    assert () == comparison.diagnosis


@pytest.mark.parametrize("act", [act for act in ACTS if act.cause], ids=lambda act: act.name)
def test_the_diagnosis_names_an_act_first(act, day, service):
    """By the very statistics and table of causes that the exporter has, on one hour of the act."""
    comparison = held(day, hour(service, act, 1.3))

    assert [act.cause] == [suspect.cause for suspect in comparison.diagnosis][:1], comparison


def test_a_lost_normalisation_leaves_the_similarities_alone(service):
    """The engine compares by cosine: nothing but the length tells."""
    act = BY_NAME["normalisation_lost"]
    questions = service.questions(HEALTHY, 100, 0.3)
    usual, lost = (service.answer(each, questions) for each in (HEALTHY, act))

    for one, other in zip(usual, lost, strict=True):
        assert (one.embedding is None) == (other.embedding is None)
        assert one.embedding is None or np.linalg.norm(one.embedding) == pytest.approx(1, abs=1e-6)
        assert other.embedding is None or np.linalg.norm(other.embedding) < 0.999
        assert one.hits.scores == pytest.approx(other.hits.scores, abs=1e-5)


def test_a_question_without_a_word_has_no_embedding(service):
    """And finds nothing: a vector of zeros would be a lie."""
    (answer,) = service.answer(HEALTHY, [Question("?", "a", "a")])

    assert answer.embedding is None
    assert answer.no_answer
    assert ([], []) == (answer.hits.scores, answer.hits.ids)


def test_a_failed_embedding_is_zeros_and_finds_nothing(service):
    """In the share that the act says."""
    act = BY_NAME["zeros"]
    answers = service.answer(act, service.questions(act, 2000, 0.3))
    zeros = [each for each in answers if each.embedding is not None and not each.embedding.any()]

    assert len(zeros) / 2000 == pytest.approx(act.zeros_share, abs=0.02)
    assert not any(each.hits.ids for each in zeros)


def test_two_tokenizers_side_by_side_give_one_question_two_vectors(service):
    """Half of the time each."""
    act = BY_NAME["tokenizers_mixed"]
    question = Question("Read the HTTP Server's request and close the connection", "a", "a")
    (usual,) = service.answer(HEALTHY, [question])
    answers = service.answer(act, [question] * 400)
    shares = [np.dot(each.embedding, usual.embedding) > 0.999 for each in answers]

    assert np.mean(shares) == pytest.approx(act.tokenizer_share, abs=0.1)


def test_the_acts_begin_healthy_and_each_can_be_played():
    """The healthy act is held to every window, which later acts would spoil; causes and tokenizers are known ones."""
    assert ACTS[0] is HEALTHY
    assert len(ACTS) == len({act.name for act in ACTS})
    assert {act.tokenizer for act in ACTS} <= set(TOKENIZERS)
    assert {act.cause for act in ACTS} - {None} <= {cause.name for cause in CAUSES}
    for act in ACTS:
        assert 1 == (act is HEALTHY) + act.announced + (act.cause is not None)
        assert act.look_at.startswith("embedding_")


def test_the_silent_upgrade_is_the_announced_one_without_its_version():
    """Both acts do the same to the vectors; only one says so."""
    announced, silent = BY_NAME["tokenizer_announced"], BY_NAME["tokenizer_silent"]

    assert announced.tokenizer == silent.tokenizer != HEALTHY.tokenizer
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


def test_a_flood_is_one_question_in_its_share():
    """Beside what the others ask."""
    asked = Audience(QUESTIONS, NEW_QUESTIONS).ask(4000, 0.1, flood_share=0.25)
    counts = sorted((asked.count(question) for question in QUESTIONS), reverse=True)

    assert 0.22 < counts[0] / 4000 < 0.29
    assert counts[1] < 0.05 * 4000


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
        self.events, self.outcomes, self.told = [], {}, []

    def record(self, **event):
        self.events.append(event)

    def outcome(self, query_id, **outcome):
        self.outcomes[query_id] = outcome

    def lifecycle(self, *what, **told):
        self.told.append((*what, told))


def test_an_event_carries_what_a_search_service_knows(service):
    """One event a question, with the vector as the model gives it and ten scores, best first; no text leaves."""
    client = Recorder()
    questions = service.questions(HEALTHY, 5, 0.5)
    Frontend(service, Users(), client).serve(HEALTHY, questions)

    assert ["q0", "q1", "q2", "q3", "q4"] == [event["query_id"] for event in client.events]
    for question, event in zip(questions, client.events, strict=True):
        assert sorted(event["scores"], reverse=True) == event["scores"]
        assert 10 == len(event["ids"]) == event["result_count"]
        assert "1" == event["tokenizer_version"]
        assert (256,) == event["embedding"].shape
        assert 1 == pytest.approx(np.linalg.norm(event["embedding"]), abs=1e-6)
        assert hashlib.blake2b(question.text.encode(), digest_size=16).hexdigest() == event["input_hash"]
        assert {"part": "reference" if question.about.startswith("reference.") else "library"} == event["labels"]
        assert not any(question.text == value for value in event.values() if isinstance(value, str))


def hits_and_successes(service, act, ticks=60):
    """The share of judged queries whose document was found, and of known outcomes that are successes."""
    client = Recorder()
    frontend = Frontend(service, Users(), client)
    for tick in range(ticks):
        frontend.serve(act, service.questions(act, EVENTS_PER_TICK, 0.3 + tick / ticks / 24))
    judged = [event for event in client.events if event["relevant"]]
    hits = [bool(set(event["relevant"]) & set(event["ids"])) for event in judged]
    return np.mean(hits), np.mean([outcome["success"] for outcome in client.outcomes.values()]), client


def test_users_find_less_where_the_right_documents_are_not_among_the_results(service):
    """Worse retrieval has worse outcomes, and none of it changes where only the lengths of vectors do."""
    measured = {
        name: hits_and_successes(service, BY_NAME[name])
        for name in ("healthy", "stale_index", "tokenizer_silent", "normalisation_lost")
    }
    hits, successes = ({name: each[part] for name, each in measured.items()} for part in (0, 1))

    for shares in (hits, successes):
        assert shares["tokenizer_silent"] < 0.5 * shares["healthy"]
        assert shares["stale_index"] < 0.9 * shares["healthy"]
        assert shares["normalisation_lost"] == pytest.approx(shares["healthy"], abs=0.1)


def test_outcomes_come_after_their_queries_and_of_a_part_of_them(service):
    """A moment later, as the next questions are asked; the same questions are judged each time."""
    _, _, client = hits_and_successes(service, HEALTHY)
    recorded = {event["query_id"] for event in client.events[:-EVENTS_PER_TICK]}

    assert set(client.outcomes) <= recorded
    assert FEEDBACK_SHARE == pytest.approx(len(client.outcomes) / len(recorded), abs=0.03)
    judged = {event["input_hash"]: event["relevant"] is not None for event in client.events}
    assert len(judged) == len({(event["input_hash"], event["relevant"] is not None) for event in client.events})
    assert 1 / JUDGED_SHARE == pytest.approx(np.mean(list(judged.values())), abs=0.05)


def test_a_success_is_a_click_and_nobody_who_had_one_asks_further():
    """The right document first is opened nearly always, tenth seldom; without one at all there is none."""
    users = Users()
    first, last, without, nothing = (
        [each for _ in range(4000) if (each := users.outcome(shown, {7})) is not None]
        for shown in ([7, 1, 2], [1] * 9 + [7], [1, 2, 3], [])
    )

    for outcome in (*first, *last, *without, *nothing):
        assert outcome["clicked"] or not outcome["success"]
        assert not (outcome["success"] and outcome["escalated"])
    shares = [np.mean([each["success"] for each in outcomes]) for outcomes in (first, last, without, nothing)]
    assert [0.9, 0.26, 0, 0] == pytest.approx(shares, abs=0.05)
    assert 0 == sum(each["clicked"] for each in nothing) < sum(each["clicked"] for each in without)


def test_half_of_the_announced_canary_is_the_new_version(service):
    """Each event names the version that its query went through."""
    act = BY_NAME["tokenizer_announced"]
    _, _, client = hits_and_successes(service, act, ticks=20)
    versions = [event["tokenizer_version"] for event in client.events]

    assert {"1", "2"} == set(versions)
    assert act.tokenizer_share == pytest.approx(versions.count("2") / len(versions), abs=0.05)


def told_over(*played):
    """What is told while acts are played from one day to another, a look every minute."""
    client = Recorder()
    operations = Operations(client, documents=100, hour_seconds=1.0)
    for name, first, last in played:
        for minute in range(round(1440 * first), round(1440 * last)):
            operations.go_on(BY_NAME[name], minute / 1440)
    return client.told


def counts(told, *what):
    return sum(each[:2] == what for each in told)


def test_an_announced_version_is_deployed_and_rolled_back():
    """As a canary, after the one in service was told of; each has an id of its own."""
    told = told_over(("healthy", 0.5, 0.6), ("tokenizer_announced", 0.6, 0.7), ("healthy", 0.7, 0.8))
    deployments = [(status, more) for kind, status, more in told if kind == "deployment"]

    assert ["finished", "started", "rolled_back"] == [status for status, _ in deployments]
    assert ["stable", "canary", "canary"] == [more["track"] for _, more in deployments]
    assert ["1", "2", "2"] == [more["tokenizer_version"] for _, more in deployments]
    first, started, ended = (more["deployment"] for _, more in deployments)
    assert started == ended != first


def test_documents_are_indexed_in_time_but_while_the_job_is_stuck():
    """Three minutes after they came in; of a stale index only when the job goes on."""
    healthy = told_over(("healthy", 0.5, 0.75))
    stale = told_over(("healthy", 0.5, 0.6), ("stale_index", 0.6, 0.75))
    ingested = [told["ids"] for kind, status, told in healthy if (kind, status) == ("documents", "ingested")]

    assert 36 == counts(healthy, "documents", "ingested") == counts(stale, "documents", "ingested")
    assert CHANGED_DOCUMENTS == len(set(ingested[0]))
    assert {*range(100)} == {each for ids in ingested for each in ids}
    assert counts(healthy, "documents", "indexed") >= 35
    assert counts(stale, "documents", "indexed") <= 15
    assert 35 <= counts(
        told_over(("healthy", 0.5, 0.6), ("stale_index", 0.6, 0.7), ("healthy", 0.7, 0.75)), "documents", "indexed"
    )


def test_the_index_is_rebuilt_each_night_under_announced_maintenance_that_ends():
    """Not while the job is stuck, which is a rebuild that does not end."""
    nights = [(kind, status) for kind, status, _ in told_over(("healthy", 0.5, 2.5)) if kind != "documents"]
    night = [
        ("maintenance", "begin"),
        ("reindex", "started"),
        ("reindex", "progress"),
        ("reindex", "finished"),
        ("maintenance", "end"),
    ]
    stuck = [(kind, status) for kind, status, _ in told_over(("stale_index", 0.5, 1.5)) if kind != "documents"]

    assert [("deployment", "finished"), *night, *night] == nights
    assert [("deployment", "finished"), ("reindex", "started"), ("reindex", "progress")] == stuck
