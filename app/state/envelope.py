"""What every state file is wrapped in: nothing of a file is used before all of it is known to be as it was written.

One flipped bit in a sketch's bytes crashes the process that reads them, so sketches are read from checked bytes alone.
The layout below is that of every format, past and to come: a file of a newer one is told from a damaged one by it.

    8 bytes   magic
    2 bytes   format
    2 bytes   kind
    8 bytes   length of the content
    32 bytes  BLAKE2b-256 of the content and, after it, the 20 bytes above
    content
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final

FORMAT: Final = 1

_MAGIC: Final = b"EDXSTATE"
_HEAD: Final = struct.Struct(">8sHHQ")
_DIGEST_BYTES: Final = 32

HEADER_BYTES: Final = _HEAD.size + _DIGEST_BYTES


class Kind(IntEnum):
    """What a file holds."""

    MANIFEST = 1
    PACK = 2
    BASELINE = 3


class Damaged(Exception):  # noqa: N818 - says what the file is
    """The file is not as it was written."""


class Newer(Exception):  # noqa: N818
    """The file is whole and of a newer version."""


def seal(kind: Kind, content: bytes) -> bytes:
    """The header that goes before the content."""
    digest = new_digest()
    digest.update(content)
    return header(kind, len(content), digest)


def new_digest() -> blake2b:
    """To be fed with a content, part by part, for `header`."""
    return blake2b(digest_size=_DIGEST_BYTES)


def header(kind: Kind, length: int, digest: blake2b) -> bytes:
    """The header of a content of this length, all of which the digest was fed with."""
    head = _HEAD.pack(_MAGIC, FORMAT, kind, length)
    digest.update(head)
    return head + digest.digest()


def open_sealed(data: bytes | memoryview, kind: Kind) -> memoryview:
    """The content of a file. About 1 s a GiB.

    Raises:
        Damaged: it is not as it was written, or of another kind.
        Newer: it is whole and was written by a newer version.
    """
    view = memoryview(data)
    if len(view) < HEADER_BYTES:
        raise Damaged("too short")
    head, content = view[: _HEAD.size], view[HEADER_BYTES:]
    magic, written_by, found, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise Damaged("no state file")
    if length != len(content):
        raise Damaged("too short" if length > len(content) else "too long")
    digest = new_digest()
    digest.update(content)
    digest.update(head)
    if digest.digest() != view[_HEAD.size : HEADER_BYTES]:
        raise Damaged("its checksum does not fit")
    if written_by > FORMAT:
        raise Newer(f"it has format {written_by}, this version reads {FORMAT} and older")
    if found != kind:
        raise Damaged("of another kind")
    return content


def write_whole(path: Path, *parts: bytes) -> None:
    """Write a file so that after a crash there is all of it or what was there before; only its owner can read it.

    Raises OSError, and leaves nothing half-written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor, for the mode
            file.writelines(parts)
            file.flush()
            os.fsync(descriptor)
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_directory(path: Path) -> None:
    """Names that were made, or changed, in a directory outlast a crash from here on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
