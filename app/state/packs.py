"""Packs: files of pieces that are written once and named by one manifest after another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from app.state.codec import Ref
from app.state.directory import StateDirectory
from app.state.envelope import HEADER_BYTES, Damaged, Kind, Newer, header, new_digest, open_sealed, sync_directory

MOST_BYTES: Final = 64 * 1024 * 1024
"""A pack that is larger is followed by another: one at a time is checked in memory."""

_DIGEST_BYTES: Final = 16


class PackWriter:
    """Writes new packs, none of which is there before `close`; `abandon` leaves nothing."""

    def __init__(self, directory: StateDirectory, number: int) -> None:
        """`number` is that of the first; each further one has the next."""
        self._directory = directory
        self.next_number = number
        self._file: int | None = None
        self._digest = new_digest()
        self._length = 0
        self._done: list[tuple[Path, Path]] = []
        self.sizes: dict[int, int] = {}
        """Number of a finished pack -> bytes of its pieces."""

    def add(self, data: bytes) -> Ref:
        """Write a piece; where it will be."""
        if self._file is None or self._length + len(data) > MOST_BYTES:
            self._finish()
            self._begin()
        assert self._file is not None
        _write(self._file, data)
        self._digest.update(data)
        ref = Ref(self.next_number, HEADER_BYTES + self._length, len(data), digest_of(data))
        self._length += len(data)
        return ref

    def close(self) -> None:
        """All packs are on disk from here on. Raises OSError."""
        self._finish()
        for temporary, path in self._done:
            temporary.rename(path)
        if self._done:
            sync_directory(self._directory.path)

    def abandon(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._done.append((_temporary(self._path), self._path))
        for temporary, path in self._done:
            for each in (temporary, path):
                with suppress(OSError):
                    each.unlink()

    @property
    def _path(self) -> Path:
        return self._directory.named("pack", self.next_number)

    def _begin(self) -> None:
        self._file = os.open(_temporary(self._path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._digest, self._length = new_digest(), 0
        _write(self._file, bytes(HEADER_BYTES))

    def _finish(self) -> None:
        if self._file is None:
            return
        os.pwrite(self._file, header(Kind.PACK, self._length, self._digest), 0)
        os.fsync(self._file)
        os.close(self._file)
        self._file = None
        self._done.append((_temporary(self._path), self._path))
        self.sizes[self.next_number] = self._length
        self.next_number += 1


def check_pack(path: Path, refs: Iterable[Ref]) -> tuple[set[Ref], str | None]:
    """Those of its pieces that are not as they were written, and what is wrong with the pack: None where nothing is."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return set(refs), error.strerror or "unreadable"
    try:
        open_sealed(data, Kind.PACK)
    except (Damaged, Newer) as error:
        view = memoryview(data)
        return {ref for ref in refs if digest_of(view[ref.offset : ref.offset + ref.length]) != ref.digest}, str(error)
    # All of it is as it was written: so are the pieces, for the manifest that names them is checked, too.
    return set(), None


def read_piece(path: Path, ref: Ref) -> bytes | None:
    """The bytes of one piece; None where they are not as they were written."""
    data = read_checked_piece(path, ref)
    return data if data is not None and digest_of(data) == ref.digest else None


def read_checked_piece(path: Path, ref: Ref) -> bytes | None:
    """The bytes of a piece that `check_pack` found whole; None where they cannot be read any more."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(ref.offset)
            data = file.read(ref.length)
    except OSError:
        return None
    return data if len(data) == ref.length else None


def digest_of(data: bytes | memoryview) -> bytes:
    """What a `Ref` holds of a piece."""
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()


def sparse(sizes: Mapping[int, int], live: Mapping[int, int], most: int) -> set[int]:
    """The packs whose live pieces are to be written anew, so that the files can go: less than half is in use.

    `sizes` and `live` are bytes of all and of the pieces in use by pack. Where more than `most` packs are, the smallest
    too, until half as many are left. At most `MOST_BYTES` of pieces at once, so that no snapshot takes long.
    """
    wasteful = [number for number, size in sizes.items() if 2 * live.get(number, 0) < size]
    if len(sizes) - len(wasteful) > most:
        rest = sorted(sizes.keys() - set(wasteful), key=lambda number: live.get(number, 0))
        wasteful += rest[: len(rest) - most // 2]
    chosen: set[int] = set()
    moved = 0
    for number in sorted(wasteful, key=lambda number: live.get(number, 0)):
        moved += live.get(number, 0)
        if moved > MOST_BYTES and chosen:
            break
        chosen.add(number)
    return chosen


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
