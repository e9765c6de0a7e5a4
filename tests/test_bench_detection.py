"""The measurement measures: its data, windows, peers, thresholds and tables."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from bench.detection import page, peers, shuffled, tables
from bench.detection.data import grouped, load
from bench.detection.sample import Sample, Verdict
from bench.detection.synthetic import synthetic
from bench.detection.windows import BASELINES, HEALTHY, NULL, Cell, Split, cases, drifting, zipf_weights

every_peer = pytest.mark.parametrize("peer", peers.PEERS.values(), ids=peers.PEERS.keys())


@pytest.fixture(scope="module")
def data():
    return synthetic(rows=1600, dimension=48, topics=20)


@pytest.fixture(scope="module")
def split(data):
    return Split(data, 0)


def test_a_directory_of_npz_files_is_read_with_its_changes(tmp_path):
    """Vectors are made unit length, a change without norms has the lengths of its own vectors, groups count from 0."""
    rng = np.random.default_rng(7)
    texts = rng.standard_normal((30, 5)).astype(np.float16)
    changed = 3 * rng.standard_normal((10, 5))
    np.savez(tmp_path / "queries.npz", embedding=texts, norm=np.full(30, 4.0), intent=np.repeat([9, 5, 7], 10))
    np.savez(tmp_path / "changes.npz", tok_a=changed, tok_b=changed, norm_tok_b=np.full(10, 2.0))

    data = load(tmp_path)

    assert np.allclose(np.linalg.norm(data.vectors, axis=1), 1)
    assert {0, 1, 2} == set(data.topics)
    assert ["tok_a", "tok_b"] == sorted(data.changes)
    assert np.allclose(np.linalg.norm(changed, axis=1), data.changes["tok_a"].norms)
    assert np.allclose(2.0, data.changes["tok_b"].norms)
    assert 10 == data.changed_rows


def test_a_directory_without_texts_says_what_is_missing(tmp_path):
    """The error names the arrays that would do."""
    np.savez(tmp_path / "changes.npz", tok_a=np.ones((3, 2)))

    with pytest.raises(ValueError, match="embedding, embeddings, vectors"):
        load(tmp_path)


def test_rows_without_groups_are_grouped_by_direction():
    """Two bundles of directions never share a group."""
    rng = np.random.default_rng(7)
    bundles = np.repeat(np.eye(2, 8, dtype=np.float32), 50, axis=0)
    topics = grouped((bundles + 0.05 * rng.standard_normal((100, 8))).astype(np.float32), groups=4)

    assert not set(topics[:50]) & set(topics[50:])


def test_made_up_vectors_have_the_traits_of_real_ones(data):
    """Unit length, a common direction, dead dimensions, near-duplicates, and the same for the same seed."""
    cosines = data.vectors[:500] @ data.vectors.T
    cosines[np.arange(500), np.arange(500)] = 0

    assert np.allclose(np.linalg.norm(data.vectors, axis=1), 1, atol=1e-6)
    assert np.linalg.norm(data.vectors.mean(axis=0)) > 0.3
    assert 3 == np.count_nonzero(data.vectors.std(axis=0) < 1e-7)
    assert 0.1 < np.mean(cosines.max(axis=1) > 0.97) < 0.5
    assert np.array_equal(data.vectors, synthetic(rows=1600, dimension=48, topics=20).vectors)


def test_baseline_windows_and_new_topics_share_no_row(data, split):
    """Nor do new topics share a topic with the others; every row belongs somewhere."""
    parts = [split.baseline, split.pool, split.new]

    assert len(data.vectors) == len(np.unique(np.concatenate(parts))) == sum(map(len, parts))
    assert not set(data.topics[split.new]) & set(data.topics[np.concatenate(parts[:2])])
    assert 2 == len(set(data.topics[split.new]))
    assert set(split.changeable) <= set(split.pool)


def test_splits_differ_by_seed_and_repeat_with_it(data, split):
    """So that every baseline is another trial."""
    assert np.array_equal(split.baseline, Split(data, 0).baseline)
    assert not np.array_equal(split.baseline, Split(data, 1).baseline)


def test_every_case_makes_windows_of_the_size_asked_for(data, split):
    """And names a baseline that exists."""
    rng = np.random.default_rng(7)
    for case in cases(data):
        for share in case.shares:
            window = case.window(split, 60, share, rng)
            assert 60 == len(window), case.name
            assert window.vectors.dtype == np.float32, case.name
            assert case.baseline in BASELINES


@pytest.mark.parametrize("share", [0.05, 0.25, 1.0])
def test_the_stated_share_of_a_window_is_changed(data, split, share):
    """Counted by rows that no healthy row equals."""
    case = next(case for case in drifting(data) if case.name == "new topics")
    window = case.window(split, 200, share, np.random.default_rng(7))
    known = {row.tobytes() for row in data.vectors[split.pool]}

    assert round(200 * share) == sum(row.tobytes() not in known for row in window.vectors)


def test_repeats_follow_the_law_of_zipf(split):
    """The most frequent of 20,000 draws come as often as 1 / rank^0.8 says, within four standard errors."""
    rows = split.zipf(20_000, np.random.default_rng(7))
    expected = 20_000 * zipf_weights(len(split._popular), 0.8)
    counts = np.array([np.count_nonzero(rows == row) for row in split._popular[:5]])

    assert np.all(np.abs(counts - expected[:5]) < 4 * np.sqrt(expected[:5]))


def test_the_mix_of_a_rhythm_moves_with_the_time_of_day(data, split):
    """A window of the morning differs from one of the night more than two of the morning do."""
    rng = np.random.default_rng(7)
    day, again, night = (
        np.bincount(data.topics[split.at_hours(split.pool, np.full(4000, phase), rng)], minlength=20)
        for phase in (0.0, 0.0, 0.5)
    )

    assert np.abs(day - night).sum() > 3 * np.abs(day - again).sum()


@every_peer
def test_a_peer_sees_an_obvious_shift_and_nothing_in_a_null(peer):
    """The shifted window is far above every one of 20 healthy ones."""
    rng = np.random.default_rng(7)
    direction = np.eye(1, 16)[0] * 3.0
    statistic = peer((direction + rng.standard_normal((400, 16))).astype(np.float32))
    nulls = [statistic((direction + rng.standard_normal((100, 16))).astype(np.float32)) for _ in range(20)]
    shifted = statistic((direction + 0.6 + rng.standard_normal((100, 16))).astype(np.float32))

    assert shifted > np.mean(nulls) + 5 * np.std(nulls)
    assert shifted > max(nulls)


def test_the_permutation_law_of_mmd_is_that_of_nulls():
    """Standardised nulls have mean 0 and standard deviation 1, within four standard errors of 60 windows."""
    rng = np.random.default_rng(7)
    values = []
    for _ in range(60):
        statistic = peers.mmd(rng.standard_normal((150, 4)).astype(np.float32), permutations=60)
        values.append(statistic(rng.standard_normal((60, 4)).astype(np.float32)))

    assert abs(np.mean(values)) < 4 / np.sqrt(60)
    assert 0.6 < np.std(values) < 1.5


def test_the_largest_kolmogorov_smirnov_distance_is_the_exact_one():
    """Against scipy, with ties."""
    rng = np.random.default_rng(7)
    reference = rng.integers(0, 9, (80, 6)).astype(np.float32)
    window = rng.integers(0, 8, (30, 6)).astype(np.float32)
    exact = max(ks_2samp(reference[:, i], window[:, i]).statistic for i in range(6))

    assert exact == pytest.approx(peers.ks_bonferroni(reference)(window))


def test_all_peers_are_fitted_at_once():
    """One value from each."""
    rng = np.random.default_rng(7)
    judge = peers.fit(Sample(rng.standard_normal((300, 8)).astype(np.float32)))
    values = judge(Sample(rng.standard_normal((90, 8)).astype(np.float32))).values

    assert peers.PEERS.keys() == values.keys()
    assert np.all(np.isfinite(list(values.values())))


def test_thresholds_tuned_on_nulls_hold_their_rate():
    """400 times 200 nulls: the next window exceeds the threshold in 5 % of the trials, within four standard errors."""
    rng = np.random.default_rng(7)
    draws = rng.exponential(size=(400, 201))
    exceeded = [draw[-1] > shuffled.threshold(draw[:-1], 0.05) for draw in draws]

    assert abs(np.mean(exceeded) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)


def length(reference: Sample):
    """A trivial detector: the length of the window's mean over the reference's."""
    expected = np.linalg.norm(reference.vectors.mean(axis=0))

    def judge(window: Sample) -> Verdict:
        ratio = float(np.linalg.norm(window.vectors.mean(axis=0)) / expected)
        return Verdict({"score": ratio}, {"changed_share": 0.2, "changed_share_lower_bound": 0.07}, ["longer"])

    return judge


@pytest.fixture(scope="module")
def measured(data):
    plan = shuffled.Plan(splits=2, healthy=3, drifting=2, sizes=(40,))
    return shuffled.measure(data, {"length": length, "again": length}, plan)


def test_every_detector_sees_the_same_windows(measured):
    """Two of the same kind read the same values in the same cells."""
    assert measured["length"] == measured["again"]


def test_every_cell_has_its_windows_from_every_split(data, measured):
    """Three healthy and two drifting ones of each of two splits, healthy cells first."""
    cells = measured["length"]
    drifting_cells = sum(len(case.shares) for case in drifting(data))

    assert len(HEALTHY) + drifting_cells == len(cells)
    assert NULL == next(iter(cells)).case
    assert 6 == cells[Cell(NULL, "none", 0.0, 40)].windows
    assert {4} == {readings.windows for cell, readings in cells.items() if cell.share > 0}


def test_tables_hold_counts_effects_and_causes(measured):
    """A row for each case, with how often the bound was above the truth."""
    cells = measured["length"]

    assert "| no drift | " in tables.rates(cells, healthy=True)
    assert "| new topics, 5 % | 20.0 % | 7.0 % | 100 % (> 25) |" in tables.changed_shares(cells, 40)
    assert "| new topics, 10 % | 20.0 % | 7.0 % | 0 % (< 75.0) |" in tables.changed_shares(cells, 40)
    assert "| longer 4 |" in tables.causes(cells, 40)
    assert "| zero vectors, 5 % | 4 | " in tables.statistics(cells, 40)


def centroid(reference: Sample):
    """One peer alone."""
    statistic = peers.centroid_distance(reference.vectors)
    return lambda window: Verdict({"centroid": statistic(window.vectors)})


def test_peers_stand_beside_ours_at_thresholds_of_their_own(data):
    """Lost normalisation lengthens the mean, and so is seen by it and bold in the table."""
    plan = shuffled.Plan(splits=1, healthy=20, drifting=4, sizes=(60,))
    measured = shuffled.measure(data, {"ours": length, "peers": centroid}, plan)
    table = tables.side_by_side(measured["ours"], measured["peers"], 60)
    row = next(line for line in table.splitlines() if line.startswith("| normalisation lost, 5 %"))

    assert "1 % of 20 nulls" in table
    assert "**100**" == row.split("|")[3].strip()


def test_tables_replace_what_stood_between_their_markers(tmp_path):
    """And leave the rest of the page alone; a page without the markers is refused and says which lines it needs."""
    path = tmp_path / "page.md"
    begin, end = page.markers("peers")
    path.write_text(f"# Before\n{begin}\nold\n{end}\nAfter\n")

    page.replace(path, "peers", "new")

    assert f"# Before\n{begin}\nnew\n{end}\nAfter\n" == path.read_text()
    with pytest.raises(ValueError, match="shuffled"):
        page.replace(path, "shuffled", "new")
