"""R22: a clock that is set forward or back while the exporter runs: nothing is NaN, negative or alarming."""

import math

import numpy as np
import pytest

from tests.service import event, service

HOUR, DAY = 3600.0, 86400.0
SIGNED = {
    "embedding_mean_displacement",
    "embedding_norm_change_ratio",
    "embedding_ood_excess_ratio",
    "embedding_variance_log_ratio",
}
"""What may be below 0: everything else is a count, a duration, a share or a time."""


def traffic(served, rng, seconds):
    """An event each two seconds, with an evaluation each ten."""
    for second in range(0, int(seconds), 2):
        vector = (rng.normal(1.0, 0.1, 8) / 8**0.5).tolist()
        reply = served.post(
            event(embedding=vector, scores=[float(rng.uniform(0.6, 0.9))], timestamp=served.clock.now())
        )
        assert (202, 1) == (reply.status, reply.json()["accepted"])
        served.clock.advance(2.0)
        if second % 10 == 0:
            served.tick()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
def test_r22_a_jump_of_the_clock_leaves_no_nan_nothing_negative_and_no_alarm(jump):
    """Events go on being taken and counted; every score that is told stays below its limit.

    Set back, the time of the latest event does not move until the clock is where it was.
    """
    rng = np.random.default_rng(22)
    settings = {
        "baseline_min_events": 300,
        "baseline_duration_seconds": 900.0,
        "min_window_events": 50,
        "series_ttl_seconds": 30 * DAY,
    }
    with service(**settings) as served:
        traffic(served, rng, 1500)
        before, latest_before = served.samples(), served.clock.now() - 2.0
        served.clock.advance(jump)
        served.tick()
        traffic(served, rng, 900)
        served.tick()
        samples, now = served.samples(), served.clock.now()

    assert not [name for name, value in samples.items() if math.isnan(value)]
    assert {name for (name, *_), value in samples.items() if value < 0} <= SIGNED
    counters = {name: value for name, value in before.items() if name[0] == "embedding_events_total"}
    assert counters
    assert all(samples[name] == value + 450 for name, value in counters.items())
    scores = {name: value for name, value in samples.items() if name[0] == "embedding_drift_score"}
    # Set back, it began in the future: there are none until the clock has caught up.
    assert bool(scores) == (jump > 0)
    assert all(value < 1 for value in scores.values()), {name: value for name, value in scores.items() if value >= 1}
    recent = {
        dict(labels)["window"]: value
        for (name, *labels), value in samples.items()
        if name == "embedding_window_events" and ("signal", "norm") in labels
    }
    assert recent["5m"] >= 150
    (latest,) = (value for (name, *_), value in samples.items() if name == "embedding_last_event_timestamp_seconds")
    assert latest == max(now - 2.0, latest_before)
