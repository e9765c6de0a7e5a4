"""Bearer tokens: kept as hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.access.errors import AccessError
from app.access.role import Role

MIN_CHARACTERS: Final = 16
_TOKEN: Final = re.compile(rf"[A-Za-z0-9\-._~+/]{{{MIN_CHARACTERS},512}}=*")
"""What RFC 6750 lets a token be made of."""

WANTED: Final = f"at least {MIN_CHARACTERS} letters, digits or -._~+/; `openssl rand -hex 32` makes one"

Tokens = Mapping[Role, tuple[bytes, ...]]
"""Role -> the hashes of its tokens."""


def read(path: Path) -> tuple[bytes, ...]:
    """The hashes of the tokens in a file, one a line: while they are replaced, the old and the new.

    Raises:
        AccessError: it cannot be read, or holds something else.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise AccessError(message) from error
    except UnicodeDecodeError:
        message = f"{path}: a token is {WANTED}"
        raise AccessError(message) from None
    tokens = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
    for number, token in tokens.items():
        if not _TOKEN.fullmatch(token):
            message = f"{path}:{number}: a token is {WANTED}"
            raise AccessError(message)
    if not tokens:
        message = f"{path}: there is no token in it; a token is {WANTED}, one a line"
        raise AccessError(message)
    return tuple(map(_hashed, tokens.values()))


def roles(tokens: Tokens, given: str) -> set[Role]:
    """The roles that a token has. As long for every token of a length: each is compared with all."""
    hashed = _hashed(given)
    return {role for role, known in tokens.items() if sum([hmac.compare_digest(hashed, each) for each in known])}


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
