"""Bodies with a few bytes or words changed, or cut short: what damage and malice make of a stream."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\1\0\0\0", b"\xff" * 7 + b"\x7f"]
"""What lengths and offsets do not expect."""


def damaged(body, changes, end=None):
    """The body with these pieces at their places, up to an end."""
    found = bytearray(body)
    for position, piece in changes:
        found[position : position + len(piece)] = piece
    return bytes(found[:end])


def any_damage(body, places=None):
    """One to four changes, at any of the places or anywhere; a third of the bodies are cut short."""
    anywhere = st.integers(0, len(body) - 1)
    piece = st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from(WORDS))
    changes = st.lists(st.tuples(anywhere if places is None else places, piece), min_size=1, max_size=4)
    return st.builds(damaged, st.just(body), changes, st.one_of(st.none(), st.none(), st.integers(0, len(body))))
