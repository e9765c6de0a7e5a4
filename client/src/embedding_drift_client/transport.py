"""One kept-alive HTTP connection to the exporter."""

from __future__ import annotations

import email.utils
import http.client
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from embedding_drift_client.route import EVENTS, Route

_SCHEMES = ("http", "https")
_MAX_REPLY_BYTES = 1 << 20
_TOKEN = re.compile(r"[!-~]+")


class Reply(NamedTuple):
    """What the exporter answered."""

    status: int
    retry_after_seconds: float
    """0 where the reply does not say."""
    body: bytes


class Identity(NamedTuple):
    """Who the exporter takes the client for, and by which authority the client knows the exporter."""

    token: Callable[[], str | None]
    """Asked for each request. May raise OSError."""
    context: ssl.SSLContext | None
    """None: the authorities of the system."""


ANYBODY: Final = Identity(lambda: None, None)


def identity(token: str | None, token_file: str | None, ca_file: str | None) -> Identity:
    """Of a token or a file with one, and of a file of certificates. Raises ValueError for what can never work."""
    if token is not None and token_file is not None:
        raise ValueError("token and token_file are two ways to say one thing: give one of them")
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("token must be printable ASCII without spaces")
    try:
        context = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except OSError as problem:
        raise ValueError(f"ca_file cannot be used: {type(problem).__name__}") from None
    return Identity((lambda: token) if token_file is None else (lambda: _first_line(token_file)), context)


def _first_line(path: str) -> str:
    """The token in a file. Raises OSError where there is none: as without a connection, it may come."""
    with Path(path).open(encoding="ascii", errors="replace") as file:
        token = next((line.strip() for line in file if line.strip()), "")
    if not _TOKEN.fullmatch(token) or not token.isascii():
        raise OSError("token_file holds no token")
    return token


class Transport:
    """Posts to the routes under a base URL over one connection, made when needed. For one thread.

    Raises ValueError for a URL that is not http or https, or has more than a host, a port and a path.
    """

    def __init__(self, url: str, timeout_seconds: float, who: Identity = ANYBODY) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"url must be {' or '.join(_SCHEMES)} with a host, such as http://127.0.0.1:10877")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url must have nothing but a scheme, a host, a port and a path")
        if who.context is not None and parts.scheme != "https":
            raise ValueError("ca_file is for a url that begins with https")
        self._base = parts.path.rstrip("/").removesuffix(EVENTS)
        self._token = who.token
        self._connection = (
            http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_seconds, context=who.context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
        )

    def post(self, route: Route, body: bytes, key: str) -> Reply:
        """Send a JSON body under an idempotency key and read the reply.

        Raises OSError or http.client.HTTPException where there is none.

        A connection that the exporter closed while idle is found out by using it, so a failure on a used one is tried
        once more on a new one; the key tells an exporter that took it and closed without a reply.
        """
        used = self._connection.sock is not None
        try:
            return self._exchange(route, body, key)
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            if not used:
                raise
            return self._exchange(route, body, key)

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        self._connection.close()

    def _exchange(self, route: Route, body: bytes, key: str) -> Reply:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        token = self._token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._connection.request("POST", self._base + route, body, headers)
            response = self._connection.getresponse()
            content = response.read(_MAX_REPLY_BYTES)
        except BaseException:
            self._connection.close()
            raise
        if not response.isclosed():  # longer than any reply of an exporter: what is left would be read as the next one
            self._connection.close()
        return Reply(response.status, retry_after_seconds(response.getheader("Retry-After")), content)


def retry_after_seconds(header: str | None) -> float:
    """The pause that a Retry-After header asks for, in seconds or until a date; 0 where it cannot be read.

    >>> retry_after_seconds("7"), retry_after_seconds("soon"), retry_after_seconds(None)
    (7.0, 0.0, 0.0)
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
