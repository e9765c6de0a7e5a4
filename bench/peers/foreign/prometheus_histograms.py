"""prometheus_client: eleven histograms with labels, as a tutorial has them. It has no answer about drift."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from bench.peers.turn import EVENTS, Done, events, serve

BOUNDS = [each / 20 for each in range(1, 21)]


def main() -> None:
    rows = events(EVENTS, 1).scalars.tolist()
    registry = CollectorRegistry()
    names = ["norm", *(f"similarity_{rank}" for rank in range(10))]
    made = [Histogram(name, name, ["model", "version"], buckets=BOUNDS, registry=registry) for name in names]

    def turn() -> Done:
        for row in rows:
            for histogram, value in zip(made, row, strict=True):
                histogram.labels("e5", "1").observe(value)
        return Done(EVENTS, "none")

    serve(turn)


if __name__ == "__main__":
    main()
