"""The parts of a generation that is read: each is decoded when somebody asks for it, and kept until it is taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping

from msgspec import Raw

from app.state.codec import Ref, decode
from app.tree import Piece, Tree


class Parts(MutableMapping[str, Tree]):
    """Trees by their names.

    All of them at once would take as much memory as the series that are made of them, and leave it in pieces.
    """

    def __init__(self, encoded: Iterable[tuple[str, Raw]], piece: Callable[[Ref], Piece]) -> None:
        """`piece` is asked for what is in a pack."""
        self._encoded = dict(encoded)
        self._decoded: dict[str, Tree] = {}
        self._piece = piece

    def __getitem__(self, name: str) -> Tree:
        """The part, the same each time; KeyError where there is none, ValueError where it is no tree."""
        if name not in self._decoded:
            self._decoded[name] = decode(self._encoded[name], self._piece)
        return self._decoded[name]

    def __setitem__(self, name: str, tree: Tree) -> None:
        """Put another in its place."""
        self._decoded[name] = tree
        self._encoded.setdefault(name, Raw())

    def __delitem__(self, name: str) -> None:
        """Take it out."""
        del self._encoded[name]
        self._decoded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)
