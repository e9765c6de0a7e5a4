"""One setting: its spellings as a flag and a variable, and how a value of it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.config.values import Address, Parser

ENVIRONMENT_PREFIX = "EMBEDDING_DRIFT_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: a field of `Settings` and all that is known of it."""

    name: str
    default: Any
    group: str
    parser: Parser
    metavar: str
    help: str
    aliases: tuple[str, ...] = ()
    """Further spellings of the flag, as other Prometheus exporters have them."""

    @property
    def flag(self) -> str:
        """The flag, such as --max-series."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, such as EMBEDDING_DRIFT_MAX_SERIES."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    def show(self, value: object) -> str:
        """A value of this setting as it may be written for a flag."""
        if value is None:
            return "none"
        if isinstance(value, tuple) and not isinstance(value, Address):
            parts = (f"{part[0]}={part[1]:g}" if isinstance(part, tuple) else str(part) for part in value)
            return ",".join(parts) or "none"
        return f"{value:g}" if isinstance(value, float) else str(value)


def about(group: str, parser: Parser, metavar: str, text: str, aliases: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a row holds beside the name and the default."""
    return {"group": group, "parser": parser, "metavar": metavar, "help": text, "aliases": aliases}
