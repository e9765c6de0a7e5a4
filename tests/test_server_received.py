"""The pieces of a body: all bytes in their order, in no more memory than they need."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from app.server.received import LARGE_BYTES, Received

pieces = st.lists(st.one_of(st.binary(max_size=3), st.sampled_from([b"x" * LARGE_BYTES, b"y" * (LARGE_BYTES - 1)])))


@given(pieces)
def test_all_bytes_are_there_in_their_order(sent):
    """Whatever the sizes."""
    received = Received()
    for piece in sent:
        received += piece

    assert b"".join(sent) == bytes(received)
    assert len(b"".join(sent)) == len(received)


def test_pieces_of_one_byte_take_no_more_than_they_are():
    """As a sender of chunks may make them: 60 KB, and an object each would be 3 MB."""
    received = Received()
    tracemalloc.start()
    for number in range(60_000):
        received += bytes([number % 256])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 200_000


def test_a_large_piece_is_not_copied():
    """The parts of batches, as they come from a socket."""
    piece = b"x" * LARGE_BYTES
    received = Received()
    received += piece

    assert bytes(received) is piece
