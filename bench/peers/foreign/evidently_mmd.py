"""Evidently: its method for embeddings by itself, without the report around it, which also draws a picture."""

from __future__ import annotations

import pandas as pd
from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd

from bench.peers.turn import ROWS, Done, events, serve


def main() -> None:
    reference, current = (pd.DataFrame(events(ROWS, seed).vectors) for seed in (1, 2))
    method = mmd()

    def turn() -> Done:
        value, drifted, _ = method(current, reference)
        return Done(ROWS, f"MMD {value:.4f}, drift: {bool(drifted)}")

    serve(turn)


if __name__ == "__main__":
    main()
