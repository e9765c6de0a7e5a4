"""Families as lines of text that are kept: what did not change since the last scrape is not written again."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from math import isfinite
from typing import Any, Final, Generic, NamedTuple, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from app.metrics.family import Family, Reading, Source, TracedCounts, makes_sample, moved
from app.metrics.notation import number, numbers, pair
from app.series.traced import Exemplar
from app.sketch import BucketCounts

Place = tuple[str, ...]
"""What tells one state from the others: the values of its family's first labels."""

T = TypeVar("T")
P = TypeVar("P", bound=Place)

_NONE: Final = object()


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
        self._states: Mapping[P, T] | None = {}
        """As of the last call; None where that was given up."""
        self._ordered: list[P] = []
        self._offset = 0.0

    def families(self, states: Mapping[P, T], offset: float = 0.0) -> Iterator[Exposed]:
        """Those that have samples; states sorted by their place. Each is written when its turn comes.

        Times are told later by `offset` seconds than they are in the states.
        """
        before, self._states = self._states, None
        if offset != self._offset:
            before, self._offset = None, offset
            for each in self._written:
                each.tell_later_by(offset)
        known: Mapping[P, object] = {} if before is None else before
        moved = before is None or states.keys() != known.keys()
        if moved:
            self._ordered = sorted(states)
        changed = [place for place in self._ordered if known.get(place, _NONE) is not states[place]]
        for each in self._written:
            if moved or changed:
                each.rewrite(self._ordered, states, changed, moved=moved)
            if each.lines:
                yield each.exposed(self._ordered, states)
        # Last: after a call that did not come to the end all is written anew.
        self._states = states


class _Written(Generic[P, T]):
    """One family and its lines as of the last scrape.

    Of most lines only the number changes from scrape to scrape. So what stands before it is kept as bytes, and all that
    can be is done once for the family and not for each state: most states have one line or two in it.
    """

    def __init__(self, source: Source[T]) -> None:
        self._source = source
        self._read = source.read
        self._told: Callable[[Sequence[Iterable[Reading]]], _Told] = (
            _buckets if source.family.kind == "histogram" else _numbers
        )
        self._blocks: dict[P, _Block] = {}
        self._layout: tuple[Heads, list[int]] = (), []
        """The heads of all blocks, and where the lines of each end."""
        self._parts: list[bytes] = []
        """What stands before the number of a line, and the number, in turns; then what ends the last line."""
        self.lines = b""
        """Without exemplars."""

    def tell_later_by(self, seconds: float) -> None:
        """From the next `rewrite` on, which is to be of all states, times are later by so much than they are read."""
        self._read = moved(self._source, seconds)

    def rewrite(self, ordered: Sequence[P], states: Mapping[P, T], changed: Sequence[P], *, moved: bool) -> None:
        """Write the lines of the changed states, drop those of the departed; `moved` where any came or went.

        `changed` is in the order of `ordered`. Linear in the samples of what changed, a microsecond each with the
        reading, and in the bytes of all.
        """
        read = self._read
        told = self._told([read(states[place]) for place in changed])
        texts = numbers(told.values)
        if not moved and len(changed) == len(ordered) and (told.heads, told.ends) == self._layout:
            self._parts[1::2] = texts
        else:
            self._replace(ordered, changed, told, texts, moved=moved)
        if told.traces:
            for place, traces in zip(changed, told.traces, strict=True):
                self._blocks[place].traces = traces
        self.lines = b"".join(self._parts)

    def _replace(
        self, ordered: Sequence[P], changed: Sequence[P], told: _Told, texts: list[bytes], *, moved: bool
    ) -> None:
        """Put the numbers of some states in their place, after making room where their lines are others."""
        spans = {
            place: texts[start:end] for place, (start, end) in zip(changed, pairwise([0, *told.ends]), strict=True)
        }
        anew: dict[P, _Block] = {}
        for place, (start, end) in zip(changed, pairwise([0, *told.head_ends]), strict=True):
            heads, block = told.heads[start:end], self._blocks.get(place)
            if block is None or block.heads != heads:
                anew[place] = _Block(self._source.family, place, heads)
        if moved or anew:
            self._lay_out(ordered, anew, spans)
        for place, span in spans.items():
            self._parts[self._blocks[place].numbers] = span

    def _lay_out(self, ordered: Sequence[P], anew: Mapping[P, _Block], told: Container[P]) -> None:
        """Put the blocks of all states one after the other, with the numbers that they had, but for those of `told`."""
        starts: list[bytes] = []
        texts: list[bytes] = []
        ends: list[int] = []
        blocks: dict[P, _Block] = {}
        for place in ordered:
            block = blocks[place] = anew.get(place) or self._blocks[place]
            texts += [b""] * len(block.starts) if place in told else self._parts[block.numbers]
            block.numbers = slice(2 * len(starts) + 1, 2 * (len(starts) + len(block.starts)) + 1, 2)
            starts += block.starts
            ends.append(len(starts))
        self._blocks = blocks
        self._layout = tuple(chain.from_iterable(block.heads for block in blocks.values())), ends
        self._parts = [b""] * (2 * len(texts))
        if texts:
            self._parts[::2] = [starts[0].removeprefix(b"\n"), *starts[1:]]
            self._parts[1::2] = texts
            self._parts.append(b"\n")

    def exposed(self, ordered: Sequence[P], states: Mapping[P, T]) -> Exposed:
        """The family as it stands."""
        family, read, lines = self._source.family, self._read, self.lines

        def readings() -> Iterator[Reading]:
            return (((*place, *labels), value) for place in ordered for labels, value in read(states[place]))

        blocks = self._blocks.values() if family.kind == "histogram" else ()
        traces = [(each.numbers.start, each.traces) for each in blocks if each.traces]
        if not traces:
            return Exposed(family, lines, lambda: lines, readings)
        parts = [*self._parts]

        def traced() -> bytes:
            for start, exemplars in traces:
                for position, each in exemplars.items():
                    parts[start + 2 * position] += _exemplar(each)
            traces.clear()
            return b"".join(parts)

        return Exposed(family, lines, traced, readings)


