"""The guard against slower code: a loss fails, noise does not, and every case has its ratio."""

import json
from itertools import chain, repeat

import pytest

from bench import guard
from bench.guarded import CASES


def judge(*ratios, committed=1.0):
    """A case that is measured as these, the last of them for ever."""
    measured = chain(ratios, repeat(ratios[-1]))
    return guard.judge("case", lambda: None, {"case": committed}, timed=lambda case: next(measured))


def test_a_loss_fails_however_often_it_is_measured():
    """A quarter more than it took is a loss; a fifth is not yet."""
    assert not judge(1.25).held
    assert judge(1.2).held


def test_a_busy_minute_is_no_loss():
    """What is as fast as ever when measured again passes."""
    assert judge(1.9, 1.4, 1.05).held
    assert not judge(1.9, 1.4, 1.3, 1.0).held


def test_what_has_no_ratio_does_not_pass():
    """Or a new case would never be watched."""
    assert not guard.judge("case", lambda: None, {}, timed=lambda case: 1.0).held


def test_a_made_up_loss_is_measured():
    """Real work, and the same twice: the second is about twice the first by the calibration loop of each."""

    def once():
        guard.calibration()

    def twice():
        once()
        once()

    change = guard.measure(twice, rounds=3) / guard.measure(once, rounds=3)
    assert 1.5 < change < 2.7


def test_every_case_has_its_ratio():
    """And no ratio is left of a case that has gone."""
    assert set(CASES) == set(json.loads(guard.RATIOS.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", CASES)
def test_every_case_works(name):
    """It does its work more than once."""
    case = CASES[name]()
    case()
    case()
