"""What is tried again, when, and what became of the events: against a real server, with pauses that take no time."""

import time
from email.utils import formatdate

import pytest
from embedding_drift_client import delivery
from embedding_drift_client.delivery import Delivery
from embedding_drift_client.log import RateLimitedLog
from embedding_drift_client.route import EVENTS as ROUTE
from embedding_drift_client.route import LIFECYCLE, OUTCOMES, ROUTES
from embedding_drift_client.transport import Transport, retry_after_seconds

DEFAULTS = b'{"model":"e5"}'
EVENTS = [b'{"event_id":"1"}', b'{"event_id":"2"}', b'{"event_id":"3"}']


class Waiter:
    """Notes each pause instead of waiting; there is time for `times` of them."""

    def __init__(self, times=1000):
        self.times = times
        self.pauses = []

    def __call__(self, seconds):
        self.pauses.append(seconds)
        return len(self.pauses) <= self.times


@pytest.fixture
def transport(exporter):
    transport = Transport(exporter.url, timeout_seconds=10.0)
    yield transport
    transport.close()


@pytest.fixture
def deliveries(transport):
    def make(pause, route=ROUTE, defaults=DEFAULTS):
        return Delivery(transport, route, defaults, pause=pause, log=RateLimitedLog(), uniform=lambda low, high: high)

    return make


@pytest.fixture
def deliver(deliveries):
    def deliver(events=EVENTS, waiter=None):
        return dict(deliveries(waiter or Waiter()).deliver(events))

    return deliver


def test_a_batch_carries_its_defaults_and_counts_what_the_reply_says(exporter, deliver):
    """Rejected, duplicate and late events are told apart from accepted ones."""
    exporter.script.append(exporter.status(202, body={"accepted": 0, "rejected": 1, "duplicates": 1, "late": 1}))

    assert {"rejected": 1, "duplicates": 1, "late": 1} == deliver()
    assert [{"model": "e5", "events": [{"event_id": "1"}, {"event_id": "2"}, {"event_id": "3"}]}] == exporter.batches


def test_what_was_not_matched_is_told_apart(exporter, deliveries):
    """Of outcomes whose query the exporter does not know; a batch without defaults carries nothing but its items."""
    exporter.script.append(exporter.status(202, body={"accepted": 1, "duplicates": 0, "unmatched": 2, "rejected": 0}))

    assert {"unmatched": 2, "accepted": 1} == dict(deliveries(Waiter(), OUTCOMES, b"{}").deliver(EVENTS))
    assert ["/v1/outcomes"] == exporter.paths
    assert [{"events": [{"event_id": "1"}, {"event_id": "2"}, {"event_id": "3"}]}] == exporter.batches


def test_every_attempt_of_a_batch_has_the_same_key_and_every_batch_its_own(exporter, deliver):
    """The exporter knows a batch again whose answer was lost; halves of one that was too large are other batches."""
    exporter.script.extend([exporter.status(503), exporter.reset, exporter.status(413)])
    deliver()
    deliver()
    keys = [exporter.wait_for_request()[1]["Idempotency-Key"] for _ in exporter.batches]

    assert 6 == len(keys)
    assert 4 == len(set(keys))
    assert 1 == len(set(keys[:3]))


@pytest.mark.parametrize("route", ROUTES)
def test_trouble_on_one_route_does_not_silence_the_log_of_another(exporter, transport, caplog, route):
    """Each route has its own line a minute, which says what was refused."""
    exporter.script.extend([exporter.status(400)] * 2)
    log = RateLimitedLog()

    for each in (LIFECYCLE if route == ROUTE else ROUTE, route):
        Delivery(transport, each, DEFAULTS, pause=Waiter(), log=log).deliver(EVENTS)

    assert f"the exporter rejected 3 of 3 {ROUTES[route]} with status 400" == caplog.messages[-1]


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"\xff", {"rejected": -1}, {"rejected": "many", "late": None}],
)
def test_a_202_with_a_strange_body_counts_as_accepted(exporter, deliver, body):
    """The status says that the events are in."""
    exporter.script.append(exporter.status(202, body=body))

    assert {"accepted": 3} == deliver()


def test_counts_add_up_whatever_the_reply_claims(exporter, deliver):
    """Three events cannot be rejected 99 times."""
    exporter.script.append(exporter.status(202, body={"rejected": 99, "late": 5}))

    assert {"rejected": 3} == deliver()


@pytest.mark.parametrize("status", sorted(delivery.RETRYABLE))
def test_a_retryable_status_is_tried_again_with_the_same_events(exporter, deliver, status):
    """What may be retried is sent again byte for byte."""
    exporter.script.extend([exporter.status(status), exporter.status(status)])

    assert {"retried": 2, "accepted": 3} == deliver()
    assert exporter.batches[0] == exporter.batches[1] == exporter.batches[2]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "rejected"),
        (401, "rejected"),
        (404, "rejected"),
        (415, "rejected"),
        (422, "rejected"),
        (301, "rejected"),
        (500, "failed"),
    ],
)
def test_any_other_status_is_final(exporter, deliver, status, outcome):
    """What cannot get better by waiting is not sent twice."""
    exporter.script.append(exporter.status(status))

    assert {outcome: 3} == deliver()
    assert 1 == len(exporter.batches)


