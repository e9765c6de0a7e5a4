"""Every part that is frozen: thawed, it gives the same answers, and goes on as if nothing had been."""

from __future__ import annotations

from dataclasses import dataclass, replace

import datasketches
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.baseline import from_bytes, to_bytes
from app.baseline.content import content_id
from app.baseline.continued import Continued
from app.baseline.kept import from_tree, to_tree
from app.drift.sums import FrameSums, VectorSums
from app.drift.window import Window as DriftWindow
from app.evaluate.look import look_at, readable
from app.lifecycle import Lifecycle
from app.lifecycle.events import Deployment, Document, Documents, Maintenance, Reindex
from app.model import Outcome, SeriesKey, Timing
from app.outcomes import OutcomeMemory
from app.projection import projected
from app.relevance import RelevanceSums, judge
from app.series import Series, Slices
from app.series.block import Block
from app.series.ladder import Ladder
from app.series.learning import Learning
from app.series.pane import Pane
from app.series.recent_sample import RecentSample
from app.series.retrieval import Retrieval
from app.series.totals import Totals
from app.sketch import (
    BucketCounts,
    DistinctKeys,
    FrequentInputs,
    LabelCounts,
    QuantileSketch,
    RecentKeys,
    Reservoir,
    TopInputs,
)
from app.state.codec import Ref, decode, encode
from app.store import MemoryStore
from app.store.duplicates import RecentIds
from app.tree import Piece, Pieces, new_stamp
from app.triage import LowestSimilarity, Query
from tests.builders import KEY, events, ragged, traffic
from tests.stage import HEALTHY, HOUR, Change, Stage, scores
from tests.vectors import stands_in

NOW = 1_800_000_000.0
TIMING = Timing()


def through_a_file(tree):
    """As it comes back: encoded and decoded, its pieces too."""
    chunks = []

    def ref(piece):
        assert piece.tree is not None
        chunks.append(encode(piece.tree, ref))
        return Ref(0, len(chunks) - 1, 0, b"")

    return decode(encode(tree, ref), lambda ref: Piece(new_stamp(), decode(chunks[ref.offset], None)))


def rng():
    return np.random.default_rng(7)


def keys(seed, n=300, distinct=80):
    """Keyed hashes, as good as random."""
    all_keys = np.random.default_rng(1).integers(1, 2**64, distinct, dtype=np.uint64)
    return np.random.default_rng(seed).choice(all_keys, n)


def rows(seed, n=300, dimension=4):
    return np.random.default_rng(seed).normal(1, 1, (n, dimension)).astype(np.float32)


@dataclass
class Frozen:
    """A kind of part: how one is made, fed, frozen, thawed and asked."""

    name: str
    make: object
    feed: object
    freeze: object
    thaw: object
    ask: object


def sample_of(reservoir):
    sample = reservoir.sample()
    return [sample.directions.tolist(), sample.norms.tolist(), sample.times.tolist()]


def thawed_into(made, tree, **more):
    made.thaw(tree, **more)
    return made


def window_of(pane):
    return {
        "counts": [pane.events, pane.invalid, pane.queries, pane.same_input],
        "quantiles": {name: sketch.freeze() for name, sketch in pane.quantiles.items()},
        "vectors": None
        if pane.vectors is None
        else [pane.vectors.n, pane.vectors.total.tolist(), pane.vectors.squares],
        "inputs": None if pane.inputs is None else [each.tolist() for each in pane.inputs.shares()],
        "labels": None if pane.labels is None else dict(pane.labels.counts),
        "frame": None if pane.frame is None else [pane.frame.n, pane.frame.depth, pane.frame.novel.tolist()],
    }


def batch(seed, now, n=60, **more):
    """Traffic with everything."""
    made = traffic(np.random.default_rng(seed), np.full(n, now), dimension=4)
    return replace(
        made,
        inputs=keys(seed, n),
        labels=[{"locale": ("de", "fr")[each % 2]} for each in range(n)],
        ids=[[f"doc-{(seed + each) % 50}"] for each in range(n)],
        query_ids=[f"q-{seed}-{each}" for each in range(n)],
        trace_ids=[f"t-{seed}-{each}" for each in range(n)],
        event_ids=[f"e-{seed}-{each}" for each in range(n)],
        relevant=[{f"doc-{each % 50}": 1.0} for each in range(n)],
        latency_seconds=np.full(n, 0.1),
        **more,
    )


