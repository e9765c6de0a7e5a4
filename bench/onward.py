"""The exporter's command line on a clock that goes on from a given time: `python -m bench.onward SECONDS serve ...`.

For a state directory of simulated months: on the machine's clock all in it would be long past, or still to come.
"""

from __future__ import annotations

import sys
import time
from unittest.mock import patch

# First, for what it sets must stand before numpy is imported.
from app import cli
from app.clock import Clock
from app.main import serving


class Onward(Clock):
    """Runs on from a given time as fast as the machine's clock."""

    def __init__(self, began: float) -> None:
        self._ahead = began - time.time()

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self._ahead


def main(began: float, words: list[str]) -> int:
    """What `embedding-drift-exporter` does with these words."""
    with patch.object(serving, "SystemClock", lambda: Onward(began)):
        return cli.main(words)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
