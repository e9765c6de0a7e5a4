"""A stop of the service while clients are at work."""

import signal
import threading
import time
from contextlib import ExitStack

from tests.process import HALF_A_HEAD, HALF_SENT, STOP_SECONDS, read_to_end
from tests.senders import PAUSE_SECONDS, until

HALF_OPEN = 50
SENDERS = 4
AT_WORK = 50
"""Requests that were answered before the stop."""


def stopped_under_load(made, body, statuses, errors):
    """Seconds that a stop took, with exit code 0, while senders post `body` and fifty clients are half-way.

    Without those in which the exporter could have gone on and had no core. Each of those clients gets a 503 or nothing.
    `statuses` and `errors` get what became of the senders' requests.
    """
    over = threading.Event()

    def send():
        while not over.is_set():
            try:
                statuses.append(made.ask("POST", "/v1/events", body)[0])
            except OSError as error:
                errors.append(error)
                return

    with ExitStack() as stack:
        half_open = [stack.enter_context(made.connect(HALF_SENT if n % 2 else HALF_A_HEAD)) for n in range(HALF_OPEN)]
        senders = [threading.Thread(target=send) for _ in range(SENDERS)]
        for each in senders:
            each.start()
        try:
            until(lambda: len(statuses) >= AT_WORK)
            begun, starved = time.monotonic(), made.starved_seconds()
            made.signal(signal.SIGTERM)
            while made.running():
                starved_at_last = made.starved_seconds()
                assert time.monotonic() < begun + STOP_SECONDS
                time.sleep(PAUSE_SECONDS)
            code = made.exit_code()
            took = time.monotonic() - begun - (starved_at_last - starved)
        finally:
            over.set()
            for each in senders:
                each.join()
        assert {b"", b"503"} == {read_to_end(each)[9:12] for each in half_open}
    assert 0 == code
    return took
