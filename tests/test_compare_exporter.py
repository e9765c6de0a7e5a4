"""compare and the exporter cannot disagree: the same reference and the same events give the same scores."""

import io
from dataclasses import asdict

import numpy as np
import pytest

from app.compare import compare
from tests.service import service
from tests.test_compare import vectors

FILE = {"content-type": "application/octet-stream"}
SERIES = {"model": "e5", "model_version": "2"}
ROWS, EVENTS = 1200, 500
SKETCHED = {"norm", "top1"}
"""Statistics of sketches: KLL with k=200 is off by up to 1.4 % of rank."""
EXPORTED_EFFECTS = (
    "changed_share",
    "changed_share_lower_bound",
    "mean_displacement",
    "variance_log_ratio",
    "norm_change_ratio",
    "ood_excess_ratio",
    "centroid_cosine",
)


def sample(rng, n):
    """What a file or some events hold beside the vectors: lengths, similarities, hashes of inputs."""
    return {
        "norm": rng.normal(5, 0.3, n),
        "scores": np.sort(rng.beta(20, 8, (n, 3)))[:, ::-1],
    }


def healthy(rng, rows):
    """Half of the inputs are known, and have their vectors still."""
    known = rng.choice(ROWS, EVENTS // 2, replace=False)
    return np.concatenate((rows[known], vectors(rng, EVENTS - known.size))), known


def new_topic(rng, rows):
    """A tenth is about something else."""
    found, known = healthy(rng, rows)
    found[-EVENTS // 10 :] = vectors(rng, EVENTS // 10, [15])
    return found, known


def other_model(rng, rows):
    """Every vector is turned."""
    found, known = healthy(rng, rows)
    return (found @ np.linalg.qr(rng.normal(size=(64, 64)))[0]).astype(np.float32), known


def uploaded(served, arrays, **named):
    body = io.BytesIO()
    np.savez(body, **arrays)
    query = "&".join(f"{name}={value}" for name, value in (SERIES | named).items())
    return served.ask("POST", "/v1/baselines", body.getvalue(), FILE, query)


def send(served, current):
    """The rows as events over fifty minutes. Those that come before the first evaluation are not measured."""
    assert 202 == served.post([SERIES]).status
    served.tick()
    names = ("embedding", "norm", "scores", "input_hash")
    columns = [current[name].tolist() for name in names]
    events = [SERIES | dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for start in range(0, len(events), 10):
        served.clock.advance(60)
        assert 202 == served.post(events[start : start + 10]).status
    served.tick()


def exported(served, name, **wanted):
    """Samples of a family, by the label that is not in `wanted`, for the uploaded baseline and the hour."""
    labels = {"window": "1h", "baseline": "uploaded", **wanted}
    return {
        tuple(value for label, value in rest if label == "statistic"): value
        for (family, *rest), value in served.samples().items()
        if family == f"embedding_{name}" and labels.items() <= dict(rest).items()
    }


@pytest.mark.parametrize(
    ("window", "causes"),
    [(healthy, []), (new_topic, ["new_topics"]), (other_model, ["model_or_tokenizer_changed"])],
    ids=["healthy", "new topic", "other model"],
)
def test_compare_says_what_the_exporter_exports(window, causes):
    """The reference uploaded, the window sent event by event: values, scores and effects on /metrics are compare's.

    Vector statistics to 0.1 %; norm and top1 to the error of their sketches, a tenth of their limit; so the median of
    the cosines.
    """
    rng = np.random.default_rng(7)
    reference = sample(rng, ROWS) | {
        "embedding": vectors(rng, ROWS),
        "input_hash": np.array([f"h{i}" for i in range(ROWS)]),
    }
    rows, known = window(rng, reference["embedding"])
    hashes = np.array([f"h{i}" for i in known] + [f"new{i}" for i in range(EVENTS - known.size)])
    order = rng.permutation(EVENTS)
    rows, hashes = rows[order], hashes[order]
    current = sample(rng, EVENTS) | {"embedding": rows, "input_hash": hashes}
    with service(min_window_events=50) as served:
        assert 201 == uploaded(served, reference).status
        send(served, current)
        values, scores = exported(served, "drift_statistic"), exported(served, "drift_score")
        effects = {name: exported(served, name)[()] for name in EXPORTED_EFFECTS}
        (series,) = served.get("/v1/series").json()["series"]

    expected = compare(
        reference["embedding"],
        current["embedding"],
        reference_norms=reference["norm"],
        current_norms=current["norm"],
        reference_scores=reference["scores"],
        current_scores=current["scores"],
        reference_hashes=reference["input_hash"].tolist(),
        current_hashes=hashes.tolist(),
    )
    assert {(each.statistic,) for each in expected.scores} == scores.keys() <= values.keys()
    assert len(scores) == 9
    for each in expected.scores:
        error = 0.1 if each.statistic in SKETCHED else 1e-3 * max(abs(each.value) / each.limit, 1)
        assert each.value / each.limit == pytest.approx(values[each.statistic,] / each.limit, abs=error), each
        assert each.score == pytest.approx(max(scores[each.statistic,], 0), abs=error), each
    assert (expected.score > 1) == bool(causes)
    assert (max(scores.values()) > 1) == bool(causes)
    assert causes == [suspect.cause for suspect in expected.diagnosis]
    assert causes == [suspect["cause"] for suspect in series["suspects"]["uploaded"]]
    told = series["effects"]["1h"]["uploaded"]
    for name, value in asdict(expected.effects).items():
        error = 0.01 if name == "same_input_cosine" else 1e-3
        assert told[name] == (value if value is None else pytest.approx(value, rel=1e-3, abs=error)), name
    assert effects == {name: told[name] for name in effects}
