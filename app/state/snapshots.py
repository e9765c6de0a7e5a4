"""Generations of everything: each a small manifest, and the packs of pieces that it shares with those before it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from app.state.codec import Ref, decode, encode, no_pieces
from app.state.directory import StateDirectory, StateError, named, numbered
from app.state.envelope import Damaged, Kind, Newer, open_sealed, seal, write_whole
from app.state.packs import PackWriter, check_pack, read_checked_piece, read_piece, sparse
from app.state.parts import Parts
from app.tree import Part, Piece, Pieces, Tree, new_stamp

log = structlog.get_logger(__name__)

GENERATIONS: Final = 3
MOST_PACKS: Final = 48
"""A pack that is still in use beyond so many is joined with others: opening each takes time at a start."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A generation as it was read."""

    number: int
    facts: Mapping[str, Any]
    """What was said of it when it was written, beside its parts."""
    parts: Parts
    lost: int = 0
    """Pieces that were damaged, and are None in the trees."""


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    facts: dict[str, Any]
    packs: dict[int, int]
    """Number of a pack -> bytes of its pieces."""
    parts: list[tuple[str, msgspec.Raw]]


@dataclass(slots=True)
class Snapshots:
    """Reads and writes generations. Of one thread at a time."""

    directory: StateDirectory
    damaged: int = 0
    """Files that were set aside."""
    _written: dict[int, Ref] = field(default_factory=dict)
    """Stamp -> where the piece is, of the newest generation."""
    _sizes: dict[int, int] = field(default_factory=dict)
    """Pack -> bytes of its pieces, of the packs that the newest generation names."""
    _generations: dict[int, frozenset[int]] = field(default_factory=dict)
    """Manifest -> the packs that it names."""
    _doubtful: list[tuple[Path, str]] = field(default_factory=list)
    """Damaged packs that are needed until the next generation is written."""

    def read(self) -> Snapshot | None:
        """The newest generation all of which is as it was written; None where there is no generation.

        Where none is whole, the newest one with what is left of it. What is damaged is set aside.

        Raises:
            StateError: a newer version wrote it.
        """
        manifests = self._manifests()
        for number, manifest in manifests:
            lost, faults = _check(self.directory.path, manifest)
            if not faults:
                self._leave_out(manifests, newer_than=number)
                return self._adopt(number, manifest, lost, faults)
            log.warning("generation not whole, trying the one before", manifest=number, damaged_packs=len(faults))
        if not manifests:
            return None
        number, manifest = manifests[0]
        return self._adopt(number, manifest, *_check(self.directory.path, manifest))

    def pieces(self, *, vectors: bool) -> Pieces:
        """What parts are frozen with for the next generation."""
        return Pieces(self._written.__contains__, vectors)

    def write(self, parts: Iterable[Part], facts: Mapping[str, Any], *, vectors: bool = True) -> int:
        """Write a generation; its number. What was written before stays as it is if this fails.

        Raises OSError.
        """
        number = self.directory.next_number()
        packs = PackWriter(self.directory, number)
        written: dict[int, Ref] = {}
        moving = sparse(self._sizes, _live(self._written), MOST_PACKS)
        pieces = self.pieces(vectors=vectors)

        def ref(piece: Piece) -> Ref:
            known = self._written.get(piece.stamp)
            if known is not None and known.pack in moving:
                data = read_piece(self.directory.named("pack", known.pack), known)
                if data is None:
                    # It is still in memory: written anew by the next snapshot.
                    del self._written[piece.stamp]
                    raise OSError(f"a piece in pack {known.pack} is damaged")
                known = packs.add(data)
            if known is None:
                assert piece.tree is not None
                known = packs.add(encode(piece.tree, _none_within))
            written[piece.stamp] = known
            return known

        try:
            encoded = [(part.name, msgspec.Raw(encode(part.freeze(pieces), ref))) for part in parts]
            packs.close()
            sizes = self._sizes | packs.sizes
            named_packs = {each.pack for each in written.values()}
            manifest = _Manifest(dict(facts), {each: sizes[each] for each in sorted(named_packs)}, encoded)
            content = msgspec.msgpack.encode(manifest)
            write_whole(self.directory.named("manifest", number), seal(Kind.MANIFEST, content), content)
        except BaseException:
            packs.abandon()
            raise
        self._written, self._sizes = written, manifest.packs
        self._generations[number] = frozenset(named_packs)
        self._clean_up()
        return number

    def kept(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Each generation that is kept and what was said of it, the newest first."""
        return [(number, manifest.facts) for number, manifest in self._manifests()]

    def _manifests(self) -> list[tuple[int, _Manifest]]:
        """Those that are as they were written, the newest first; damaged ones are set aside."""
        found = []
        for number in reversed(self.directory.numbered("manifest")):
            path = self.directory.named("manifest", number)
            try:
                manifest = read_manifest(path)
            except Damaged as damaged:
                self._set_aside(path, str(damaged))
            else:
                found.append((number, manifest))
                self._generations[number] = frozenset(manifest.packs)
        return found

    def _leave_out(self, manifests: Iterable[tuple[int, _Manifest]], newer_than: int) -> None:
        """Generations that were passed over, and their damaged packs, are set aside."""
        kept = self._generations[newer_than]
        for number, manifest in manifests:
            if number <= newer_than:
                continue
            for each in manifest.packs.keys() - kept:
                path = self.directory.named("pack", each)
                if path.exists() and (fault := check_pack(path, ())[1]) is not None:
                    self._set_aside(path, fault)
            self._set_aside(self.directory.named("manifest", number), "it names a damaged pack")
            del self._generations[number]

    def _adopt(self, number: int, manifest: _Manifest, lost: Counter[Ref], faults: Mapping[int, str]) -> Snapshot:
        def piece(ref: Ref) -> Piece:
            stamp = new_stamp()
            # Of a damaged pack all is written anew.
            if ref.pack not in faults:
                self._written[stamp] = ref
            return Piece(stamp, None if ref in lost else _read(self.directory.path, ref))

        self._sizes = {each: size for each, size in manifest.packs.items() if each not in faults}
        self._doubtful = [(self.directory.named("pack", each), fault) for each, fault in faults.items()]
        return Snapshot(number, manifest.facts, Parts(manifest.parts, piece), sum(lost.values()))

    def _clean_up(self) -> None:
        for path, fault in self._doubtful:
            if path.exists():
                self._set_aside(path, fault)
        self._doubtful = []
        for number in sorted(self._generations)[:-GENERATIONS]:
            self.directory.named("manifest", number).unlink(missing_ok=True)
            del self._generations[number]
        kept = frozenset().union(*self._generations.values())
        for number in self.directory.numbered("pack"):
            if number not in kept:
                with suppress(OSError):
                    self.directory.named("pack", number).unlink()

    def _set_aside(self, path: Path, why: str) -> None:
        self.damaged += 1
        self.directory.set_aside(path, why)


def read_manifest(path: Path) -> _Manifest:
    """A generation without its pieces.

    Raises:
        Damaged: it is not as it was written.
        StateError: a newer version wrote it.
    """
    try:
        return msgspec.msgpack.decode(open_sealed(path.read_bytes(), Kind.MANIFEST), type=_Manifest)
    except Newer as newer:
        message = f"{path}: {newer}: upgrade, or give another directory; nothing in it was changed"
        raise StateError(message) from newer
    except (OSError, msgspec.DecodeError) as error:
        raise Damaged(str(error)) from error


def look_at(path: Path) -> list[tuple[int, Snapshot | str]]:
    """Each generation in a directory that nobody needs to own, the newest first: what it holds, or what is wrong."""
    found: list[tuple[int, Snapshot | str]] = []
    for number in reversed(numbered(path, "manifest")):
        try:
            manifest = read_manifest(named(path, "manifest", number))
        except (Damaged, StateError) as error:
            found.append((number, str(error)))
            continue
        _, faults = _check(path, manifest)
        if faults:
            found.append((number, "; ".join(f"pack-{each:010}: {fault}" for each, fault in faults.items())))
            continue
        parts = Parts(manifest.parts, lambda ref: Piece(0, _read(path, ref)))
        found.append((number, Snapshot(number, manifest.facts, parts)))
    return found


def _check(path: Path, manifest: _Manifest) -> tuple[Counter[Ref], dict[int, str]]:
    """The pieces that are damaged, and how often each is named; the packs that are, and what is wrong with each."""
    refs: dict[int, Counter[Ref]] = defaultdict(Counter)

    def note(ref: Ref) -> Piece:
        refs[ref.pack][ref] += 1
        return Piece(0, None)

    for _, raw in manifest.parts:
        decode(raw, note)
    lost: Counter[Ref] = Counter()
    faults = {}
    for number in manifest.packs:
        damaged, fault = check_pack(named(path, "pack", number), refs[number])
        lost.update({ref: refs[number][ref] for ref in damaged})
        if fault is not None:
            faults[number] = fault
    return lost, faults


def _read(path: Path, ref: Ref) -> Tree | None:
    data = read_checked_piece(named(path, "pack", ref.pack), ref)
    return None if data is None else decode(data, no_pieces)


def _live(written: Mapping[int, Ref]) -> Counter[int]:
    live: Counter[int] = Counter()
    for ref in written.values():
        live[ref.pack] += ref.length
    return live


def _none_within(_: Piece) -> Ref:
    raise TypeError("a piece may hold none")