Heads = tuple[Any, ...]
"""What the lines begin with: the labels of each reading, and of a histogram its bounds beside them."""


class _Told(NamedTuple):
    """What was read from some states, without what is no number."""

    heads: Heads
    head_ends: list[int]
    """How many heads the states have up to each."""
    values: list[float]
    """The number of each line."""
    ends: list[int]
    """How many lines the states have up to each."""
    traces: Sequence[Mapping[int, Exemplar]]
    """Of each state, exemplars by the position of their line; nothing where the family has none."""


class _Block:
    """The lines of one state in one family without their numbers: names and labels seldom change."""

    __slots__ = ("heads", "numbers", "starts", "traces")

    def __init__(self, family: Family, place: Place, heads: Heads) -> None:
        self.heads = heads
        self.starts = _starts(family, place, heads)
        """What stands between the number of the line before and that of the line, a line break first."""
        self.numbers = slice(0, 0)
        """Where in the family's parts its numbers are."""
        self.traces: Mapping[int, Exemplar] = {}


def _numbers(states: Sequence[Iterable[Reading]]) -> _Told:
    """Of a counter or gauge."""
    readings: list[Reading] = []
    ends: list[int] = []
    for each in states:
        readings += each
        ends.append(len(readings))
    if not _all_numbers(readings):
        kept: list[Reading] = []
        for number_of_state, (start, end) in enumerate(pairwise([0, *ends])):
            kept += [each for each in readings[start:end] if makes_sample(each[1])]
            ends[number_of_state] = len(kept)
        readings = kept
    if not readings:
        return _Told((), ends, [], ends, ())
    heads, values = zip(*readings, strict=True)
    return _Told(heads, ends, [*map(float, values)], ends, ())


def _all_numbers(readings: Iterable[Reading]) -> bool:
    """Whether all are finite, at a tenth of what it takes to ask each; no where they are but their sum is not."""
    try:
        return isfinite(sum([value for _, value in readings]))  # type: ignore[misc]
    except TypeError:
        return False


def _buckets(states: Sequence[Iterable[Reading]]) -> _Told:
    """Of a histogram."""
    heads: list[tuple[tuple[str, ...], tuple[float, ...]]] = []
    head_ends: list[int] = []
    values: list[float] = []
    ends: list[int] = []
    traces: list[dict[int, Exemplar]] = []
    for readings in states:
        first = len(values)
        traces.append({})
        for labels, value in readings:
            counts, exemplars = value if isinstance(value, TracedCounts) else (value, {})
            if isinstance(counts, BucketCounts):
                traces[-1] |= {len(values) - first + position: each for position, each in exemplars.items()}
                heads.append((labels, counts.bounds))
                values += counts.cumulative.astype(float).tolist()
                if counts.bounds[0] >= 0:
                    values += values[-1], counts.sum
        head_ends.append(len(heads))
        ends.append(len(values))
    return _Told(tuple(heads), head_ends, values, ends, traces)


def _starts(family: Family, place: Place, heads: Heads) -> list[bytes]:
    if family.kind == "histogram":
        return [each for labels, bounds in heads for each in _of_histogram(family, (*place, *labels), bounds)]
    return [f"\n{family.name}{_braces(_pairs(family, (*place, *labels)))} ".encode() for labels in heads]


def _of_histogram(family: Family, labels: tuple[str, ...], bounds: tuple[float, ...]) -> list[bytes]:
    """One histogram's."""
    pairs = _pairs(family, labels)
    before = f"{pairs}," if pairs else ""
    starts = [f'\n{family.name}_bucket{{{before}le="{each}"}} ' for each in _edges(bounds)]
    if bounds[0] >= 0:
        # OpenMetrics 1.0 forbids them where a bound is negative: the sum of such a histogram may fall, and rate()
        # would take that for a restart.
        starts += f"\n{family.name}_count{_braces(pairs)} ", f"\n{family.name}_sum{_braces(pairs)} "
    return [each.encode() for each in starts]


def _pairs(family: Family, labels: tuple[str, ...]) -> str:
    return ",".join(map(pair, zip(family.labels, labels, strict=True)))


def _braces(pairs: str) -> str:
    return f"{{{pairs}}}" if pairs else ""


@lru_cache(maxsize=64)
def _edges(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(number, bounds), "+Inf")


def _exemplar(each: Exemplar) -> bytes:
    return f" # {{{pair(('trace_id', each.trace_id))}}} {number(each.value)} {each.timestamp}".encode()