def told(lifecycle, seed, now):
    lifecycle.apply(
        [
            Deployment("started", model="e5", model_version=str(seed), track="canary"),
            Reindex("finished" if seed % 2 else "started", model="e5", index="a", reindex=str(seed // 2)),
            Documents("ingested", model="e5", index="a", ids=[f"{seed}-{each}" for each in range(9)]),
            Documents(
                "indexed", model="e5", documents=[Document(f"{seed - 1}-{each}") for each in range(5)], index="a"
            ),
            Documents("withdrawn", model="e5", ids=[seed]),
            Documents("ingested", model="e5", index="b", count=7),
            Maintenance("begin", model="e5"),
        ],
        now,
    )


def lowest(part, seed, now):
    query = Query(now, f"q{seed}", None, ("a", "b"), (0.3, 0.2))
    part.update(np.random.default_rng(seed).random(40), keys(seed, 40), lambda _: query, now)


def ladder_fed(ladder, seed, now):
    ladder.advance(now)
    pane = Pane()
    pane.vector_sums(4).update(rows(seed))
    pane.events = 300
    ladder.pane(int(ladder.positions(np.array([now]))[0]), now).merge(pane)


def learning_fed(learning, seed, now):
    pane = Pane()
    sketch = pane._sketch("norm")
    sketch.update(np.random.default_rng(seed).random(300))
    pane.vector_sums(4).update(rows(seed))
    pane.events = 300
    learning.add_pane(int(now // 10), pane)
    learning.add_vectors(rows(seed), np.full(300, now))
    learning.add_inputs(keys(seed), rows(seed))
    learning.add_results(keys(seed + 50), 5)


def material_of(learning):
    material = learning.material()
    return [
        window_of(material.whole),
        [
            (block.start, block.events, block.vectors.total.tolist(), block.quantiles.tolist())
            for block in material.blocks
        ],
        sample_of(learning.sample),
        [material.inputs.keys.tolist(), material.inputs.directions.tolist()],
        material.results.distinct.count,
    ]


def panes_of(series, now):
    series.windows(now)
    return {
        "panes": [window_of(pane) for pane in series._folding.ladder.all_panes()],
        "totals": series.totals(now).freeze()["counts"],
        "retrieval": series.retrieval(now),
        "lowest": series.lowest_matches(now),
    }


def comparable(answer):
    """Answers that hold sketches, as plain values."""
    if isinstance(answer, dict):
        return {name: comparable(each) for name, each in answer.items()}
    if hasattr(answer, "results"):
        found = None if answer.results is None else answer.results.distinct.keys.tolist()
        return [answer.distinct_queries, answer.sampled_queries, found, answer.top_share]
    return answer


def _series():
    return Series(KEY, NOW, TIMING, rng(), slices=None, secret=b"secret")


FROZEN = [
    Frozen(
        "quantiles",
        QuantileSketch,
        lambda part, seed, now: part.update(np.random.default_rng(seed).random(300)),
        lambda part, pieces: {"kll": part.freeze()},
        lambda tree: QuantileSketch.thaw(tree["kll"]),
        lambda part, now: [part.n, part.freeze()] if part.n else 0,
    ),
    Frozen(
        "buckets",
        lambda: BucketCounts((0.0, 0.5, 1.0)),
        lambda part, seed, now: part.update(np.random.default_rng(seed).random(300)),
        lambda part, pieces: part.freeze(),
        lambda tree: BucketCounts.thaw(tree, (0.0, 0.5, 1.0)),
        lambda part, now: [part.cumulative.tolist(), part.sum],
    ),
    Frozen(
        "labels",
        LabelCounts,
        lambda part, seed, now: part.update([{"locale": str(seed % 40)}] * 3),
        lambda part, pieces: part.freeze(),
        LabelCounts.thaw,
        lambda part, now: dict(part.counts),
    ),
    Frozen(
        "top inputs",
        TopInputs,
        lambda part, seed, now: part.update(keys(seed)),
        lambda part, pieces: part.freeze(),
        TopInputs.thaw,
        lambda part, now: [each.tolist() for each in part.shares()],
    ),
    Frozen(
        "distinct",
        lambda: DistinctKeys(32),
        lambda part, seed, now: part.update(keys(seed)),
        lambda part, pieces: part.freeze(),
        DistinctKeys.thaw,
        lambda part, now: [part.count, part.keys.tolist()],
    ),
    Frozen(
        "recent keys",
        lambda: RecentKeys(60.0, 32),
        lambda part, seed, now: part.update(keys(seed), now),
        lambda part, pieces: part.freeze(),
        lambda tree: thawed_into(RecentKeys(60.0, 32), tree),
        lambda part, now: part.window(now).keys.tolist(),
    ),
    Frozen(
        "frequent inputs",
        lambda: FrequentInputs(4, 64),
        lambda part, seed, now: part.update(keys(seed), rows(seed), keys(seed) % np.uint64(50) == 0),
        lambda part, pieces: part.freeze(pieces),
        FrequentInputs.thaw,
        lambda part, now: [part.n, part.error, *(each.tolist() for each in part.top())],
    ),
    Frozen(
        "duplicates",
        lambda: RecentIds(600.0, b"secret"),
        lambda part, seed, now: part.seen_before([f"{seed}-{each}" for each in range(50)], now),
        lambda part, pieces: part.freeze(pieces),
        lambda tree: thawed_into(RecentIds(600.0, b"secret"), tree),
        lambda part, now: [part._since, part._newer, part._older],
    ),
    Frozen(
        "lowest matches",
        LowestSimilarity,
        lowest,
        lambda part, pieces: part.freeze(),
        lambda tree: thawed_into(LowestSimilarity(), tree),
        lambda part, now: part.rows(now),
    ),
    Frozen(
        "ladder",
        lambda: Ladder(TIMING, lambda position, pane: None),
        ladder_fed,
        lambda part, pieces: part.freeze(pieces),
        lambda tree: thawed_into(Ladder(TIMING, lambda position, pane: None), tree),
        lambda part, now: [window_of(window) for window in part.windows(3)],
    ),
    Frozen(
        "totals",
        lambda: Totals(KEY, NOW),
        lambda part, seed, now: part.add(batch(seed, now), 60),
        lambda part, pieces: part.freeze(),
        lambda tree: thawed_into(Totals(KEY, 0.0), tree, counters=True),
        lambda part, now: repr(part.freeze()),
    ),
    Frozen(
        "slices",
        lambda: Slices(3600.0),
        lambda part, seed, now: part.add(batch(seed, now), 0.5, now),
        lambda part, pieces: part.freeze(),
        lambda tree: thawed_into(Slices(3600.0), tree, counters=True),
        lambda part, now: repr(part.freeze()),
    ),
    Frozen(
        "outcomes",
        OutcomeMemory,
        lambda part, seed, now: (
            part.remember(keys(seed, 50), KEY, np.arange(50) % 2 == 0, now),
            part.join(keys(seed, 9).tolist(), [Outcome(clicked=True)] * 9, now),
            part.count(KEY, [Outcome(success=False)], [True]),
        ),
        lambda part, pieces: part.freeze(pieces),
        lambda tree: thawed_into(OutcomeMemory(), tree, counters=True),
        lambda part, now: [part.totals(), len(part), list(part._states.items())],
    ),
    Frozen(
        "lifecycle",
        lambda: Lifecycle(b"secret", 60.0),
        told,
        lambda part, pieces: part.freeze(pieces),
        lambda tree: thawed_into(Lifecycle(b"secret", 60.0), tree, counters=True),
        lambda part, now: repr(part.freeze(Pieces())["lifecycle"].tree),
    ),
    Frozen(
        "retrieval",
        lambda: Retrieval(TIMING, b"secret", rng()),
        lambda part, seed, now: part.add(batch(seed, now), now),
        lambda part, pieces: part.freeze(),
        lambda tree: thawed_into(Retrieval(TIMING, b"secret", rng()), tree),
        lambda part, now: [comparable(part.window(now)), part.lowest(now)],
    ),
    Frozen(
        "learning",
        lambda: Learning(TIMING, NOW, rng()),
        learning_fed,
        lambda part, pieces: part.freeze(pieces),
        lambda tree: Learning.thawed(tree, TIMING, rng(), 0.0),
        lambda part, now: material_of(part) if part.sample else None,
    ),
    Frozen(
        "series",
        _series,
        lambda part, seed, now: part.append(batch(seed, now), now),
        lambda part, pieces: part.freeze(pieces, part._last_arrival),
        lambda tree: thawed_into(_series(), tree, now=tree["saved"], counters=True),
        lambda part, now: comparable(panes_of(part, now)),
    ),
]
every = pytest.mark.parametrize("kind", FROZEN, ids=lambda kind: kind.name)
COUNTED = {
    "quantiles": lambda part, now: part.n,
    "slices": lambda part, now: [(view.events, view.recent_queries, view.top1.n) for view in part.views(now)],
    "learning": lambda part, now: [part.whole.events, len(part.sample), len(part.blocks), part.inputs.n],
    "series": lambda part, now: {
        name: [window.pane.events, window.distribution("norm").n, window.pane.vectors.n]
        for name, window in part.windows(now).items()
    },
}
"""Those that toss coins as they go on: then what they count is compared."""


@every
@pytest.mark.parametrize("batches", [0, 1, 40])
def test_what_is_thawed_gives_the_same_answers_and_goes_on_as_before(kind, batches):
    """Empty, young and old; fed the same from there on, both say the same again."""
    part, now = kind.make(), NOW
    for seed in range(batches):
        now += 37
        kind.feed(part, seed, now)
    thawed = kind.thaw(through_a_file(kind.freeze(part, Pieces())))

    assert kind.ask(part, now) == kind.ask(thawed, now)
    for seed in range(batches, batches + 20):
        now += 37
        kind.feed(part, seed, now)
        kind.feed(thawed, seed, now)
    ask = COUNTED.get(kind.name, kind.ask)
    assert ask(part, now) == ask(thawed, now)


@every
def test_what_was_frozen_does_not_change_with_what_comes_after(kind):
    """It is encoded after the part has been let go."""
    part, now = kind.make(), NOW
    for seed in range(20):
        now += 37
        kind.feed(part, seed, now)
    frozen = kind.freeze(part, Pieces())
    before = kind.ask(kind.thaw(through_a_file(frozen)), now)
    for seed in range(20, 30):
        kind.feed(part, seed, now)

    assert before == kind.ask(kind.thaw(through_a_file(frozen)), now)


@every
def test_pieces_that_have_not_changed_keep_their_stamps_over_a_restart(kind):
    """So that the first snapshot after one writes what is new, and not everything."""
    part, now = kind.make(), NOW
    for seed in range(20):
        now += 37
        kind.feed(part, seed, now)
    stamps = set()
    thawed = kind.thaw(noted(through_a_file(kind.freeze(part, Pieces())), stamps))

    found = set()
    noted(kind.freeze(thawed, Pieces(stamps.__contains__)), found)

    assert found == stamps


def noted(value, stamps):
    """Every stamp in a tree."""
    if isinstance(value, Piece):
        stamps.add(value.stamp)
    elif isinstance(value, dict):
        for each in value.values():
            noted(each, stamps)
    elif isinstance(value, list):
        for each in value:
            noted(each, stamps)
    return value


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=12), st.lists(st.integers(0, 90), max_size=12))
def test_a_sample_that_was_thawed_is_the_sample(before, after):
    """Whatever came before and comes after: by the same chance the same rows stay."""
    one, other = Reservoir(64, 4, rng()), None
    for seed in before:
        one.update(rows(seed, 1 + seed), np.arange(1.0 + seed))
    other = Reservoir.thaw(through_a_file(one.freeze(Pieces())), np.random.default_rng(3))
    one._rng = np.random.default_rng(3)

    for seed in after:
        for each in (one, other):
            each.update(rows(seed, 1 + seed), np.arange(1.0 + seed))

    assert sample_of(one) == sample_of(other)


def test_a_sample_without_some_of_its_rows_is_none():
    """It would be a sample of something else."""
    reservoir = Reservoir(64, 4, rng())
    reservoir.update(rows(1, 64), np.arange(64.0))
    tree = through_a_file(reservoir.freeze(Pieces()))
    tree["rows"][1] = Piece(1, None)

    with pytest.raises(ValueError, match="lost"):
        Reservoir.thaw(tree, rng())


def test_a_lost_pane_costs_that_pane():
    """The rest of a damaged series goes on."""
    store = MemoryStore(TIMING, max_series=8, max_state_bytes=10**9, seed=7, secret=b"s" * 32)
    for second in range(0, 3000, 30):
        store.append(batch(second, NOW + second), NOW + second)
    parts = {part.name: through_a_file(part.freeze(Pieces())) for part in store.parts(lambda: NOW + 3000)}
    ladder = parts[f"series/{KEY.id}"]["series"]["ladder"]
    ladder["rungs"][1][0][1] = Piece(1, None)
    other = MemoryStore(TIMING, max_series=8, max_state_bytes=10**9, seed=7, secret=b"s" * 32)

    assert 1 == other.thaw(parts, NOW + 3000, counters=False)

    seen, left = (each.find(KEY).windows(NOW + 3000)["1h"].pane.events for each in (store, other))
    assert 0 < left < seen


def test_counters_begin_again_at_0_where_what_they_counted_may_be_lost():
    """All that there were: absent ones would be no samples. Facts of the series are as they were."""
    store = MemoryStore(TIMING, max_series=8, max_state_bytes=10**9, seed=7, secret=b"s" * 32)
    store.append(batch(1, NOW), NOW)
    store.find(KEY).set_poor_match_limit(0.5)
    store.append(batch(2, NOW, errors=["timeout"] + [None] * 59), NOW)
    parts = {part.name: through_a_file(part.freeze(Pieces())) for part in store.parts(lambda: NOW)}
    exact, reset = (MemoryStore(TIMING, max_series=8, max_state_bytes=10**9, secret=b"s" * 32) for _ in range(2))
    exact.thaw(dict(parts), NOW, counters=True)
    reset.thaw(parts, NOW, counters=False)
    before, same, zero = (each.totals(NOW)[0] for each in (store, exact, reset))

    assert repr(before.freeze()) == repr(same.freeze())
    assert 0 == zero.events == zero.vectors == zero.queries == zero.poor_match_queries == zero.relevance.queries
    assert {"timeout": 0} == dict(zero.failed_queries)
    assert before.buckets.keys() == zero.buckets.keys()
    assert 0 == sum(each.counts.sum() for each in zero.buckets.values())
    facts = ("first_seen", "last_event", "dimension", "similarity_metric", "poor_match_limit")
    assert [getattr(before, name) for name in facts] == [getattr(zero, name) for name in facts]


def test_relevance_windows_and_blocks_come_back():
    """The values without a life of their own."""
    judged = judge(ragged([[1.0, 2.0]], np.float64), ragged([[1.0]], np.float64), np.ones(1))
    sums = RelevanceSums()
    sums.add(judged)
    assert repr(sums) == repr(RelevanceSums.thaw(through_a_file(sums.freeze())))
    window = DriftWindow(VectorSums.of(rows(1)), FrameSums.none(), 3)
    found = DriftWindow.thaw(through_a_file(window.freeze()))
    assert window.vectors.total.tolist() == found.vectors.total.tolist()
    assert 3 == found.invalid
    sample = RecentSample(300.0, 8, rng())
    sample.update(rows(1), np.full(300, NOW), NOW)
    again = RecentSample(300.0, 8, rng())
    again.thaw(through_a_file(sample.freeze(Pieces())))
    assert sample.sample(NOW).directions.tolist() == again.sample(NOW).directions.tolist()


@pytest.fixture(scope="module")
def exact():
    """Sketches so large that they keep every number: smaller ones toss coins when they are merged.

    By their coins alone the scores of norms and similarities differ by up to 0.08 from one look to the next.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.sketch.quantiles.K", 65535)
        yield


@pytest.fixture(scope="module")
def learned(exact):
    """A stage with a final baseline and a day of windows after it."""
    stage = Stage(hours=2)
    stage.run(4 * HOUR, every_minutes=10)
    return stage


def restarted(stage, gap=0.0, *, vectors="full"):
    """Another exporter, that goes on from what this one would have written; so many seconds later."""
    pieces = Pieces(vectors=vectors == "full")
    baselines = [through_a_file(to_tree(each, vectors)) for each in stage.pinned.all()]
    pinned = through_a_file(stage.pinned.freeze(pieces))
    parts = {part.name: through_a_file(part.freeze(pieces)) for part in stage.store.parts(stage.clock.now)}
    hours = stage.timing.baseline_duration_seconds / HOUR
    new = Stage(seed=8, hours=hours, start=stage.clock.now() + gap, projected=vectors == "projected")
    new.queries = stage.queries
    for tree in baselines:
        new.pinned.adopt(from_tree(tree))
    new.pinned.thaw(pinned)
    assert 0 == new.store.thaw(parts, new.clock.now(), counters=False)
    for series in new.store.series():
        series.measure_with(new.pinned.find(series.key).yardstick, new.clock.now())
    return new


def test_the_scores_after_a_restart_are_those_before_it(learned):
    """The same windows against the same limits.

    Limits are kept: to learn them again takes half a second for a full series, and the week after a baseline may say a
    little more by then.
    """
    before = learned.look()
    after = restarted(learned).look()

    one, other = scores(before), scores(after)
    assert one.keys() >= {"mean_shift", "novelty", "norm", "top1"}
    assert one == pytest.approx(other)
    assert before.baselines[0].id == after.baselines[0].id
    assert before.windows["1h"].events == after.windows["1h"].events


def test_limits_come_back_to_the_last_bit(learned):
    """And are not learned again, nor written again."""
    baseline, tree = learned.pinned.find(KEY), through_a_file(learned.pinned.freeze(Pieces()))
    after = learned.another()
    after.pinned.thaw(tree)
    look = look_at(learned.store.find(KEY), learned.clock.now(), baseline, {})
    one, other = (pinned.calibrations(baseline) for pinned in (learned.pinned, after.pinned))

    assert {"5m", "1h", "24h"} == set(one) == set(other)
    for name, calibration in one.items():
        window = readable(look, name, 50)
        assert calibration.read(window) == other[name].read(window)
        assert calibration.effects(window) == other[name].effects(window)
        around = [each.rebased(window).read(calibration.baseline) for each in (calibration, other[name])]
        assert around[0] == around[1]
    stamps = [{piece.stamp for _, _, piece in each["limits"]} for each in (tree, after.pinned.freeze(Pieces()))]
    assert stamps[0] == stamps[1]


@pytest.mark.parametrize("change", [Change(scores=False), Change(vectors=False)], ids=["vectors alone", "scores alone"])
def test_limits_of_a_part_of_the_signals_come_back(change):
    """What a baseline has no limit for, it has none for after it."""
    stage = Stage(hours=2)
    stage.run(3 * HOUR, change)
    baseline, after = stage.pinned.find(KEY), stage.another()
    after.pinned.thaw(through_a_file(stage.pinned.freeze(Pieces())))
    look = look_at(stage.store.find(KEY), stage.clock.now(), baseline, {})
    window = readable(look, "1h", 50)

    assert stage.pinned.calibrations(baseline)["1h"].read(window) == after.pinned.calibrations(baseline)["1h"].read(
        window
    )


@pytest.mark.parametrize("what", ["budget", "version", "baseline", "lost", "layout"])
def test_limits_that_others_would_be_learned_for_are_learned_again(learned, what):
    """By another budget, of another version, of another baseline, lost with their pack, or of other statistics."""
    tree = through_a_file(learned.pinned.freeze(Pieces()))
    frozen = tree["limits"][0]
    if what in {"budget", "version"}:
        tree["rules"] |= {"version": "0"} if what == "version" else {"alpha": {"1h": 0.5}}
    elif what == "baseline":
        frozen[1] = "another"
    elif what == "lost":
        frozen[2].tree = None
    else:
        del frozen[2].tree["windows"]["1h"]["vectors"]["novelty"]["wobble"]
    after = learned.another()
    after.pinned.thaw(tree)

    assert [] == after.pinned.freeze(Pieces())["limits"]
    assert {"5m", "1h", "24h"} == set(after.pinned.calibrations(after.pinned.find(KEY)))


@pytest.mark.parametrize("gap", [10.0, HOUR, 48 * HOUR])
def test_a_restart_raises_no_alarm_however_long_it_took(learned, gap):
    """Windows that nobody was there to fill are not judged: panes age, the baseline stays."""
    seen = []
    after = restarted(learned, gap)

    after.run(2 * HOUR, every_minutes=5, watch=lambda view: seen.extend(each.score or 0 for each in view.scores))

    view = after.look()
    assert "final" == view.baselines[0].state
    assert scores(view, "1h").keys() >= {"mean_shift", "novelty", "norm", "top1"}
    assert max(seen) < 1


def test_after_a_restart_drift_is_still_seen(learned):
    """By a baseline that knows the traffic from before it: it does not learn the drift as normal."""
    after = restarted(learned)
    after.run(2 * HOUR, replace(HEALTHY, new_topic=0.3), every_minutes=30)

    assert scores(after.look(), "1h")["novelty"] > 1


def test_time_without_an_exporter_is_no_time_of_a_baseline():
    """Two hours of traffic are learned, not one and an hour of nobody."""
    stage = Stage(hours=2)
    stage.run(HOUR, every_minutes=30)
    new = _unlearned(stage, gap=HOUR)
    new.run(0.9 * HOUR, every_minutes=10)

    assert new.look().baselines[0].state != "final"
    new.run(0.2 * HOUR, every_minutes=1)
    assert "final" == new.look().baselines[0].state


def _unlearned(stage, gap):
    parts = {part.name: through_a_file(part.freeze(Pieces())) for part in stage.store.parts(stage.clock.now)}
    new = Stage(seed=8, hours=2, start=stage.clock.now() + gap)
    new.queries = stage.queries
    for each in stage.pinned.all():
        new.pinned.adopt(each)
    new.store.thaw(parts, new.clock.now(), counters=False)
    return new


@pytest.fixture(scope="module")
def long(exact):
    """A stage with a baseline of so many blocks that the sample its frame is fitted to has but some rows of each."""
    return learned_for_long(projected=False)


@pytest.fixture(scope="module")
def long_projected(exact):
    """The same, by projections."""
    return learned_for_long(projected=True)


def learned_for_long(*, projected):
    stage = Stage(hours=13, projected=projected)
    stage.run(15 * HOUR, per_minute=20, step_minutes=5)
    counts = [sums.n for sums in stage.pinned.find(KEY).content.frame_sums]
    assert 0 < np.median(counts) < 16, "sums of few rows are not looked at"
    return stage


def test_without_vectors_what_rests_on_sums_is_still_judged(long):
    """Means, spread, norms and similarities; nothing that needs the nearest anchor, and no wrong number for it."""
    after = restarted(long, vectors="none")
    after.run(2 * HOUR, every_minutes=30)
    found = scores(after.look(), "1h")

    assert {"mean_shift", "spread", "norm", "top1", "invalid"} == set(found)
    assert max(found.values()) < 1
    after.run(2 * HOUR, replace(HEALTHY, other_model=0.5), every_minutes=30)
    assert scores(after.look(), "1h")["mean_shift"] > 1


def test_with_projections_all_scores_are_those_before_a_restart(long_projected):
    """In the same frame, by the same limits: novelty is measured by projections before it and after it."""
    before = long_projected.look()
    after = restarted(long_projected, vectors="projected")
    found, known = scores(after.look()), scores(before)

    assert known.keys() >= {"novelty", "mahalanobis", "joint", "same_input", "norm", "top1"}
    assert known == pytest.approx(found)
    assert before.baselines[0].id == after.look().baselines[0].id
    assert before.picture is not None is after.look().picture
    after.run(2 * HOUR, every_minutes=30)
    assert max(scores(after.look()).values()) < 1
    after.run(2 * HOUR, replace(HEALTHY, new_topic=0.4), every_minutes=30)
    assert scores(after.look())["novelty"] > 1


def test_with_projections_joint_keeps_its_limit_when_others_are_learned_again(long_projected):
    """Without it joint is absent: the sums that it is learned from are of few vectors, and not kept."""
    after = restarted(long_projected, vectors="projected")
    baseline = after.pinned.find(KEY)
    kept = after.pinned.calibrations(baseline)["1h"].vectors.joint
    after.pinned._learn_limits(baseline, None)

    assert kept is after.pinned.calibrations(baseline)["1h"].vectors.joint is not None
    later = after.another(projected=True)
    later.pinned.thaw(through_a_file(after.pinned.freeze(Pieces(vectors=False))))
    window = readable(look_at(after.store.find(KEY), after.clock.now(), baseline, {}), "1h", 50)
    one, other = (pinned.calibrations(baseline)["1h"].read(window) for pinned in (after.pinned, later.pinned))
    assert one == other
    assert "joint" in {reading.statistic for reading in one}
    after.pinned._limits.clear()
    after.run(120, step_minutes=1)
    assert {"novelty", "mahalanobis", "mean_shift"} <= scores(after.look()).keys()
    assert "joint" not in scores(after.look())


def test_what_is_written_with_projections_holds_a_quarter_of_a_vector_at_most(long_projected):
    """And no sum of few."""
    tree = to_tree(long_projected.pinned.find(KEY), "projected")["content"]
    anchors, known = tree["frame.anchors"], tree["known.directions"]

    assert len(anchors) > 200
    assert len(known) > 200
    assert 4 == anchors.shape[1] == known.shape[1]
    assert 0 == tree["components"].size == tree["frame_sums.novel"].size
    series = long_projected.store.find(KEY).freeze(Pieces(vectors=False), long_projected.clock.now())
    assert all(each["filling"] is each["before"] is None for each in series["recent"].values())


@pytest.mark.parametrize("vectors", ["full", "projected", "none"])
def test_no_vector_stands_in_the_bytes_of_a_learned_state_where_none_may(long_projected, long, vectors):
    """Baselines, limits, windows after them and series: none of the queries that were asked, in any precision.

    That projections stand for them is seen of the one, and that whole ones would be found, of the other.
    """
    stage = long if vectors == "full" else long_projected
    pieces = Pieces(vectors=vectors == "full")
    trees = [
        to_tree(stage.pinned.find(KEY), vectors),
        stage.pinned.freeze(pieces),
        stage.store.find(KEY).freeze(pieces, stage.clock.now()),
    ]
    data = b"".join(flat(tree) for tree in trees)
    rows = stage.queries._known[:100] * (1 + 0.01 * np.sin(np.arange(100)))[:, None]

    assert (vectors == "full") == any(stands_in(data, rows))
    assert (vectors == "projected") == any(stands_in(data, projected(rows)))


def flat(tree):
    """Its bytes, with those of its pieces."""
    chunks = []

    def ref(piece):
        chunks.append(encode(piece.tree, ref))
        return Ref(0, 0, 0, b"")

    return encode(tree, ref) + b"".join(chunks)


def test_a_baseline_of_whole_vectors_is_left_without_them_where_projections_are_kept(long):
    """One that came as a file: its novelty is another one than that of projections. Known inputs are projected."""
    tree = to_tree(long.pinned.find(KEY), "projected")

    assert 0 == tree["content"]["frame.anchors"].size
    assert 4 == tree["content"]["known.directions"].shape[1]
    assert tree["id"] != long.pinned.find(KEY).id


def test_a_baseline_that_was_kept_with_less_can_be_exported_and_read(long_projected):
    """By an id of what it holds."""
    after = restarted(long_projected, vectors="projected").pinned.find(KEY)
    read = from_bytes(to_bytes(after))

    assert read.content.frame.projected
    assert after.id != read.id == content_id(KEY, after.content)


def test_what_is_written_without_vectors_holds_none(learned):
    """No array of a tree has a row of the size of a vector, but for sums of many and what a frame is."""
    tree = to_tree(learned.pinned.all()[0], "none")["content"]
    assert 0 == tree["frame.anchors"].size == tree["components"].size
    assert "known.keys" not in tree
    counts = tree["blocks.counts"][:, 2]
    assert not tree["blocks.totals"][(counts > 0) & (counts < 16)].any()
    series = learned.store.find(KEY).freeze(Pieces(vectors=False), learned.clock.now())
    assert [{"filling": None, "before": None}] * 2 == [
        {name: each[name] for name in ("filling", "before")} for each in series["recent"].values()
    ]


def test_a_sum_of_few_vectors_is_not_written_without_vectors():
    """The sum of one vector is that vector."""
    few, many = Pane(), Pane()
    few.vector_sums(4).update(rows(1, 15))
    many.vector_sums(4).update(rows(1, 16))

    assert few.freeze(vectors=False)["vectors"] is None
    assert many.freeze(vectors=False)["vectors"] is not None
    assert few.freeze()["vectors"] is not None


def test_a_block_and_learned_windows_come_back():
    """Their stamps too."""
    block = Block(1.0, 2, 0, VectorSums.of(rows(1)), (("norm", 3),), np.arange(3, dtype=np.float32))
    found = Block.thaw(Piece(77, through_a_file(block.freeze())))
    assert 77 == found.stamp
    assert block.quantiles.tolist() == found.quantiles.tolist()
    assert block.stamp != replace(block, events=3).stamp
    continued = Continued(NOW, TIMING)
    continued.observe("1h", DriftWindow(VectorSums.of(rows(1))), 0.5, NOW + 2 * HOUR)
    again = Continued.thaw(through_a_file(continued.freeze(Pieces())), TIMING)
    assert 1 == len(again.later["1h"])
    again.observe("1h", DriftWindow(VectorSums.of(rows(2))), 0.5, NOW + 9 * HOUR)
    assert 2 == len(again.freeze(Pieces())["later"]["1h"])


def test_a_sketch_that_says_what_cannot_be_is_refused():
    """After the checksum, of what the bytes say of themselves."""
    other = datasketches.kll_floats_sketch(100).serialize()

    with pytest.raises(ValueError, match="sketch"):
        QuantileSketch.thaw(other)


def test_another_secret_forgets_documents_and_nothing_else():
    """Hashes made with one say nothing beside those of another."""
    series = _series()
    series.append(batch(1, NOW), NOW)
    tree = through_a_file(series.freeze(Pieces(), NOW))
    other = Series(KEY, NOW, TIMING, rng(), secret=b"another")
    other.thaw(tree, NOW, counters=True)

    assert other.retrieval(NOW).results is None
    assert 60 == other.windows(NOW)["1h"].pane.events


def test_a_folded_series_comes_back_with_its_counts():
    """The sum over all series stays exact where counters go on."""
    store = MemoryStore(TIMING, max_series=1, max_state_bytes=10**9, seed=7, secret=b"s" * 32)
    store.append(batch(1, NOW), NOW)
    store.append(events([NOW] * 3, key=SeriesKey("other", "1", "1", "query"), scores=[[0.5]] * 3), NOW)
    parts = {part.name: through_a_file(part.freeze(Pieces())) for part in store.parts(lambda: NOW)}
    new = MemoryStore(TIMING, max_series=1, max_state_bytes=10**9, seed=7, secret=b"s" * 32)
    new.thaw(parts, NOW, counters=True)

    assert store.counts() == new.counts()
    assert [60, 3] == [each.events for each in new.totals(NOW)]
    assert 60 == new.append(batch(1, NOW), NOW).duplicates
