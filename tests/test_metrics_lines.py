"""Lines of families that are kept from scrape to scrape: what a fresh start would write, at the cost of the news."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import generate_latest, parser
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from app.metrics import encode
from app.metrics.family import Family, Source, TracedCounts
from app.metrics.lines import Section
from app.metrics.notation import number, numbers
from app.series.traced import Exemplar
from app.sketch import BucketCounts

LABELS = ("model", "reason")
KINDS = ("counter", "gauge", "histogram")


@dataclass(eq=False)
class State:
    """What a family is read from: values by reason; None has no sample."""

    values: dict[str, float | None] = field(default_factory=dict)
    trace: str | None = None


def counts(value, bounds):
    buckets = BucketCounts(bounds)
    buckets.update(np.array([value]))
    return buckets


def source(kind, bounds=(0.0, 1.0), on_read=lambda state: None):
    def read(state):
        on_read(state)
        for reason, told in state.values.items():
            # The client library's parser takes no negative counter or sum.
            value = abs(told) if told is not None and kind != "gauge" and bounds[0] >= 0 else told
            if kind != "histogram" or value is None or not math.isfinite(value):
                yield (reason,), None if kind == "histogram" else value
            elif state.trace is None:
                yield (reason,), counts(value, bounds)
            else:
                exemplar = Exemplar(state.trace, value, 1.5)
                yield (reason,), TracedCounts(counts(value, bounds), {0: exemplar})

    name = "embedding_things_total" if kind == "counter" else f"embedding_thing_{kind}"
    return Source(Family(name, kind, LABELS, "What it is."), read)


class Collected:
    """A collector of what a section says."""

    def __init__(self, *families):
        self._families = families

    def collect(self):
        return iter(self._families)


def written(section, states):
    return encode.text(Collected(*section.families(states))).decode()


def parsed(of, page):
    return list(of.text_string_to_metric_families(page.decode()))


def assert_openmetrics(exposed):
    """The client library's own encoder says the same; it sorts labels."""
    ours, theirs = encode.openmetrics(Collected(*exposed)), openmetrics.generate_latest(Collected(*exposed))
    assert parsed(openmetrics_parser, ours) == parsed(openmetrics_parser, theirs)


values = st.one_of(
    st.none(),
    st.sampled_from(
        [0, 1, -1, 999_999, 1_000_000, 1e6 - 0.5, 12_345_678, 1e21, -1e7, 1e-7, float("nan"), float("inf")]
    ),
    st.floats(-10, 10),
)
models = st.sampled_from(["a", 'b "quoted" 100 %s', "c\\"])
changes = st.lists(
    st.tuples(models, st.dictionaries(st.sampled_from(["x", "y%d"]), values), st.booleans()), max_size=12
)


@given(changes)
def test_kept_lines_are_those_of_a_fresh_start(story):
    """Whatever comes, changes and goes: a section says what a new one would, and what the client library would."""
    sources = [source(kind) for kind in KINDS] + [source("histogram", bounds=(-1.0, 1.0))]
    sections = [Section([each]) for each in sources]
    states = {}
    for model, told, stays in story:
        states = {**states, (model,): State(told)}
        if not stays:
            states = {place: state for place, state in states.items() if place != (model,)}
        for section, each in zip(sections, sources, strict=True):
            exposed = list(section.families(states))
            text = encode.text(Collected(*exposed))
            assert text == encode.text(Collected(*Section([each]).families(states)))
            assert parsed(parser, text) == parsed(parser, generate_latest(Collected(*exposed)))
            assert_openmetrics(exposed)


@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-1e-3, 1e-3),
            st.floats(1e5, 1e7),
            st.integers(0, 10**7).map(float),
        ),
        min_size=1,
    )
)
@example([1e-4, 9.9999e-5, 999_999.9, 1e6, -1e6, 1e16, -1e16, 0.0, -0.0, 5e-324, 1.7976931348623157e308])
def test_many_numbers_are_written_as_one_is(values):
    """The fast way says digit for digit what the client library's says, of all that has a line: finite numbers."""
    for some in (values, *([each] for each in values)):
        assert [number(each).encode() for each in some] == numbers(some)


