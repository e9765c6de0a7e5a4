"""compare: drift of two arrays, with the same fit, calibration and scores as the exporter."""

import numpy as np
import pytest

from app.compare import NotEnoughDataError, Reference, Sample, compare
from app.drift.family import ALARMS, OF_TWO_SIDES
from app.drift.gates import Severity, severity


def vectors(rng, n, topics=range(12), d=64):
    """Unit vectors around topics of a fixed space, with a mean of their own as real models have."""
    centres = np.random.default_rng(11).normal(size=(20, d)) + 1
    rows = centres[rng.choice(list(topics), n)] + rng.normal(size=(n, d)) * np.linspace(1.2, 0.1, d)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(7)
    rows = vectors(rng, 1200)
    return Reference(rows, hashes=[f"h{i}" for i in range(1200)]), rows


def test_windows_of_the_same_traffic_are_no_drift(reference):
    """100 windows of 300: with a true rate of 0.2 % more than 3 have a probability of 0.00005."""
    rng = np.random.default_rng(7)
    results = [reference[0].compare(vectors(rng, 300)) for _ in range(100)]

    assert sum(result.score > 1 for result in results) <= 3
    assert max(result.score for result in results) > 0.5


def test_a_new_topic_is_drift_and_named(reference):
    """A tenth of the window is about something else."""
    rng = np.random.default_rng(7)
    result = reference[0].compare(np.concatenate((vectors(rng, 450), vectors(rng, 50, [15]))))

    assert result.score > 1
    assert [suspect.cause for suspect in result.diagnosis] == ["new_topics"]
    assert result.effects.changed_share_lower_bound <= 0.1


def test_another_model_is_named_by_the_inputs_it_changed(reference):
    """The same inputs, turned vectors."""
    rng = np.random.default_rng(7)
    turn = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    result = reference[0].compare(reference[1][:200] @ turn, hashes=[f"h{i}" for i in range(200)])

    assert result.score > 1
    assert [suspect.cause for suspect in result.diagnosis] == ["model_or_tokenizer_changed"]
    assert result.effects.same_input_changed_ratio == 1


def test_a_lost_normalisation_is_named(reference):
    """Raw lengths around five on a hundredth of the rows."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 500)
    rows[:5] *= rng.normal(5, 0.5, (5, 1)).astype(np.float32)
    result = reference[0].compare(rows)

    assert result.score > 1
    assert "normalisation_broken" in [suspect.cause for suspect in result.diagnosis]


def test_collapse_by_a_tenth_is_named(reference):
    """Every vector a tenth nearer to the mean."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 500)
    result = reference[0].compare(rows + 0.1 * (rows.mean(axis=0) - rows))

    assert result.score > 1
    assert "collapsed" in [suspect.cause for suspect in result.diagnosis]
    assert result.effects.variance_log_ratio == pytest.approx(2 * np.log(0.9), abs=0.05)


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_how_vectors_are_stored_never_pages(reference, storage):
    """Rounding to float16 never alarms at all."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        rows = vectors(rng, 400)
        exact = reference[0].compare(rows)
        step = np.abs(rows).max() / 127
        rounded = np.round(rows / step) * step if storage == "int8" else rows.astype(np.float16)
        result = reference[0].compare(rounded)
        scores = {each.statistic: each.score for each in result.scores}
        assert severity(scores, result.effects) is not Severity.PAGE
        if storage == "float16":
            assert result.score <= max(1, 1.01 * exact.score)


def test_invalid_rows_are_counted_and_left_out(reference):
    """Zero, NaN and infinity, a twentieth of the window; nothing else is said to have moved."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 500)
    rows[:10], rows[10:20, 3], rows[20:25, 5] = 0, np.nan, np.inf
    result = reference[0].compare(rows)

    assert result.effects.invalid_share == 0.05
    assert [r.statistic for r in result.scores if r.score > 1] == ["invalid"]
    assert [suspect.cause for suspect in result.diagnosis] == ["invalid_vectors"]


def test_a_window_of_nothing_but_zeros_is_drift(reference):
    """No vector is valid: that is known for sure."""
    result = reference[0].compare(np.zeros((60, 64)))

    assert result.score > 1
    assert result.effects.invalid_share == 1


def test_worse_results_for_the_same_queries_point_at_the_index():
    """Best similarities fall, vectors do not change."""
    rng = np.random.default_rng(7)
    result = compare(
        vectors(rng, 800),
        vectors(rng, 300),
        reference_scores=rng.beta(20, 8, (800, 3)),
        current_scores=rng.beta(20, 16, (300, 3)),
    )

    assert [suspect.cause for suspect in result.diagnosis] == ["index_stale_or_reembedded"]


