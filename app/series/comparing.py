"""What the vectors of a series are compared with: its baseline, and inputs that came just before."""

from __future__ import annotations

from app.model import Timing
from app.series.measuring import MeasuredBefore, Measuring, Yardstick
from app.series.rows import Memory, Vectors
from app.sketch import RecentInputs


class Comparing:
    """The yardstick in force with what it has measured, over restarts too, and the inputs of the last minutes."""

    def __init__(self, timing: Timing) -> None:
        self._recent_seconds = timing.windows["5m"]
        self._yardstick: Yardstick | None = None
        self._before: MeasuredBefore | None = None
        self._recent: RecentInputs | None = None
        self.measuring: Measuring | None = None
        """None without a frame."""

    def holds(self, yardstick: Yardstick) -> bool:
        """Whether it is the one in force."""
        return self._yardstick is not None and self._yardstick.id == yardstick.id

    def change(self, yardstick: Yardstick, now: float) -> bool:
        """Compare with this one from now on; whether it goes on with what it measured before a restart."""
        before, self._before = self._before, None
        goes_on = before is not None and before.yardstick == yardstick.id
        self._yardstick = yardstick
        self.measuring = None if yardstick.frame is None else Measuring(yardstick.frame, now)
        if self.measuring is not None and before is not None and goes_on:
            self.measuring.resume(before.began, before.measured, before.offered)
        return goes_on

    def memory(self, vectors: Vectors, now: float) -> Memory:
        """What the inputs of a batch are looked up in."""
        dimension = vectors.matrix.shape[1]
        if vectors.inputs is not None and (self._recent is None or self._recent.dimension != dimension):
            self._recent = RecentInputs(dimension=dimension, seconds=self._recent_seconds)
        return Memory(None if self._yardstick is None else self._yardstick.known, self._recent, now)

    @property
    def measured(self) -> tuple[int, int]:
        """How many vectors were measured in the frame, of how many that came."""
        return (0, 0) if self.measuring is None else (self.measuring.measured, self.measuring.offered)

    def freeze(self) -> list[object] | None:
        """What `thaw` takes. Not of it: the inputs of the last minutes, which a few minutes bring again."""
        if self._yardstick is None:
            return None if self._before is None else list(self._before)
        began = 0.0 if self.measuring is None else self.measuring.began
        return [self._yardstick.id, began, *self.measured]

    def thaw(self, frozen: list[object] | None) -> None:
        """Go on from what was frozen, once `change` is told of the same baseline; until then nothing is measured."""
        self._before = None if frozen is None else MeasuredBefore(*frozen)  # type: ignore[arg-type]

    @property
    def nbytes(self) -> dict[str, int]:
        """Bytes by part."""
        return {
            "recent inputs": 0 if self._recent is None else self._recent.nbytes,
            "staged for the frame": 0 if self.measuring is None else self.measuring.nbytes,
        }
