"""alibi-detect: MMD with a p-value from 100 permutations, on PyTorch with one thread; its reference is prepared."""

from __future__ import annotations

import torch
from alibi_detect.cd import MMDDrift

from bench.peers.turn import ROWS, Done, events, serve


def main() -> None:
    torch.set_num_threads(1)
    current = events(ROWS, 2).vectors
    detector = MMDDrift(events(ROWS, 1).vectors, backend="pytorch", n_permutations=100)

    def turn() -> Done:
        data = detector.predict(current)["data"]
        return Done(ROWS, f"p-value {data['p_val']:.2f}, drift: {bool(data['is_drift'])}")

    serve(turn)


if __name__ == "__main__":
    main()
