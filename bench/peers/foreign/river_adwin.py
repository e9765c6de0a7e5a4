"""river: a drift detector (ADWIN) for each of the eleven numbers, one event at a time."""

from __future__ import annotations

from river.drift import ADWIN

from bench.peers.turn import EVENTS, Done, events, serve


def main() -> None:
    rows = events(EVENTS, 1).scalars.tolist()
    detectors = [ADWIN() for _ in rows[0]]

    def turn() -> Done:
        found = 0
        for row in rows:
            for detector, value in zip(detectors, row, strict=True):
                detector.update(value)
                found += detector.drift_detected
        return Done(EVENTS, f"{found} detections")

    serve(turn)


if __name__ == "__main__":
    main()
