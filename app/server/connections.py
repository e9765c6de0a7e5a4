"""The open connections: no more than a number of them, and none that waits for its client for ever."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from app.model import Closed

REPLY_SECONDS: Final = 60.0
"""For a client to read what it was sent: a baseline of some 20 MB over a slow line, and not for ever."""


class Conversation(Protocol):
    """What is known of a connection once its handshake is done."""

    def waiting_since(self) -> float | None:
        """Since when it waits for its client, on the loop's clock; None while the exporter is at work for it."""
        ...

    def overdue(self, now: float, request_seconds: float, reply_seconds: float) -> Closed | None:
        """Why it should be closed by now, if it should."""
        ...

    def close(self, reason: Closed) -> None:
        """Close it, with a reply if one helps."""
        ...

    def shutdown(self) -> None:
        """Close it when the request under way is answered; at once where none is."""
        ...


class Place:
    """One accepted connection."""

    __slots__ = ("_accepted", "_since", "conversation")

    def __init__(self, accepted: socket.socket, now: float) -> None:
        self._accepted = accepted
        self._since = now
        self.conversation: Conversation | None = None
        """None during the handshake of TLS, which has a deadline of its own."""

    def waiting_since(self) -> float | None:
        """As of the conversation."""
        return self._since if self.conversation is None else self.conversation.waiting_since()

    def close(self, reason: Closed) -> None:
        """End it, whatever it is at."""
        if self.conversation is not None:
            self.conversation.close(reason)
            return
        # The transport that has the socket finds it ended, and closes it.
        with suppress(OSError):
            self._accepted.shutdown(socket.SHUT_RDWR)


class Connections:
    """At most `limit` places.

    Past it a new connection takes the place of the one that has waited longest for its client: idle, or with half a
    request sent. So whoever sends a request at once, as a scraper does, is let in however many others hold theirs open,
    and no places need to be kept for anybody. For one event loop; a new connection past the limit costs O(limit).
    """

    def __init__(self, limit: int, request_seconds: float, count: Callable[[Closed], None]) -> None:
        self._limit = limit
        self._request_seconds = request_seconds
        self._count = count
        self._places: set[Place] = set()

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, accepted: socket.socket, now: float) -> Place | None:
        """A place for a connection; None where all others are at work."""
        if len(self._places) >= self._limit:
            waiting = [(since, place) for place in self._places if (since := place.waiting_since()) is not None]
            self._count(Closed.CROWDED)
            if not waiting:
                return None
            _, longest = min(waiting, key=lambda each: each[0])
            self._places.discard(longest)
            longest.close(Closed.CROWDED)
        place = Place(accepted, now)
        self._places.add(place)
        return place

    def leave(self, place: Place) -> None:
        """The connection has ended. Safe to call twice."""
        self._places.discard(place)

    def fail(self, place: Place) -> None:
        """Its handshake did not succeed."""
        if place in self._places:
            self._places.discard(place)
            self._count(Closed.HANDSHAKE)

    def refuse(self, reason: Closed) -> None:
        """Count a connection that its own conversation ended."""
        self._count(reason)

    def sweep(self, now: float) -> None:
        """Close what is overdue."""
        for place in list(self._places):
            if place.conversation is None:
                continue
            reason = place.conversation.overdue(now, self._request_seconds, REPLY_SECONDS)
            if reason is not None:
                self._count(reason)
                place.close(reason)
