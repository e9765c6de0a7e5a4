"""Passwords of basic authentication: bcrypt, beside the event loop, and remembered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

REMEMBERED: Final = 256
"""Answers, right and wrong ones: a scraper asks every 15 seconds, and bcrypt takes a tenth of a second."""

MAX_WAITING: Final = 16
"""Guesses that wait for their turn. One at a time is computed: guessing must not take the cores from the exporter."""

MAX_PASSWORD_BYTES: Final = 72
"""bcrypt looks at no more; a longer one is wrong, rather than as right as its beginning."""

_NOBODY: Final = b"$2b$10$6tDR1wVryJ.y25UGYitZAujvqr2gIMxhrNYOgP.f/BhB553u9qaKm"
"""Of no password that anybody knows: an unknown name is to take as long as a known one."""


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class Passwords:
    """Checks names and passwords. For one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._waiting = 0

    async def right(self, users: Mapping[str, bytes], credentials: str) -> bool:
        """Whether this is the base64 of NAME:PASSWORD of one of the users (name -> bcrypt hash).

        Raises:
            BusyError: too many wait for an answer that is not remembered.
        """
        named = _decoded(credentials)
        if named is None:
            return False
        name, password = named
        hashed = users.get(name)
        # With the hash in it, so that a password that was replaced is forgotten; keyed, so that memory tells nothing.
        told = b"\0".join((hashed or b"", name.encode("utf-8", "surrogateescape"), password))
        key = hashlib.blake2b(told, key=self._secret).digest()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if self._waiting >= MAX_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._thread, _matches, password, hashed or _NOBODY)
        finally:
            self._waiting -= 1
        self._known[key] = right and hashed is not None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]


def _decoded(credentials: str) -> tuple[str, bytes] | None:
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _matches(password: bytes, hashed: bytes) -> bool:
    if len(password) > MAX_PASSWORD_BYTES or b"\0" in password:
        return False
    return bcrypt.checkpw(password, hashed)
