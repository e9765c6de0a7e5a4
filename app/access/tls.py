"""TLS of the listeners, and whose client certificates are let in."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from app.access.errors import AccessError
from app.access.web_config import Tls


def context(tls: Tls) -> ssl.SSLContext:
    """A context made of the files as they are now.

    Raises:
        AccessError: one of them cannot be read or is not what it should be; its name is in the message.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = tls.min_version, tls.max_version
    made.verify_mode = tls.client_auth
    made.set_alpn_protocols(["http/1.1"])
    for path in tls.files:
        try:
            path.read_bytes()
        except OSError as error:
            message = f"{path}: {error.strerror}"
            raise AccessError(message) from error
    try:
        # With a password that is wrong, for OpenSSL would ask at the terminal where the key has one.
        made.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except (OSError, ValueError):
        message = (
            f"{tls.cert_file} and {tls.key_file}: must be a certificate and its key, in PEM, the key without password"
        )
        raise AccessError(message) from None
    if tls.client_ca_file is not None:
        try:
            made.load_verify_locations(tls.client_ca_file)
        except OSError:
            message = f"{tls.client_ca_file}: must be certificates in PEM"
            raise AccessError(message) from None
    return made


def admitted(tls: Tls | None, certificate: Mapping[str, Any] | None) -> bool:
    """Whether a client may come in by the names in its certificate, as `SSLSocket.getpeercert` tells it.

    One without a certificate may: whether one is needed the handshake has settled.
    """
    if tls is None or not tls.client_allowed_sans or not certificate:
        return True
    names = {_plain(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    return not names.isdisjoint(_allowed(tls.client_allowed_sans))


def _allowed(names: Iterable[str]) -> set[str]:
    return {_address(name) or name for name in names}


def _plain(kind: str, name: str) -> str:
    return _address(name) or name if kind == "IP Address" else name


def _address(text: str) -> str | None:
    """An address in one spelling of several."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None
