"""State files that are not as they were written: flipped bits, which of them the check lets pass, a newer format."""

from __future__ import annotations

import struct
from hashlib import blake2b

from app.state.envelope import FORMAT, HEADER_BYTES, Damaged, Kind, Newer, open_sealed


def sealed_files(folder):
    """The sealed files of a state directory, and of which kind each is."""
    kinds = {"manifest": Kind.MANIFEST, "pack": Kind.PACK}
    found = {path: kinds[path.name.partition("-")[0]] for path in sorted(folder.glob("[mp]a*-??????????"))}
    return found | dict.fromkeys(sorted((folder / "baselines").iterdir()), Kind.BASELINE)


def passed(data, kind, bits):
    """Which of these bits, each an offset and a position, can be flipped without the check noticing."""
    damaged, unnoticed = bytearray(data), []
    for offset, bit in bits:
        damaged[offset] ^= 1 << bit
        if not noticed(damaged, kind):
            unnoticed.append((int(offset), int(bit)))
        damaged[offset] ^= 1 << bit
    assert damaged == data
    return unnoticed


def noticed(data, kind):
    """Whether the check refuses it as damaged; as of a newer version would leave it in use."""
    try:
        open_sealed(data, kind)
    except Damaged:
        return True
    except Newer:
        return False
    return False


def newer(sealed):
    """A sealed file as the version after would write it."""
    head, content = sealed[:8] + struct.pack(">H", FORMAT + 1) + sealed[10:20], sealed[HEADER_BYTES:]
    return head + blake2b(content + head, digest_size=32).digest() + content