def test_what_did_not_change_is_not_read_again():
    """One new state among three: one is read."""
    read = []
    section = Section([source("gauge", on_read=read.append)])
    states = {(model,): State({"x": 1.0}) for model in "abc"}
    written(section, states)
    read.clear()

    changed = State({"x": 2.0})
    page = written(section, {**states, ("b",): changed})

    assert [changed] == read
    assert 'embedding_thing_gauge{model="b",reason="x"} 2.0\n' in page
    read.clear()
    assert page == written(section, {**states, ("b",): changed})
    assert [] == read


@given(st.lists(st.lists(st.lists(values, min_size=2, max_size=2), min_size=3, max_size=3), min_size=1, max_size=6))
def test_kept_lines_are_those_of_a_fresh_start_where_all_change_at_once(story):
    """As after an evaluation: mostly the same labels, but for values that come to be known, or are no more."""
    sections = [source(kind) for kind in KINDS]
    kept = [Section([each]) for each in sections]
    for told in story:
        states = {(model,): State(dict(zip("xy", pair, strict=True))) for model, pair in zip("abc", told, strict=True)}
        for section, each in zip(kept, sections, strict=True):
            assert written(section, states) == written(Section([each]), states)


def test_a_scrape_that_was_given_up_is_made_good_by_the_next():
    """Whoever stops after the first family leaves no other behind."""
    sources = [source("gauge"), source("counter")]
    section = Section(sources)
    states = {("a",): State({"x": 1.0})}
    written(section, states)
    states = {("a",): State({"x": 2.0}), ("b",): State({"x": 3.0})}

    next(section.families(states))

    assert written(Section(sources), states) == written(section, states)


def test_a_series_that_was_gone_for_a_scrape_that_was_given_up_is_back():
    """The places of the others were those of the scrape that was given up, for as long as no series came or went."""
    section = Section([source("counter"), source("gauge")])
    two = {("a",): State({"x": 1}), ("b",): State({"x": 2})}
    written(section, two)

    next(section.families({("a",): two[("a",)]}))

    assert written(section, two) == written(Section([source("counter"), source("gauge")]), two)


def test_what_has_gone_is_not_told_any_more():
    """A departed state takes its lines with it, also where another comes in the same moment."""
    section = Section([source("gauge")])
    written(section, {("a",): State({"x": 1.0}), ("b",): State({"x": 1.0})})

    page = written(section, {("b",): State({"x": 1.0}), ("c",): State({"x": 1.0})})

    assert 'model="a"' not in page
    assert 'model="c"' in page


@pytest.mark.parametrize(
    "value", [np.int64(3), np.uint8(3), np.float32(3), np.float64(3), 3], ids=lambda each: type(each).__name__
)
@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_a_number_has_a_line_whatever_stands_beside_it(kind, value):
    """Numpy's integers had one, until another value of the family was not known."""
    for beside in ({}, {"y": None}, {"y": float("nan")}):
        of = source(kind)
        exposed = list(Section([of]).families({("a",): State({"x": value, **beside})}))

        assert f'{of.family.name}{{model="a",reason="x"}} 3.0\n' in encode.text(Collected(*exposed)).decode()
        assert [3.0] == [each.value for each in exposed[0].samples]


def test_an_exemplar_comes_and_goes():
    """It is in OpenMetrics alone, and the lines without it are the same."""
    section = Section([source("histogram")])
    traced, untraced = State({"x": 0.5}, trace="t1"), State({"x": 0.5})

    def pages(state):
        exposed = list(section.families({("a",): state}))
        assert_openmetrics(exposed)
        return encode.text(Collected(*exposed)), encode.openmetrics(Collected(*exposed))

    plain, exact = pages(traced)
    assert b'# {trace_id="t1"} 0.5 1.5' in exact
    assert b"trace_id" not in plain
    assert (plain, True) == ((after := pages(untraced))[0], b"trace_id" not in after[1])