def test_the_same_arrays_give_the_same_result():
    """Nothing in it is left to chance."""
    rng = np.random.default_rng(7)
    reference, current = vectors(rng, 300), vectors(rng, 80, range(13))

    assert compare(reference, current) == compare(reference, current)


@pytest.mark.parametrize(
    ("reference", "current", "error", "message"),
    [
        (np.ones((199, 4)), np.ones((99, 4)), NotEnoughDataError, "reference: at least 200"),
        (np.eye(200), np.ones((49, 200)), NotEnoughDataError, "current: at least 50"),
        (np.eye(200), np.ones((99, 5)), ValueError, "5 dimensions"),
        (np.ones((200, 4)), np.ones((99, 4)), ValueError, "all vectors are the same"),
        (np.ones(200), np.ones((99, 5)), ValueError, "matrix"),
    ],
)
def test_data_that_say_nothing_are_refused(reference, current, error, message):
    """The message says what would be right."""
    with pytest.raises(error, match=message):
        compare(reference, current)


def test_columns_of_another_length_are_refused(reference):
    """Norms, scores and hashes have an entry a row."""
    with pytest.raises(ValueError, match="current_scores must have 80"):
        reference[0].compare(np.ones((80, 64)), scores=np.ones(79))
    with pytest.raises(ValueError, match="current_hashes must have 80"):
        reference[0].compare(np.ones((80, 64)), hashes=["a"])
    with pytest.raises(ValueError, match="both sides"):
        reference[0].compare(np.ones((80, 64)), norms=np.ones(80))


def test_the_table_of_the_alarm_family_is_what_is_read():
    """Names and signals, with everything given that a statistic needs."""
    rng = np.random.default_rng(7)
    rows = vectors(rng, 400)
    keys, best = [f"h{i}" for i in range(400)], rng.beta(20, 8, 400)
    result = compare(
        rows,
        rows[:100],
        reference_scores=best,
        current_scores=best[:100],
        reference_hashes=keys,
        current_hashes=keys[:100],
    )

    # A sample has no documents beside it.
    assert {(r.statistic, r.signal) for r in result.scores} == {
        (a.name, a.signal) for a in ALARMS if a.name not in OF_TWO_SIDES
    }
    assert all(r.limit > 0 for r in result.scores)


def test_inputs_that_come_again_are_not_taken_for_new_ones():
    """A tenth of the inputs is asked nine times in ten: most cosines to the nearest anchor are 1, give or take 1e-7."""
    rng = np.random.default_rng(7)
    pool = vectors(rng, 3000)

    def asked(n):
        return pool[np.where(rng.random(n) < 0.9, rng.integers(0, 300, n), rng.integers(0, 3000, n))]

    fitted = Reference(asked(1600))
    bounds = [fitted.compare(asked(300)).effects.changed_share_lower_bound for _ in range(20)]

    assert sum(bound > 0 for bound in bounds) <= 4


def test_a_large_reference_is_fitted_from_a_part_and_summed_whole():
    """Of 6,000 rows 4,096 make the frame; healthy windows stay silent, a new topic does not."""
    rng = np.random.default_rng(7)
    fitted = Reference(vectors(rng, 6000, d=16))

    assert fitted.calibration.baseline.vectors.n == 6000
    assert fitted.calibration.baseline.frame.n == 4096
    assert max(fitted.compare(vectors(rng, 300, d=16)).score for _ in range(10)) <= 1
    assert fitted.compare(np.concatenate((vectors(rng, 270, d=16), vectors(rng, 30, [15], d=16)))).score > 1


def test_numbers_that_leave_float32_are_refused():
    """Their squares would be infinite, and so would be every score."""
    rows = vectors(np.random.default_rng(7), 300)
    with pytest.raises(ValueError, match=r"beyond 1e\+09"):
        Reference(rows * np.float32(1e20))


def test_inputs_that_never_come_twice_add_no_noise(reference):
    """A window without repeats has the limits of one whose repeats are not known, as the exporter's are."""
    rng = np.random.default_rng(7)
    fitted, _ = reference
    rows = vectors(rng, 300)
    window = Sample.of("current", rows, None, None, None).window(
        fitted.frame, fitted.frame.measure(rows), np.arange(300), np.arange(300)
    )

    plain = {each.statistic: each.limit for each in fitted.calibration.read(window)}
    assert plain == pytest.approx({each.statistic: each.limit for each in fitted.compare(rows).scores}, rel=1e-9)
