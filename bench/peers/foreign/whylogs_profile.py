"""whylogs: profiles of data frames, and its drift scores."""

from __future__ import annotations

import sys

import pandas as pd
from whylogs.core import DatasetProfile
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from bench.peers.turn import BATCH, EVENTS, Done, events, serve


def frames(work: str, seed: int) -> list[pd.DataFrame]:
    """Of the eleven numbers, or of all dimensions and ten similarities: it has no type for a vector."""
    sample = events(EVENTS, seed)
    scores = pd.DataFrame(sample.scalars).add_prefix("scalar_")
    whole = scores if work == "scalars" else pd.concat([pd.DataFrame(sample.vectors).add_prefix("v_"), scores], axis=1)
    return [whole.iloc[start : start + BATCH] for start in range(0, len(whole), BATCH)]


def profile(parts: list[pd.DataFrame]) -> DatasetProfile:
    made = DatasetProfile()
    for part in parts:
        made.track(part)
    return made


def main(work: str) -> None:
    current, baseline = frames(work, 1), profile(frames(work, 2)).view()

    def turn() -> Done:
        scores = calculate_drift_scores(profile(current).view(), baseline)
        statistics = [score["statistic"] for score in scores.values() if score is not None]
        return Done(EVENTS, f"largest KS {max(statistics):.3f}")

    serve(turn)


if __name__ == "__main__":
    main(sys.argv[1])
