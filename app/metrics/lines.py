"""Families as lines of text that are kept: what did not change since the last scrape is not written again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Final, Generic, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from app.metrics.family import Family, Reading, Source, TracedCounts
from app.metrics.notation import number, numbers, pair
from app.series.traced import Exemplar
from app.sketch import BucketCounts

Place = tuple[str, ...]
"""What tells one state from the others: the values of its family's first labels."""

T = TypeVar("T")
P = TypeVar("P", bound=Place)

NUMBERS: Final = (float, int)
"""In a tuple: asked of every sample, and a union takes three times as long."""

_NONE: Final = object()


class Lines:
    """Samples as text, one a line, as they are and, for OpenMetrics, with exemplars. Never changed."""

    __slots__ = ("_traced", "plain", "traces")

    def __init__(self, plain: bytes = b"", traces: Mapping[int, Exemplar] | None = None) -> None:
        """`traces` are the exemplars by the number of their line."""
        self.plain = plain
        self.traces = traces
        self._traced: bytes | None = None

    @property
    def traced(self) -> bytes:
        """With exemplars; written when first asked for."""
        if self._traced is None:
            self._traced = _with_exemplars(self.plain, self.traces) if self.traces else self.plain
        return self._traced


class Exposed(Metric):
    """A family of a scrape whose lines are at hand; its samples are made when the client library asks for them."""

    def __init__(
        self, family: Family, lines: bytes, traced: Callable[[], bytes], readings: Callable[[], Iterable[Reading]]
    ) -> None:
        """`traced` gives the lines with exemplars, for OpenMetrics."""
        self._family = family
        self._readings = readings
        self._samples: list[Sample] | None = None
        super().__init__(family.client_name, family.help, family.kind)
        self.lines = lines
        self.traced = traced

    @property
    def samples(self) -> list[Sample]:
        """As the client library has them."""
        if self._samples is None:
            self._samples = self._family.metric(self._readings()).samples
        return self._samples

    @samples.setter
    def samples(self, _: list[Sample]) -> None:
        """The client library's constructor sets an empty list."""


class Section(Generic[P, T]):
    """Families that are read from the states of one kind. Not safe from several threads at once.

    A state that is the same object as at the last call is taken to say the same: it costs a comparison, not its lines.
    """

    def __init__(self, sources: Sequence[Source[T]]) -> None:
        self._written: list[_Written[P, T]] = [_Written(source) for source in sources]
        self._states: Mapping[P, T] = {}
        self._ordered: list[P] = []

    def families(self, states: Mapping[P, T]) -> Iterator[Exposed]:
        """Those that have samples; states sorted by their place."""
        known: Mapping[P, object] = self._states
        changed = [place for place, state in states.items() if known.get(place, _NONE) is not state]
        if changed or len(states) != len(known):
            ordered = sorted(states)
            for each in self._written:
                each.rewrite(ordered, states, changed)
            self._states, self._ordered = states, ordered
        for each in self._written:
            if each.lines:
                yield each.exposed(self._ordered, states)


class _Written(Generic[P, T]):
    """One family and its lines as of the last scrape."""

    def __init__(self, source: Source[T]) -> None:
        self._source = source
        self._blocks: dict[P, _Block] = {}
        self.lines = b""
        """Without exemplars."""

    def rewrite(self, ordered: Sequence[P], states: Mapping[P, T], changed: Sequence[P]) -> None:
        """Write the lines of the changed states, drop those of the departed."""
        for place in changed:
            block = self._blocks.get(place)
            if block is None:
                block = self._blocks[place] = _Block(self._source.family, place)
            block.write(self._source.read(states[place]))
        if len(self._blocks) > len(ordered):
            self._blocks = {place: self._blocks[place] for place in ordered}
        self.lines = b"".join([self._blocks[place].lines.plain for place in ordered])

    def exposed(self, ordered: Sequence[P], states: Mapping[P, T]) -> Exposed:
        """The family as it stands."""
        family, read = self._source.family, self._source.read

        def readings() -> Iterator[Reading]:
            return (((*place, *labels), value) for place in ordered for labels, value in read(states[place]))

        lines, parts = self.lines, [self._blocks[place].lines for place in ordered]

        def traced() -> bytes:
            return b"".join([each.traced for each in parts]) if family.kind == "histogram" else lines

        return Exposed(family, lines, traced, readings)


class _Block:
    """The lines of one state in one family, and what they were written with: names and labels seldom change."""

    __slots__ = ("_family", "_heads", "_place", "_template", "lines")

    def __init__(self, family: Family, place: Place) -> None:
        self._family = family
        self._place = place
        self._heads: list[tuple[str, ...]] = []
        self._template = ""
        self.lines = Lines()

    def write(self, readings: Iterable[Reading]) -> None:
        """Write all lines anew. Linear in the samples, a quarter of a microsecond each beside the reading."""
        heads: list[tuple[str, ...]] = []
        values: list[float] = []
        traces: dict[int, Exemplar] = {}
        bounds: tuple[float, ...] = ()
        for labels, value in readings:
            if isinstance(value, NUMBERS):
                if isfinite(value):
                    heads.append(labels)
                    values.append(float(value))
            elif value is not None:
                counts = value
                if isinstance(value, TracedCounts):
                    counts, exemplars = value
                    traces |= {len(values) + position: each for position, each in exemplars.items()}
                if isinstance(counts, BucketCounts):
                    heads.append(labels)
                    values += counts.cumulative.astype(float).tolist()
                    bounds = counts.bounds
                    if bounds[0] >= 0:
                        values += (values[-1], counts.sum)
        if heads != self._heads:
            self._heads = heads
            self._template = "".join(_template(self._family, (*self._place, *head), bounds) for head in heads)
        if not values:
            self.lines = Lines()
            return
        self.lines = Lines((self._template % tuple(numbers(values))).encode(), traces)


def _template(family: Family, labels: tuple[str, ...], bounds: tuple[float, ...]) -> str:
    """Lines of one reading, with %s for each of its values."""
    pairs = ",".join(pair(each) for each in zip(family.labels, labels, strict=True)).replace("%", "%%")
    own = f"{{{pairs}}}" if pairs else ""
    if family.kind != "histogram":
        return f"{family.name}{own} %s\n"
    before = f"{pairs}," if pairs else ""
    lines = [f'{family.name}_bucket{{{before}le="{each}"}} %s\n' for each in _edges(bounds)]
    if bounds[0] >= 0:
        # OpenMetrics 1.0 forbids them where a bound is negative: the sum of such a histogram may fall, and rate()
        # would take that for a restart.
        lines += f"{family.name}_count{own} %s\n", f"{family.name}_sum{own} %s\n"
    return "".join(lines)


@lru_cache(maxsize=64)
def _edges(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(number, bounds), "+Inf")


def _with_exemplars(plain: bytes, traces: Mapping[int, Exemplar]) -> bytes:
    lines = plain.splitlines(keepends=True)
    for position, each in traces.items():
        label = pair(("trace_id", each.trace_id))
        exemplar = f" # {{{label}}} {number(each.value)} {each.timestamp}\n"
        lines[position] = lines[position].removesuffix(b"\n") + exemplar.encode()
    return b"".join(lines)
