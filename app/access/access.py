"""Who may do what, as of the files in force."""

from __future__ import annotations

import ssl
from typing import Any, Final, NamedTuple

import structlog

from app.access import tls, tokens
from app.access.errors import AccessError
from app.access.files import Content, Files
from app.access.passwords import BusyError, Passwords
from app.access.role import Role

log = structlog.get_logger("app.access")

REALM: Final = "embedding-drift-exporter"
RETRY_AFTER_SECONDS: Final = 1


class Refusal(NamedTuple):
    """Why a request may not."""

    status: int
    message: str
    headers: dict[str, str]


class _InForce(NamedTuple):
    """What holds: replaced as one, since another thread reads it."""

    content: Content
    closed: frozenset[Role]
    state: tuple[object, ...]
    """Of the files, as they were read."""


class Access:
    """Asked for every request; reads its files again when they have changed.

    A role needs credentials where it has tokens, or where there are users, who may do everything. Where any role has
    tokens, `admin` needs them too: whoever closes one door does not mean to leave that one open.
    """

    def __init__(self, files: Files) -> None:
        """Read the files.

        Raises:
            AccessError: with the file and what is wrong.
        """
        self._files = files
        self._passwords = Passwords()
        self._force = self._read()
        self._complaint = ""

    def _read(self) -> _InForce:
        # Twice, with the look at the files between: what changes while they are read is seen at the next look.
        state = self._files.state(self._files.read())
        content = self._files.read()
        closed = set(Role) if content.web.users else set(content.tokens)
        if closed:
            closed.add(Role.ADMIN)
        return _InForce(content, frozenset(closed), state)

    @property
    def closed(self) -> frozenset[Role]:
        """The roles that need credentials."""
        return self._force.closed

    @property
    def reload_failed(self) -> bool:
        """Whether what is in force is not what the files say, because one of them is wrong."""
        return bool(self._complaint)

    @property
    def context(self) -> ssl.SSLContext | None:
        """For the next connection."""
        return self._force.content.context

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """For every reply."""
        return [(name.lower().encode(), value.encode()) for name, value in self._force.content.web.headers.items()]

    @property
    def certificates_required(self) -> bool:
        """Whether nobody comes in without a certificate that was checked."""
        used = self._force.content.web.tls
        return used is not None and used.client_auth is ssl.CERT_REQUIRED

    def admitted(self, certificate: dict[str, Any] | None) -> bool:
        """Whether a client with this certificate may talk at all."""
        return tls.admitted(self._force.content.web.tls, certificate)

    def unprotected(self, role: Role) -> bool:
        """Whether anybody who can connect may act in this role."""
        return role not in self._force.closed and not self.certificates_required

    def refresh(self) -> None:
        """Read the files again if they have changed; keep what was in force where one is wrong. Safe in a thread.

        Asked every second: a certificate that is replaced before its key is complained of once, and taken with it.
        """
        if self._files.state(self._force.content) == self._force.state:
            return
        try:
            self._force = self._read()
        except AccessError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("files of access are wrong: what was read before holds", why=str(error))
            return
        self._complaint = ""
        log.info("files of access read again")

    def schemes(self, role: Role) -> list[str]:
        """What opens a closed role: names of roles whose tokens do, and `password`."""
        content = self._force.content
        having = [each for each in dict.fromkeys((role, Role.ADMIN)) if each in content.tokens]
        return [*having, *(["password"] if content.web.users else [])] or [role]

    async def refusal(self, role: Role, authorization: str | None) -> Refusal | None:
        """Why a request with this Authorization header may not act in this role; None where it may."""
        content, closed, _ = self._force
        if role not in closed:
            return None
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and content.tokens:
            return _of_token(content, role, credentials.strip())
        if scheme.lower() == "basic" and content.web.users:
            return await self._of_password(content, credentials.strip())
        return Refusal(401, f"credentials are wanted: {' or '.join(_schemes(content))}", _challenge(content))

    async def _of_password(self, content: Content, credentials: str) -> Refusal | None:
        try:
            right = await self._passwords.right(content.web.users, credentials)
        except BusyError:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return Refusal(503, "too many passwords are being checked: try again", headers)
        return None if right else Refusal(401, "name or password is wrong", _challenge(content))


def _of_token(content: Content, role: Role, token: str) -> Refusal | None:
    has = tokens.roles(content.tokens, token)
    if has & {role, Role.ADMIN}:
        return None
    if has:
        headers = _challenge(content, f', error="insufficient_scope", scope="{role}"')
        return Refusal(403, f"this token is for {', '.join(sorted(has))}: one for {role} is wanted", headers)
    headers = _challenge(content, ', error="invalid_token"')
    return Refusal(401, f"there is no such token: one for {role} is wanted", headers)


def _challenge(content: Content, error: str = "") -> dict[str, str]:
    about = {"Bearer": error, "Basic": ', charset="UTF-8"'}
    return {"WWW-Authenticate": ", ".join(f'{scheme} realm="{REALM}"{about[scheme]}' for scheme in _schemes(content))}


def _schemes(content: Content) -> list[str]:
    return ["Bearer"] * bool(content.tokens) + ["Basic"] * bool(content.web.users)
