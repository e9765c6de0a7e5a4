"""The file of --web-config-file, in the format of Prometheus' exporter-toolkit: TLS, basic authentication, headers.

https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md; docs/security.md says what of it
is taken. Keys that are unknown, or known there and not here, are refused.
"""

from __future__ import annotations

import difflib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from app.access.errors import AccessError

VERSIONS: Final = {
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
"""RequestClientCert and RequireAnyClientCert ask for a certificate that nobody checks: not offered here."""

HEADERS: Final = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)

_BCRYPT: Final = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Tls:
    """The section tls_server_config."""

    cert_file: Path
    key_file: Path
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[str, ...] = ()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names."""
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file says; without one nothing."""

    tls: Tls | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    """Name -> bcrypt hash."""
    headers: Mapping[str, str] = field(default_factory=dict)


_TLS_KEYS: Final = (
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
)
_HTTP_KEYS: Final = ("http2", "headers")
_KEYS: Final = ("tls_server_config", "http_server_config", "basic_auth_users")


def read(path: Path) -> WebConfig:
    """The file's content. Relative paths in it start in its directory.

    Raises:
        AccessError: it cannot be read, or something in it is wrong.
    """
    try:
        document = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise AccessError(message) from error
    except (yaml.YAMLError, ValueError):
        # Without YAML's own words, which quote the line: there may be a hash in it.
        message = f"{path}: this is not YAML, or has a key twice"
        raise AccessError(message) from None
    root = _Section(str(path), {} if document is None else document)
    root.only(_KEYS)
    tls = root.section("tls_server_config")
    http = root.section("http_server_config")
    http.only(_HTTP_KEYS)
    http.flag("http2")  # which is not spoken here, as HTTP/2 is optional there
    return WebConfig(
        tls=_tls(tls, path.parent) if "tls_server_config" in root.values else None,
        users=_users(root.section("basic_auth_users")),
        headers=_headers(http.section("headers")),
    )


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: of two passwords of one name the second would hold."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        values = super().construct_mapping(node, deep)
        if len(values) != len(node.value):
            raise ValueError
        return values


class _Section:
    """A mapping of the file, and where it stands."""

    def __init__(self, where: str, values: object) -> None:
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            message = f"{where}: must be a mapping of names"
            raise AccessError(message)
        self.where = where
        self.values: dict[str, Any] = values

    def only(self, known: tuple[str, ...]) -> None:
        for key in self.values:
            if key not in known:
                likeness = sorted(known, key=lambda name: -difflib.SequenceMatcher(None, name, key).ratio())
                message = f"{self.where}: {_shown(key)} is not known here; known, nearest first: {', '.join(likeness)}"
                raise AccessError(message)

    def section(self, key: str) -> _Section:
        return _Section(f"{self.where}: {key}", self.values.get(key) or {})

    def flag(self, key: str) -> None:
        if not isinstance(self.values.get(key, False), bool):
            message = f"{self.where}: {key} must be true or false"
            raise AccessError(message)

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            message = f"{self.where}: {key} must be text"
            raise AccessError(message)
        return value or None

    def file(self, key: str, folder: Path) -> Path | None:
        name = self.text(key)
        return None if name is None else folder / name

    def choice(self, key: str, known: Mapping[str, Any], default: str) -> Any:  # noqa: ANN401 - a value of the table
        name = self.text(key) or default
        if name not in known:
            message = f"{self.where}: {key} must be one of {', '.join(known)}"
            raise AccessError(message)
        return known[name]


def _tls(section: _Section, folder: Path) -> Tls:
    section.only(_TLS_KEYS)
    cert_file, key_file = section.file("cert_file", folder), section.file("key_file", folder)
    if cert_file is None or key_file is None:
        message = f"{section.where}: cert_file and key_file are required"
        raise AccessError(message)
    client_auth = section.choice("client_auth_type", CLIENT_AUTH, "NoClientCert")
    client_ca_file = section.file("client_ca_file", folder)
    if (client_auth is ssl.CERT_NONE) != (client_ca_file is None):
        checking = ", ".join(name for name, mode in CLIENT_AUTH.items() if mode is not ssl.CERT_NONE)
        message = f"{section.where}: client_ca_file and a client_auth_type of {checking} belong together"
        raise AccessError(message)
    names = section.values.get("client_allowed_sans") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        message = f"{section.where}: client_allowed_sans must be a list of names"
        raise AccessError(message)
    if names and client_ca_file is None:
        message = (
            f"{section.where}: client_allowed_sans needs client_ca_file: names of unchecked certificates say nothing"
        )
        raise AccessError(message)
    least = section.choice("min_version", VERSIONS, "TLS12")
    most = section.choice("max_version", VERSIONS, "TLS13")
    if least > most:
        message = f"{section.where}: min_version is above max_version"
        raise AccessError(message)
    return Tls(cert_file, key_file, client_auth, client_ca_file, tuple(names), least, most)


def _users(section: _Section) -> dict[str, bytes]:
    for name, hashed in section.values.items():
        if not name or ":" in name or not isinstance(hashed, str) or not _BCRYPT.fullmatch(hashed):
            message = (
                f"{section.where}: each must be a name without a colon, and its bcrypt hash (`htpasswd -nBC 10 NAME`)"
            )
            raise AccessError(message)
    return {name: hashed.encode() for name, hashed in section.values.items()}


def _headers(section: _Section) -> dict[str, str]:
    section.only(HEADERS)
    for name in section.values:
        if not _HEADER_VALUE.fullmatch(section.text(name) or ""):
            message = f"{section.where}: {name} must be text on one line"
            raise AccessError(message)
    return dict(section.values)


def _shown(key: str) -> str:
    return key if key.isprintable() else ascii(key)
