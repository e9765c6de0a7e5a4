"""What a rule is, as a rule file has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Rule(Protocol):
    """A recording rule or an alert."""

    def rendered(self) -> Mapping[str, Any]:
        """As an entry of `rules` in a rule file."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    """level:metric:operations."""
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rendered(self) -> Mapping[str, Any]:
        """As an entry of `rules` in a rule file."""
        return {"record": self.name, "expr": self.expr} | ({"labels": dict(self.labels)} if self.labels else {})


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: Sequence[Rule]
    interval: str | None = None
    """None: the server's own evaluation_interval."""

    def rendered(self) -> Mapping[str, Any]:
        """As an entry of `groups` in a rule file."""
        rules = [rule.rendered() for rule in self.rules]
        return {"name": self.name} | ({"interval": self.interval} if self.interval else {}) | {"rules": rules}
