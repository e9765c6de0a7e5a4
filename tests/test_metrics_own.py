"""What the exporter counts about itself is exact, from any thread, and a copy once it is read."""

import threading

import pytest

from app.metrics import OwnMetrics
from app.metrics.own import STAGED_REQUESTS
from app.model import Reason


def test_every_reason_begins_at_zero():
    """A reason that never happened reads 0, and one that did reads how often."""
    own = OwnMetrics()

    own.count_failure(Reason.LABEL)
    own.count_failure(Reason.LABEL, 3)

    assert dict.fromkeys(Reason, 0) | {Reason.LABEL: 4} == own.totals().failures


@pytest.mark.parametrize("requests", [0, 1, STAGED_REQUESTS - 1, STAGED_REQUESTS, 2 * STAGED_REQUESTS + 1])
def test_every_request_is_counted_once(requests):
    """However many are staged when somebody reads, and however often it is read."""
    own = OwnMetrics()
    for _ in range(requests):
        own.observe_request("/v1/events", 202, 0.25)

    for _ in range(2):
        counted = own.totals().requests
        assert requests == sum(int(counts.cumulative[-1]) for counts in counted.values())
        assert 0.25 * requests == sum(counts.sum for counts in counted.values())


def test_requests_are_told_apart_by_route_and_class_of_status():
    """Status codes are grouped, so that what a client does to provoke them costs no samples."""
    own = OwnMetrics()
    for route, code in (("/", 200), ("/metrics", 200), ("/metrics", 204), ("/metrics", 404), ("/metrics", 500)):
        own.observe_request(route, code, 0.001)

    requests = own.totals().requests

    assert [("/", "2xx"), ("/metrics", "2xx"), ("/metrics", "4xx"), ("/metrics", "5xx")] == sorted(requests)
    assert 2 == requests["/metrics", "2xx"].cumulative[-1]


def test_a_duration_counts_in_its_bucket():
    """Exactly on a bound belongs below it; past the last bound only to all."""
    own = OwnMetrics()
    for seconds in (0.0005, 0.0006, 11.0):
        own.observe_request("/", 200, seconds)

    assert [1, 2, *[2] * 12, 3] == own.totals().requests["/", "2xx"].cumulative.tolist()


def test_what_was_read_does_not_change():
    """A copy: later observations belong to the next read."""
    own = OwnMetrics()
    own.observe_request("/", 200, 0.1)
    read = own.totals()

    own.observe_request("/", 200, 0.1)
    own.count_failure(Reason.NORM)
    own.totals()

    assert 1 == read.requests["/", "2xx"].cumulative[-1]
    assert 0 == read.failures[Reason.NORM]


def test_threads_lose_no_count():
    """Eight threads count while another reads."""
    own = OwnMetrics()

    def count():
        for _ in range(500):
            own.count_failure(Reason.SCORES)
            own.observe_request("/", 200, 0.1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        own.totals()
    for thread in threads:
        thread.join()

    assert 4000 == own.totals().failures[Reason.SCORES]
    assert 4000 == own.totals().requests["/", "2xx"].cumulative[-1]
