"""GET /v1/compare: what a roll-out's controller is told, and what is refused."""

import json
from dataclasses import fields

import numpy as np
import pytest

from app.api.compare import COMPARE_PARAMETERS, LIMITS
from app.canary import CanaryLimits
from tests.service import event, service

PATH = "/v1/compare"
ASKED = "model=e5&baseline=1&candidate=2"


def send(served, version, *, top1=0.6, n=3000, tokenizer="1"):
    """Queries of a version whose best similarities lie around `top1`."""
    scores = np.random.default_rng(7).normal(top1, 0.05, n).round(4).tolist()
    for start in range(0, n, 1000):
        batch = [
            event(model_version=version, tokenizer_version=tokenizer, scores=[score])
            for score in scores[start : start + 1000]
        ]
        assert 202 == served.post(batch).status


@pytest.fixture(scope="module")
def served():
    """Versions 1 and 2 alike, 3 worse, 4 with few queries, 5 with two tokenizers."""
    with service() as made:
        send(made, "1")
        send(made, "2")
        send(made, "3", top1=0.5)
        send(made, "4", n=20)
        send(made, "5", n=20, tokenizer="1")
        send(made, "5", n=20, tokenizer="2")
        made.tick()
        yield made


@pytest.mark.parametrize(
    ("candidate", "result", "strict"),
    [("2", "pass", 200), ("2@1", "pass", 200), ("3", "fail", 412), ("4", "inconclusive", 412), ("5@2", None, 412)],
)
def test_the_result_is_told_and_strict_answers_200_to_a_pass_alone(served, candidate, result, strict):
    """`{$.result}` for those who read, the status for those who do not; the body is the same."""
    query = f"model=e5&baseline=1@1&candidate={candidate}"
    reply = served.get(PATH, query=query)

    assert 200 == reply.status
    assert (result or "inconclusive") == reply.json()["result"]
    assert reply.json()["reasons"]
    for ask in ("GET", "POST"):
        again = served.ask(ask, PATH, query=f"{query}&strict=1", body=b'{"name": "search"}' if ask == "POST" else b"")
        assert (strict, reply.json()) == (again.status, again.json())


def test_the_numbers_and_the_limits_used_are_told(served):
    """Of the versions asked about, and the evaluation that they are of."""
    told = served.get(PATH, query=f"{ASKED}&median_drop=0.02&kl_nats=none&min_queries=100.0").json()

    assert {"model_version": "1", "tokenizer_version": "1"} == told["baseline"]
    assert {"model_version": "2", "tokenizer_version": "1"} == told["candidate"]
    assert ("e5", "1h", served.clock.now()) == (told["model"], told["window"], told["evaluated"])
    limits = told["limits"]
    assert (0.02, None, 100, 0.05) == tuple(
        limits[name] for name in ("median_drop", "kl_nats", "min_queries", "poor_match_increase")
    )
    found = {check["name"]: check for check in told["checks"]}
    assert 0.02 == found["top1_similarity_median"]["limit"]
    assert found["top1_similarity_median"]["lower"] <= 0 <= found["top1_similarity_median"]["upper"]
    assert found["similarity_kl_nats"]["result"] is None


def test_a_limit_decides(served):
    """The worse version passes who does not mind."""
    lax = "&median_drop=0.5&kl_nats=none"

    assert "pass" == served.get(PATH, query=f"model=e5&baseline=1&candidate=3{lax}").json()["result"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "model is required"),
        ("model=e5&baseline=1", 422, "candidate is required"),
        (f"{ASKED}&windows=1h", 422, "unknown query parameter"),
        (f"{ASKED}&window=2h", 422, "5m, 1h, 24h"),
        (f"{ASKED}&strict=yes", 422, "strict must be 0 or 1"),
        (f"{ASKED}&median_drop=x7f3a", 422, "median_drop must be a number, at least 0, or none"),
        (f"{ASKED}&median_drop=nan", 422, "at least 0"),
        (f"{ASKED}&median_drop=inf", 422, "at least 0"),
        (f"{ASKED}&median_drop=-1", 422, "at least 0"),
        (f"{ASKED}&min_queries=none", 422, "min_queries must be an integer, at least 1"),
        (f"{ASKED}&min_queries=0.5", 422, "an integer"),
        (f"{ASKED}&min_queries={'9' * 5000}", 422, "an integer"),
        (f"{ASKED}&min_queries=1_000", 422, "an integer"),
        (f"{ASKED}&median_drop={'9' * 30_000}x", 422, "a number"),
        (f"{ASKED}&design_effect=0.5", 422, "at least 1"),
        ("model=e5&baseline=1&candidate=x7f3a", 404, "candidate: no queries of such a version"),
        ("model=x7f3a&baseline=1&candidate=2", 404, "baseline: no queries"),
        ("model=e5&baseline=1&candidate=5", 422, "several tokenizer versions"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_not_echoed(served, query, status, words):
    """With what would be right."""
    reply = served.get(PATH, query=query)

    assert status == reply.status
    assert words in reply.json()["error"]
    assert "x7f3a" not in reply.text()


def test_before_the_first_evaluation_no_version_is_known():
    """404, and not a result of nothing."""
    with service() as made:
        send(made, "1", n=10)
        assert 404 == made.get(PATH, query="model=e5&baseline=1&candidate=1").status


def test_a_version_may_hold_an_at_sign_itself():
    """Names are compared with what there is, not taken apart."""
    with service() as made:
        send(made, "a@b", n=10, tokenizer="c@d")
        made.tick()
        for text in ("a@b", "a@b@c@d"):
            assert 200 == made.get(PATH, query=f"model=e5&baseline={text}&candidate={text}").status


def test_every_limit_has_a_parameter():
    """One that is forgotten could not be set."""
    assert [each.name for each in fields(CanaryLimits)] == list(LIMITS)
    assert set(LIMITS) < {each["name"] for each in COMPARE_PARAMETERS}


def test_replies_are_as_described(served):
    """Every field that is promised, and none beside it."""
    operation = served.get("/openapi.json").json()["paths"][PATH]["get"]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    told = served.get(PATH, query=ASKED).json()

    assert set(described["required"]) == set(described["properties"]) == set(told)
    assert set(described["properties"]["checks"]["items"]["required"]) == set(told["checks"][0])
    assert set(described["properties"]["limits"]["properties"]) == set(told["limits"])
    assert json.dumps(told, allow_nan=False)


def test_the_result_is_exported_for_every_version_that_has_a_peer(served):
    """One of three is 1, with the limits given; of all but the first the peer is the version of most traffic."""
    found = {
        (dict(labels)["model_version"], dict(labels)["tokenizer_version"], dict(labels)["result"]): value
        for (name, *labels), value in served.samples().items()
        if name == "embedding_canary_result"
    }

    assert 3 * len({key[:2] for key in found}) == len(found) == sum(found.values()) * 3
    assert (1.0, 1.0, 1.0) == (found["2", "1", "pass"], found["3", "1", "fail"], found["4", "1", "inconclusive"])
