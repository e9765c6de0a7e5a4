"""Diagnosis: each cause from its own pattern, and gates between ticket and page."""

import pytest

from app.drift.budget import alpha_of_budget
from app.drift.diagnosis import CAUSES, Evidence, diagnose
from app.drift.effects import Effects
from app.drift.gates import GATES, LONE_SCORE, Severity, severity
from app.drift.noise import FAMILY, normal_quantile

QUIET = {
    "changed_share": 0.0,
    "changed_share_lower_bound": 0.0,
    "mean_displacement": 0.0,
    "variance_log_ratio": 0.0,
    "norm_change_ratio": 0.0,
    "ood_excess_ratio": 0.0,
    "centroid_cosine": 1.0,
    "invalid_share": 0.0,
    "same_input_cosine": None,
    "same_input_changed_ratio": None,
    "same_input_matches": 0,
    "same_input_inconsistent_ratio": None,
}


def effects(**changes):
    return Effects(**{**QUIET, **changes})


TOPIC = effects(changed_share=0.12, changed_share_lower_bound=0.06, mean_displacement=0.6)
SAME = {"same_input_matches": 100, "same_input_changed_ratio": 0.0, "same_input_cosine": 1.0}

PATTERNS = {
    "invalid_vectors": Evidence({"invalid": 9}, effects(invalid_share=0.1)),
    "normalisation_broken": Evidence(
        {"norm": 900, "mean_shift": 90, "mahalanobis": 500, "spread": 80},
        effects(norm_change_ratio=4.5, mean_displacement=700, variance_log_ratio=3.4, **SAME),
    ),
    "mixed_versions": Evidence({"joint": 3}, effects(same_input_inconsistent_ratio=0.3)),
    "model_or_tokenizer_changed": Evidence(
        {"same_input": 20, "mean_shift": 60, "novelty": 5, "norm": 8},
        effects(same_input_matches=80, same_input_changed_ratio=1.0, same_input_cosine=0.4, norm_change_ratio=0.2),
    ),
    "collapsed": Evidence({"spread": 30, "norm": 4}, effects(variance_log_ratio=-0.21, **SAME)),
    "flood_of_one_query": Evidence({"mean_shift": 3}, effects(mean_displacement=0.4), largest_repeat=0.2),
    "other_language_or_locale": Evidence({"novelty": 4}, TOPIC, label_growth={"locale=pt-BR": 0.1, "locale=de": 0.01}),
    "new_topics": Evidence({"novelty": 4, "joint": 6}, TOPIC),
    "index_stale_or_reembedded": Evidence({"top1": 3}, effects(**SAME)),
}


@pytest.mark.parametrize("cause", [cause.name for cause in CAUSES])
def test_each_cause_is_named_from_its_own_pattern_alone(cause):
    """The pattern of one cause names that cause and no other, with evidence in words."""
    (suspect,) = diagnose(PATTERNS[cause])

    assert suspect.cause == cause
    assert suspect.evidence


def test_nothing_is_suspected_while_every_score_is_below_its_limit():
    """Effects without a score are noise."""
    assert diagnose(Evidence({"mean_shift": 0.9}, TOPIC)) == ()


def test_without_known_inputs_a_large_move_is_a_changed_model():
    """No traffic moves the mean by hundreds of squared standard deviations."""
    moved = effects(changed_share=0.99, changed_share_lower_bound=0.97, mean_displacement=640)
    (suspect,) = diagnose(Evidence({"novelty": 50, "mean_shift": 4000}, moved))

    assert suspect.cause == "model_or_tokenizer_changed"


def test_the_same_move_with_unchanged_known_inputs_is_new_traffic():
    """Known inputs decide: same vectors, other inputs."""
    moved = effects(changed_share=0.99, changed_share_lower_bound=0.97, mean_displacement=640, **SAME)
    (suspect,) = diagnose(Evidence({"novelty": 50, "mean_shift": 4000}, moved))

    assert suspect.cause == "new_topics"


each_gate = pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.effect)


@each_gate
def test_a_page_needs_a_large_effect_beyond_what_is_healthy(gate):
    """An effect of twice its gate counts for half where a score is twice what it must be alone."""
    large = effects(**{gate.effect: 2 * gate.page})
    of = gate.statistics[0]

    assert severity({of: 2.1 * LONE_SCORE}, large) is Severity.PAGE
    assert severity({of: 1.9 * LONE_SCORE}, large) is Severity.TICKET


@each_gate
def test_a_ticket_needs_an_effect_that_its_own_statistic_sees(gate):
    """Never by the score of another, by more than its limit where nothing confirms it; estimates as far as beyond."""
    small, of = effects(**{gate.effect: 1.01 * gate.ticket}), gate.statistics[0]
    other = next(each for each in ("norm", "top1") if each not in gate.statistics)
    enough = 1.01 if gate.bound else 1000.0
    worth = Severity.PAGE if gate.ticket == gate.page else Severity.TICKET

    assert severity({of: enough}, small) is worth
    assert severity({of: 1.0}, small) is Severity.NONE
    assert severity({of: 1.01}, small) is (Severity.TICKET if gate.bound else Severity.NONE)
    assert severity({of: 1.01}, small, lone=True) is Severity.NONE
    assert severity({of: enough * LONE_SCORE}, small, lone=True) is worth
    assert severity({of: 0.5, other: 99}, small) is Severity.NONE
    assert severity({of: 99}, effects()) is Severity.NONE


def test_what_a_lone_look_needs_is_the_budget_without_its_root():
    """LONE_SCORE is the ratio of normal quantiles, of one look that spends the budget alone over one of two."""
    for seconds in (3600.0, 86400.0):
        lone, confirmed = (
            normal_quantile(alpha_of_budget(1, seconds, windows=3, baselines=2, confirmed=each) / FAMILY)
            for each in (False, True)
        )
        assert lone / confirmed == pytest.approx(LONE_SCORE, abs=0.03)


def test_popular_queries_of_a_new_model_are_no_flood():
    """Their vectors are all new, so their share of the baseline reads 0."""
    evidence = Evidence(
        {"mean_shift": 90, "same_input": 20},
        effects(same_input_matches=80, same_input_changed_ratio=1.0, same_input_cosine=0.4),
        largest_repeat=0.2,
    )

    assert [suspect.cause for suspect in diagnose(evidence)] == ["model_or_tokenizer_changed"]
