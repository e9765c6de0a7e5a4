"""Content encodings: what goes in comes out, and no more of it than the cap."""

from __future__ import annotations

import contextlib
import gzip
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decode import DecodeError, Limits, Malformed, TooLarge, UnsupportedMediaType, decode
from app.decode.encoding import ENCODINGS, MAX_MEMBERS, inflate, zstd

CAP = 100_000
COMPRESSORS = {"gzip": gzip.compress, "zstd": zstd.compress}
"""A new encoding needs a line here; identity is left as it is."""

every = pytest.mark.parametrize("name", [name for name, make in ENCODINGS.items() if make])


@every
@given(body=st.binary(max_size=2000))
def test_what_was_compressed_comes_back(name, body):
    """For any bytes, none included."""
    assert body == inflate(name, COMPRESSORS[name](body), CAP)


@every
@given(body=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_decode_error(name, body):
    """As they are, and behind a good member."""
    for junk in (body, COMPRESSORS[name](b"[]") + body):
        with contextlib.suppress(DecodeError):
            inflate(name, junk, CAP)


@every
def test_members_are_joined(name):
    """Several gzip members or zstd frames are one body, also where they are longer than a chunk of input."""
    parts = [bytes(range(256)) * 100, b"", b"x" * 50_000]

    assert b"".join(parts) == inflate(name, b"".join(map(COMPRESSORS[name], parts)), CAP)


def test_a_skippable_frame_of_zstd_is_skipped():
    """RFC 8878, 3.1.2."""
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"abcd"

    assert b"[]" == inflate("zstd", skippable + zstd.compress(b"[]") + skippable, CAP)


@every
def test_a_body_that_is_cut_short_is_malformed(name):
    """At any byte, also at the end of the first of two members' header."""
    whole = COMPRESSORS[name](bytes(range(256)))

    for end in range(len(whole)):
        with pytest.raises(Malformed):
            inflate(name, whole[:end], CAP)
    with pytest.raises(Malformed):
        inflate(name, whole + whole[:5], CAP)


@every
def test_trailing_junk_is_malformed(name):
    """What follows the last member must be a member."""
    with pytest.raises(Malformed, match=f"not valid {name}"):
        inflate(name, COMPRESSORS[name](b"[]") + b"junk after the end", CAP)


@every
def test_the_cap_itself_is_allowed_and_one_byte_more_is_not(name):
    """In one member and in two."""
    compress = COMPRESSORS[name]

    assert CAP == len(inflate(name, compress(b"x" * CAP), CAP))
    assert CAP == len(inflate(name, compress(b"x" * (CAP - 1)) + compress(b"x"), CAP))
    with pytest.raises(TooLarge, match=str(CAP)):
        inflate(name, compress(b"x" * (CAP + 1)), CAP)
    with pytest.raises(TooLarge):
        inflate(name, compress(b"x" * CAP) + compress(b"x"), CAP)


def test_an_identity_body_has_the_same_cap():
    """Without an encoding, too."""
    assert b"x" * CAP == inflate(None, b"x" * CAP, CAP)
    with pytest.raises(TooLarge):
        inflate("identity", b"x" * (CAP + 1), CAP)


@every
def test_a_bomb_takes_no_more_memory_than_the_cap_allows(name):
    """64 MiB of zeros in a few kilobytes; neither the output nor a copy of it is ever built."""
    bomb = COMPRESSORS[name](b"\0" * (64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            inflate(name, bomb, 1024 * 1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * 1024 * 1024


@every
def test_a_flood_of_tiny_members_ends_early(name):
    """Each costs a decompressor, and none adds to the output that the cap is about."""
    member = COMPRESSORS[name](b"")

    assert b"" == inflate(name, member * MAX_MEMBERS, CAP)
    with pytest.raises(Malformed, match=f"more than {MAX_MEMBERS}"):
        inflate(name, member * (MAX_MEMBERS + 1), CAP)


def test_a_zstd_window_larger_than_the_rfc_allows_is_malformed():
    """RFC 9659: 8 MiB. The window is memory that the sender chooses."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    body = compressor.compress(b"[]") + compressor.flush()

    with pytest.raises(Malformed, match="8 MiB"):
        inflate("zstd", body, CAP)


@pytest.mark.parametrize("name", ["br", "deflate", "gzip, zstd", "\x00"])
def test_an_unknown_encoding_is_refused_with_the_list_of_known_ones(name):
    """The message lists what the table holds."""
    with pytest.raises(UnsupportedMediaType) as raised:
        inflate(name, b"", CAP)

    assert all(known in raised.value.message for known in ENCODINGS)


@pytest.mark.parametrize("name", [None, "", "identity", "GZIP", " gzip "])
def test_no_encoding_is_identity_and_case_does_not_matter(name):
    """As RFC 9110 has it."""
    body = gzip.compress(b"[]") if name and "gzip" in name.lower() else b"[]"

    assert b"[]" == inflate(name, body, CAP)


@every
def test_events_are_decoded_from_their_encoding(name):
    """The whole way."""
    body = COMPRESSORS[name](b'{"model":"e5"}')

    assert 1 == len(decode("application/json", name, body, Limits(), 0.0).batch)
    with pytest.raises(TooLarge):
        decode("application/json", name, body, Limits(inflated_bytes=5), 0.0)
