"""The measurement runs the exporter's own code."""

import numpy as np
import pytest

from app.compare import compare
from app.drift.sums import VectorSums
from app.drift.window import Window
from bench.detection import __main__ as command
from bench.detection import ours, page, peers, shuffled, stream
from bench.detection.our_stream import OurStream
from bench.detection.sample import Sample
from bench.detection.synthetic import synthetic
from bench.detection.traffic import Traffic, nearest
from bench.detection.windows import Split

HOUR = 3600.0

every_part = pytest.mark.parametrize("part", command.PARTS)


@pytest.fixture(scope="module")
def data():
    return synthetic(rows=1600, dimension=32, topics=20)


def test_our_verdict_is_that_of_compare(data):
    """Score, statistics and effects, though the reference is fitted once for many windows."""
    split = Split(data, 0)
    reference, window = data.vectors[split.baseline], data.vectors[split.new]

    verdict = ours.fit(Sample(reference))(Sample(window))
    comparison = compare(reference, window)

    assert comparison.score == verdict.values["score"] > 1
    assert {each.statistic for each in comparison.scores} | {"score"} == set(verdict.values)
    assert comparison.effects.changed_share == verdict.effects["changed_share"]


def test_running_sums_read_what_the_events_themselves_read(data):
    """The five-minute window from precomputed rows against one measured anew."""
    detector = OurStream(data, 2 * HOUR)
    kept = []
    for now, readings, part in stream.evaluations(Traffic(data, nearest(data.vectors), seed=3), detector, 3 * HOUR):
        assert not readings or now > 2 * HOUR
        if now > 3 * HOUR - 300:
            kept.append(part.rows)

    rows = data.vectors[np.concatenate(kept)]
    frame, calibration = detector._frame, detector._calibrations["5m"]
    window = Window(VectorSums.of(rows), frame.sums(rows, frame.measure(rows)))

    assert max(each.score for each in calibration.read(window)) == pytest.approx(readings["5m"].score, rel=1e-3)
    assert calibration.effects(window).changed_share == pytest.approx(readings["5m"].effects["changed_share"])


def test_limits_are_final_after_a_day_alone(data):
    """Two hours are no day: pages wait."""
    detector = OurStream(data, 2 * HOUR)
    for _, readings, _ in stream.evaluations(Traffic(data, nearest(data.vectors), seed=3), detector, 2.2 * HOUR):
        assert not any(reading.final for reading in readings.values())


def test_an_hour_of_baseline_is_enough_for_limits(data):
    """Its panes are shorter, so that there are enough to learn from."""
    detector = OurStream(data, HOUR)
    *_, last = stream.evaluations(Traffic(data, nearest(data.vectors), seed=3), detector, 2.1 * HOUR)
    _, readings, _ = last

    assert {"5m", "1h"} == set(readings)


@every_part
def test_the_command_prints_and_writes_the_tables_of_a_part(part, data, tmp_path, monkeypatch, capsys):
    """On synthetic data, with hardly any windows."""
    plan = shuffled.Plan(splits=1, healthy=2, drifting=1, sizes=(command.WINDOW,), baselines=("plain",))
    monkeypatch.setattr(shuffled, "QUICK", plan)
    monkeypatch.setattr(command, "PEERS_QUICK", plan)
    monkeypatch.setattr(command.peers, "PEERS", {"centroid": peers.centroid_distance})
    calm = stream.Healthy("calm", stream.HEALTHY, HOUR, 1, 1)
    monkeypatch.setattr(stream, "QUICK", stream.Plan(healthy=(calm,), injected=()))
    monkeypatch.setattr(command, "synthetic", lambda: data)
    written = tmp_path / "drift.md"
    written.write_text("\n".join(page.markers(part)))
    monkeypatch.setattr(command, "PAGE", written)

    command.main(["--quick", "--write", "--parts", part])

    assert "synthetic: 1,600 vectors of 32 dimensions, 20 topics" in written.read_text()
    assert "|---|" in capsys.readouterr().out


def test_an_unknown_part_is_refused_with_the_known_ones(capsys):
    """Before anything is measured."""
    with pytest.raises(SystemExit):
        command.main(["--parts", "shuffled,streams"])

    assert "one or more of shuffled,stream,peers" in capsys.readouterr().err
