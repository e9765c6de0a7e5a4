"""Long work in a thread: the same work, with moments in which others have their turn."""

from app.metrics.manners import PAUSE_SECONDS, SLICE_SECONDS, in_slices


class Worked:
    """A clock that work moves on, and the pauses that were made by it."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def items(self, *durations):
        for number, seconds in enumerate(durations):
            self.now += seconds
            yield number

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append((round(self.now / SLICE_SECONDS, 1), seconds))
        self.now += seconds


def test_it_pauses_after_every_slice_of_work():
    """Short items share a slice; a long one has its own; what comes out is what went in."""
    worked = Worked()
    short, long = 0.4 * SLICE_SECONDS, 3 * SLICE_SECONDS

    assert [0, 1, 2, 3, 4] == list(
        in_slices(worked.items(short, short, short, long, short), worked.monotonic, worked.sleep)
    )

    assert [(1.2, PAUSE_SECONDS), (4.3, PAUSE_SECONDS)] == worked.pauses


def test_little_work_is_done_at_once():
    """What takes less than a slice is not kept waiting."""
    worked = Worked()

    list(in_slices(worked.items(*[SLICE_SECONDS / 16] * 15), worked.monotonic, worked.sleep))

    assert [] == worked.pauses
