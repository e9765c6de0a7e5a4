"""The files that say who may do what, and whether one of them has changed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.access import tls, tokens, web_config
from app.access.role import Role
from app.access.tokens import Tokens
from app.access.web_config import WebConfig


@dataclass(frozen=True, slots=True)
class Content:
    """What the files say."""

    web: WebConfig = field(default_factory=WebConfig)
    tokens: Tokens = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    """None: plain HTTP."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where they are; what is not given is not asked for."""

    web_config: Path | None = None
    tokens: Mapping[Role, Path] = field(default_factory=dict)

    def read(self) -> Content:
        """All of them.

        Raises:
            AccessError: with the file and what is wrong.
        """
        web = WebConfig() if self.web_config is None else web_config.read(self.web_config)
        return Content(
            web,
            {role: tokens.read(path) for role, path in self.tokens.items()},
            None if web.tls is None else tls.context(web.tls),
        )

    def state(self, content: Content) -> tuple[object, ...]:
        """Differs where a file, or one that `content` names, has been replaced or written. Costs a stat a file."""
        named = () if content.web.tls is None else content.web.tls.files
        given = () if self.web_config is None else (self.web_config,)
        return tuple(_state(path) for path in (*given, *named, *self.tokens.values()))


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
