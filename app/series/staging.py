"""Events that wait, so that hundreds of them can be taken in at once."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.model import EventBatch


class Room(NamedTuple):
    """How much may wait; past any of it the events are to be taken in."""

    events: int
    numbers: int
    """Of vectors and of scores, each."""
    ids: int = 4096
    """Of documents, found or relevant: 1.5 MB of the longest, and those of the usual 400 events of ten."""


class Staging:
    """Batches of one series in the order in which they came."""

    def __init__(self, room: Room) -> None:
        self._room: Final = room
        self._clear()

    def __len__(self) -> int:
        """Events."""
        return self._events

    def add(self, batch: EventBatch) -> None:
        """Take a batch in."""
        self._batches.append(batch)
        self._events += len(batch)
        self._vector_numbers += batch.vectors.values.size
        self._scores += batch.scores.values.size
        self._ids += _ids_of(batch)

    @property
    def batches(self) -> int:
        """Batches that wait."""
        return len(self._batches)

    @property
    def full(self) -> bool:
        """Whether there is no room left."""
        room = self._room
        return (
            self._events >= room.events
            or self._vector_numbers >= room.numbers
            or self._scores >= room.numbers
            or self._ids >= room.ids
        )

    def take(self) -> EventBatch | None:
        """All that waits as one batch, and nothing waits any more; None where nothing did."""
        if not self._batches:
            return None
        batch = EventBatch.concatenate(self._batches)
        self._clear()
        return batch

    @property
    def nbytes(self) -> int:
        """Bytes of vectors and scores."""
        return sum(batch.vectors.values.nbytes + batch.scores.values.nbytes for batch in self._batches)

    def _clear(self) -> None:
        self._batches: list[EventBatch] = []
        self._events = self._vector_numbers = self._scores = self._ids = 0


def _ids_of(batch: EventBatch) -> int:
    found = 0 if batch.ids is None else sum(map(len, filter(None, batch.ids)))
    return found + (0 if batch.relevant is None else sum(map(len, filter(None, batch.relevant))))
