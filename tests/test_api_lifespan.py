"""The ticker, and that the application starts and ends with it."""

import threading

from app.main import Ticker
from tests.fakes import FakeClock
from tests.service import event, service

WAIT_SECONDS = 30


class Recording:
    """Stands in for the evaluator: notes each tick and raises on the first ones."""

    def __init__(self, failures):
        self.times = []
        self._failures = failures
        self._ticked = threading.Condition()

    def __call__(self, now):
        with self._ticked:
            self.times.append(now)
            self._ticked.notify_all()
            if len(self.times) <= self._failures:
                raise ValueError("one series cannot be scored")

    def wait_for(self, ticks):
        with self._ticked:
            return self._ticked.wait_for(lambda: len(self.times) >= ticks, WAIT_SECONDS)


def test_an_evaluation_that_fails_is_logged_and_the_next_one_comes(capfd):
    """A bug shows in the log; it does not end the scores for good."""
    evaluate = Recording(failures=2)
    ticker = Ticker(evaluate, FakeClock(), interval_seconds=0.001)

    ticker.start()
    came = evaluate.wait_for(4)
    ticker.stop(WAIT_SECONDS)

    assert came
    assert 2 == capfd.readouterr().out.count("evaluation failed")


def test_evaluations_are_given_the_time_of_the_clock():
    """Not that of the machine."""
    clock = FakeClock(start=1234.0)
    evaluate = Recording(failures=0)
    ticker = Ticker(evaluate, clock, interval_seconds=0.001)

    ticker.start()
    came = evaluate.wait_for(1)
    ticker.stop(WAIT_SECONDS)

    assert came
    assert {1234.0} == set(evaluate.times)


def test_a_stopped_ticker_evaluates_no_more():
    """And its thread has ended."""
    evaluate = Recording(failures=0)
    ticker = Ticker(evaluate, FakeClock(), interval_seconds=0.001)
    ticker.start()
    evaluate.wait_for(1)

    ticker.stop(WAIT_SECONDS)

    assert "evaluate" not in {thread.name for thread in threading.enumerate()}


def test_the_application_evaluates_between_its_start_and_its_end():
    """The time scale makes the ten seconds between two evaluations short."""
    with service(time_scale=1000.0) as served:
        served.post(event())

        async def go():
            async with served.app.router.lifespan_context(served.app):
                return "evaluate" in {thread.name for thread in threading.enumerate()}

        running = served.run(go())

    assert running
    assert "evaluate" not in {thread.name for thread in threading.enumerate()}


def test_two_applications_share_nothing():
    """Each has its own store, counters and baselines."""
    with service() as one, service() as other:
        one.post(event())
        one.send(b"")

        assert 1 == len(one.get("/v1/series").json()["series"])
        assert [] == other.get("/v1/series").json()["series"]
        assert {"malformed": 1} == one.failures()
        assert {} == other.failures()
