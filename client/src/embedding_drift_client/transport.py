"""One kept-alive HTTP connection to the exporter."""

from __future__ import annotations

import email.utils
import http.client
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from embedding_drift_client.route import EVENTS, Route

_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
_MAX_REPLY_BYTES = 1 << 20


class Reply(NamedTuple):
    """What the exporter answered."""

    status: int
    retry_after_seconds: float
    """0 where the reply does not say."""
    body: bytes


class Transport:
    """Posts to the routes under a base URL over one connection, made when needed. For one thread.

    Raises ValueError for a URL that is not http or https, or has more than a host, a port and a path.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _CONNECTIONS or not parts.hostname:
            raise ValueError(f"url must be {' or '.join(_CONNECTIONS)} with a host, such as http://127.0.0.1:10877")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url must have nothing but a scheme, a host, a port and a path")
        self._base = parts.path.rstrip("/").removesuffix(EVENTS)
        self._connection = _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=timeout_seconds)

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
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
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
