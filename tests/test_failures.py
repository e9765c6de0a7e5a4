"""Each of the ten failures moves its own families past their limits, and no others, as docs/drift.md says."""

import re
from pathlib import Path

import pytest

from app.baseline import calibrate
from tests.failures import FAILURES, LOOK_MINUTES, OTHER, SIGNS, learned, site, total
from tests.failures import is_past as past

PAGE = Path(__file__).parents[1] / "docs" / "drift.md"
MUST, MAY, MUST_NOT = "●", "○", ""

PROMISED = {
    "F1": {"same_input_changed_ratio", "drift_score, mean_shift"},
    "F2": {"share of events_total by version"},
    "F3": {"documents_fresh_total / documents_ingested_total", "drift_score, top1"},
    "F4 scaled": {"drift_score, norm, and norm_change_ratio"},
    "F4 collapsed": {"drift_score, spread"},
    "F5": {"drift_score, invalid", "drift_score, novelty"},
    "F6": {"same_input_cosine"},
    "F7": {"same_input_inconsistent_ratio", "failed_queries_total / queries_total"},
    "F8": {"drift_score, query_document", "drift_score, top1"},
    "F9": {"slice_poor_match_queries_total, of a slice over its parent", "drift_score, novelty"},
    "F10": {"query_latency_seconds, p95"},
}
"""What each failure must move: the contract's list."""


def table():
    """Row and column of the page's table -> its mark."""
    page = PAGE.read_text(encoding="utf-8")
    lines = re.search(r"\| of `embedding_\.\.\.` \|.*?\n\n", page, re.DOTALL)[0].strip().splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], column): mark for row in rows for column, mark in zip(head[2:], row[2:], strict=True)}


@pytest.fixture(scope="module")
def baselines():
    """Learned once. Their limits, which are a pure function of them, are learned once too and not by each exporter."""
    limits = {}

    def remembered(content, *rest):
        if id(content) not in limits:
            limits[id(content)] = calibrate.calibrate(content, *rest)
        return limits[id(content)]

    made = learned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.baseline.pinned.calibrate", remembered)
        yield made


def hour(baselines, name):
    """Scrapes a quarter of an hour apart: the first after ordinary traffic, then of an hour of this failure."""
    with site(baselines) as watched:
        watched.run(1)
        watched.run(LOOK_MINUTES - 1)
        ordinary = len(watched.scrapes) - 1
        watched.run(61, FAILURES[name], indexing=name != "F3")
        return watched.scrapes[ordinary:]


def test_the_table_has_every_failure_and_what_it_promises():
    """Its marks are the contract's; nothing moves on an ordinary day, and every failure moves something of its own."""
    marks = table()

    assert {(sign, failure) for sign in SIGNS for failure in FAILURES} == marks.keys()
    assert {MUST, MAY, MUST_NOT} == set(marks.values())
    must = {failure: {sign for sign in SIGNS if marks[sign, failure] == MUST} for failure in FAILURES}
    assert {"healthy": set(), **PROMISED} == must
    assert all(marks[sign, "healthy"] == MUST_NOT for sign in SIGNS)
    assert all(any(marks[sign, failure] == MUST for failure in FAILURES) for sign in SIGNS)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_moves_what_it_must_and_nothing_that_it_must_not(failure, baselines):
    """Within an hour, as a scrape says."""
    scrapes = hour(baselines, failure)
    marks = table()

    moved = {sign for sign in SIGNS if past(SIGNS[sign], scrapes)}
    must, may = ({sign for sign in SIGNS if marks[sign, failure] == mark} for mark in (MUST, MAY))
    values = {sign: SIGNS[sign].value(scrapes) for sign in moved ^ must}
    assert must <= moved <= must | may, values


def test_an_announced_roll_out_is_no_mixture(baselines):
    """The same two versions side by side, which somebody told of before the second came."""
    with site(baselines) as watched:
        told = {"type": "deployment", "status": "started", "model": OTHER.model, "track": "canary"}
        versions = {"model_version": OTHER.model_version, "tokenizer_version": OTHER.tokenizer_version}
        watched.run(LOOK_MINUTES)
        assert 202 == watched.served.post([{**told, **versions}], path="/v1/lifecycle").status
        watched.run(60, FAILURES["F2"])
        scrapes = watched.scrapes

    assert 0 < total(scrapes[-1], "events_total", model_version=OTHER.model_version)
    assert not past(SIGNS["share of events_total by version"], scrapes)
