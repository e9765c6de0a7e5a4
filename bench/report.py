"""What a measurement says: spreads, goals and tables, as Markdown and between the markers of a page."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from bench.server import CORES

DISTRIBUTIONS = (
    "numpy",
    "datasketches",
    "msgspec",
    "pysimdjson",
    "pybase64",
    "fastapi",
    "pydantic",
    "uvicorn",
    "uvloop",
    "httptools",
    "prometheus_client",
)
"""The libraries whose versions move the figures."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, with the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.0, high=3.0)
        """
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        """Median and range, to three significant digits.

        >>> str(Spread(26.14, 25.0, 1234.5))
        '26.1 (25.0 to 1,234)'
        """
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def number(value: float) -> str:
    """Three significant digits and no exponent; whole from a hundred on.

    >>> [number(value) for value in (0.01234, 1.5, 26.14, 130_214.0)]
    ['0.0123', '1.50', '26.1', '130,214']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a header."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """A pipe table.

        >>> print(Table(("part", "KiB"), [("panes", "12")]).markdown())
        | part | KiB |
        |---|---|
        | panes | 12 |
        """
        lines = [self.columns, *self.rows]
        text = ["| " + " | ".join(line) + " |" for line in lines]
        text.insert(1, "|---" * len(self.columns) + "|")
        return "\n".join(text)


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise about cost, beside what was measured."""

    promise: str
    measured: Spread
    limit: float
    unit: str
    at_least: bool = False
    """Whether more is better; else `limit` is the most that is allowed."""

    @property
    def held(self) -> bool:
        """Whether the median keeps the promise."""
        return self.measured.median >= self.limit if self.at_least else self.measured.median <= self.limit

    def row(self) -> tuple[str, str, str, str]:
        """The goal as a row of a table.

        >>> Goal("lists", Spread(7.5, 7.0, 8.0), 6, "times", at_least=True).row()
        ('lists', '7.50 (7.00 to 8.00) times', 'at least 6 times', 'yes')
        """
        bound = "at least" if self.at_least else "at most"
        limit = f"{bound} {self.limit:g} {self.unit}"
        return self.promise, f"{self.measured} {self.unit}", limit, "yes" if self.held else "**no**"


class Measurement(NamedTuple):
    """One of several that a part is made of."""

    goals: Sequence[Goal]
    tables: Sequence[tuple[str, Table]]
    """Each with the sentence that stands above it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one part of the bench found."""

    part: str
    goals: Sequence[Goal]
    tables: Sequence[tuple[str, Table]]
    """Each with the sentence that stands above it."""
    rounds: int
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Files of docs/images, by their names."""

    def markdown(self) -> str:
        """The goals first, then the tables, then what it was measured on."""
        promises = Table(("promise", "measured", "limit", "held"), [goal.row() for goal in self.goals])
        blocks = [promises.markdown()] if self.goals else []
        for caption, table in self.tables:
            blocks += [caption, table.markdown()]
        how = "One run" if self.rounds == 1 else f"Median (lowest to highest) of {self.rounds} rounds"
        blocks.append(f"{how} on {machine()}.")
        return "\n\n".join(blocks)


def machine() -> str:
    """The processor, the system and the versions that the figures belong to; nothing that names the machine."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown CPU")
    libraries = ", ".join(f"{name} {version(name)}" for name in DISTRIBUTIONS)
    return f"{model} ({len(CORES)} cores), Python {platform.python_version()}, {libraries}"


def fill(page: str, part: str, text: str) -> str:
    r"""Put `text` between the markers of `part`; raises ValueError when the page has no such pair of markers.

    >>> fill("a\n<!-- bench:scrape -->\nold\n<!-- /bench:scrape -->\n", "scrape", "new")
    'a\n<!-- bench:scrape -->\nnew\n<!-- /bench:scrape -->\n'
    """
    opening, closing = f"<!-- bench:{part} -->", f"<!-- /bench:{part} -->"
    before, start, rest = page.partition(opening)
    _, end, after = rest.partition(closing)
    if not (start and end):
        raise ValueError(f"the page has no {opening} followed by {closing}")
    return f"{before}{opening}\n{text}\n{closing}{after}"
