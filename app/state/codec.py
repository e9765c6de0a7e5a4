"""Trees as bytes: msgpack, with arrays and pieces as its extensions. Nothing in them runs when they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.msgpack import Decoder, Encoder, Ext
from numpy.typing import NDArray

from app.tree import Piece, Tree

_ARRAY: Final = 1
_PIECE: Final = 2

_DTYPES: Final = frozenset("?bhilqBHILQefd")
"""Plain numbers: an array of anything else is refused, and so can hold no object."""


class Ref(NamedTuple):
    """Where a piece is written."""

    pack: int
    offset: int
    """From the beginning of the file."""
    length: int
    digest: bytes
    """BLAKE2b-128 of its bytes."""


def encode(tree: Tree, ref: Callable[[Piece], Ref]) -> bytes:
    """A tree as bytes, its pieces as where they are written: `ref` says so."""

    def extension(value: object) -> Ext:
        if isinstance(value, Piece):
            return Ext(_PIECE, msgspec.msgpack.encode(ref(value)))
        if isinstance(value, np.ndarray):
            return Ext(_ARRAY, _array(value))
        if isinstance(value, np.generic):
            raise TypeError(f"a number of numpy has no place in a tree: {type(value).__name__}")
        raise TypeError(f"{type(value).__name__} has no place in a tree")

    return Encoder(enc_hook=extension).encode(tree)


def decode(data: bytes | memoryview, piece: Callable[[Ref], Piece]) -> Tree:
    """The tree of what `encode` gave; its arrays are its own. Raises ValueError where it is none."""

    def extension(code: int, value: memoryview) -> Any:  # noqa: ANN401
        if code == _PIECE:
            return piece(Ref(*msgspec.msgpack.decode(value)))
        if code == _ARRAY:
            return _to_array(value)
        raise ValueError("an unknown extension")

    tree = Decoder(ext_hook=extension).decode(data)
    if not isinstance(tree, dict):
        raise ValueError("not a tree")
    return tree


def no_pieces(_: object) -> Any:  # noqa: ANN401
    """For trees that have none."""
    raise ValueError("a piece where none may be")


def _array(array: NDArray[Any]) -> bytes:
    if array.dtype.char not in _DTYPES:
        raise TypeError(f"an array of {array.dtype} has no place in a tree")
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    head = msgspec.msgpack.encode((little.dtype.str, array.shape))
    return bytes((len(head),)) + head + little.tobytes()


def _to_array(value: memoryview) -> NDArray[Any]:
    size = value[0]
    name, shape = msgspec.msgpack.decode(value[1 : 1 + size], type=tuple[str, tuple[int, ...]])
    dtype = np.dtype(name)
    if dtype.char not in _DTYPES:
        raise ValueError("an array of no numbers")
    # Copied: aligned, writable, and the file's bytes can go.
    return np.frombuffer(value[1 + size :], dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=True)