@pytest.mark.parametrize("trouble", ["reset", "garbage"])
def test_a_broken_connection_is_tried_again(exporter, deliver, trouble):
    """A reset and a reply that is no HTTP are troubles of the connection."""
    exporter.script.append(getattr(exporter, trouble))

    assert {"retried": 1, "accepted": 3} == deliver()


def test_an_exporter_that_does_not_answer_in_time_is_tried_again(exporter, gate):
    """Each wait is bounded by the timeout."""
    exporter.script.append(exporter.hold(gate))
    transport = Transport(exporter.url, timeout_seconds=0.05)
    patient = Waiter()

    def pause(seconds):
        transport._connection.timeout = 10.0
        return patient(seconds)

    counts = Delivery(transport, ROUTE, DEFAULTS, pause=pause, log=RateLimitedLog()).deliver(EVENTS)
    transport.close()

    assert {"retried": 1, "accepted": 3} == dict(counts)


def test_an_exporter_that_is_not_there_is_given_up_after_all_attempts(exporter):
    """Refused connections are retried up to the bound, then counted as failed."""
    exporter.server.server_close()
    transport, waiter = Transport(exporter.url, 1.0), Waiter()

    counts = Delivery(transport, ROUTE, DEFAULTS, pause=waiter, log=RateLimitedLog()).deliver(EVENTS)

    assert {"retried": delivery.MAX_ATTEMPTS - 1, "failed": 3} == dict(counts)
    assert delivery.MAX_ATTEMPTS - 1 == len(waiter.pauses)


def test_pauses_double_up_to_a_bound(exporter, deliver):
    """At the upper end of the jitter: half a second, doubled each time, at most 30 seconds."""
    exporter.script.extend([exporter.status(503)] * delivery.MAX_ATTEMPTS)
    waiter = Waiter()

    assert {"retried": 7, "failed": 3} == deliver(waiter=waiter)
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0] == waiter.pauses


def test_retry_after_is_the_least_pause_and_bounded(exporter, deliver):
    """The jitter comes on top, and no reply can silence the client for an hour."""
    exporter.script.extend([exporter.status(429, {"Retry-After": "7"}), exporter.status(503, {"Retry-After": "3600"})])
    waiter = Waiter()

    assert {"retried": 2, "accepted": 3} == deliver(waiter=waiter)
    assert [7.5, 61.0] == waiter.pauses


def test_retry_after_may_be_a_date():
    """RFC 9110 allows seconds or a date; one in the past asks for no pause."""
    now = time.time()

    assert 90 <= retry_after_seconds(formatdate(now + 100, usegmt=True)) <= 100
    assert 0 == retry_after_seconds(formatdate(now - 100, usegmt=True))


def test_without_time_for_a_pause_the_batch_is_given_up(exporter, deliver):
    """At the end of a process nobody waits for a retry that comes too late."""
    exporter.script.append(exporter.status(503))

    assert {"failed": 3} == deliver(waiter=Waiter(times=0))
    assert 1 == len(exporter.batches)


def test_a_batch_that_is_too_large_is_sent_in_halves(exporter, deliver):
    """413 names the batch, not the events; one event that alone is too large is rejected."""
    exporter.script.extend([exporter.status(413), exporter.status(413), exporter.accept, exporter.accept])

    assert {"accepted": 2, "rejected": 1} == deliver()
    assert [3, 1, 2] == [len(batch["events"]) for batch in exporter.batches]


def test_the_connection_is_kept(exporter, deliver):
    """Batches follow one another over one connection."""
    for _ in range(3):
        deliver()

    assert 1 == exporter.connections


def test_a_connection_dropped_while_idle_is_made_again_without_a_pause(exporter, deliver):
    """A server closes idle connections; the client finds out by using them, and that is no failure."""
    exporter.script.append(exporter.accept_then_drop)
    waiter = Waiter()

    assert {"accepted": 3} == deliver()
    assert {"accepted": 3} == deliver(waiter=waiter)
    assert [] == waiter.pauses
    assert 2 == exporter.connections


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("base", ["", "/", "/drift", "/drift/", "/drift/v1/events"])
def test_all_is_posted_under_the_base(exporter, base, route):
    """A base URL may have a path, end with a slash, or be the route of events itself."""
    transport = Transport(exporter.url + base, 10.0)

    assert 202 == transport.post(route, b'{"events":[]}', "k1").status
    transport.close()
    path, headers = exporter.wait_for_request()
    assert ("/drift" if "drift" in base else "") + route == path
    assert "application/json" == headers["Content-Type"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:10877",
        "ftp://host",
        "http://",
        "http://user:secret@host",
        "http://host/?token=secret",
        "http://host:port",
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once_without_showing_it(url):
    """A URL may hold a secret."""
    with pytest.raises(ValueError, match=r"url|port|Port") as caught:
        Transport(url, 1.0)
    assert "secret" not in str(caught.value)


def test_https_is_chosen_by_the_scheme():
    """Certificates are verified by the system's authorities."""
    connection = Transport("https://drift.example", 1.0)._connection

    assert 443 == connection.port
    assert connection._context.check_hostname
