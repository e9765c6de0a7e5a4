"""Ratios of good or bad over all, each over every window that burn rates need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus.rule import Record

SHORT_WINDOWS: Final = ("30m", "1h", "2h", "6h")
A_DAY: Final = ("1d",)
BURN_WINDOWS: Final = ("1d", "3d")
"""Three days cost most of all rules: where an alert asks for them alone."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One rate over another: summed over replicas first, divided then.

    Windows beyond 5 minutes are means of the recorded rates. So a day costs 1,440 samples a series and not 5,760, and
    a restart of the exporter counts once.
    """

    level: str
    part: str
    whole: str
    name: str
    part_expr: str
    """Rate over 5 minutes."""
    whole_expr: str
    long_windows: Sequence[str] = A_DAY

    def rates(self) -> Iterator[Record]:
        """Both sides, and their ratio over 5 minutes. The whole comes first: a part may be read from it."""
        yield Record(self._rate(self.whole), self.whole_expr)
        yield Record(self._rate(self.part), self.part_expr)
        yield Record(self._ratio("5m"), f"{self._rate(self.part)}\n  / ({self._rate(self.whole)} > 0)")

    def over(self, window: str) -> Record:
        """The ratio over a longer window."""
        part, whole = (f"avg_over_time({self._rate(side)}[{window}])" for side in (self.part, self.whole))
        return Record(self._ratio(window), f"{part}\n  / ({whole} > 0)")

    def _rate(self, side: str) -> str:
        return f"{self.level}:{side}:rate5m"

    def _ratio(self, window: str) -> str:
        return f"{self.level}:{self.name}:ratio_rate{window}"


def _rate(metric: str, *besides: str) -> str:
    """Rate over 5 minutes, summed over replicas and other labels."""
    return f"sum without ({', '.join(('instance', 'pod', *besides))}) (rate({metric}[5m]))"


def _answered(condition: str = "") -> str:
    """Queries that did not fail, of exporters for which the condition holds."""
    return (
        "sum without (instance, pod) (\n"
        "  (\n"
        "    rate(embedding_queries_total[5m])\n"
        "      - (\n"
        "        sum without (error) (rate(embedding_failed_queries_total[5m]))\n"
        "        or 0 * rate(embedding_queries_total[5m])\n"
        "      )\n"
        f"  ){condition}\n"
        ")"
    )


RATIOS: Final[Sequence[Ratio]] = (
    Ratio(
        "version",
        "embedding_poor_match_queries",
        "embedding_judged_queries",
        "embedding_poor_match_per_query",
        _rate("embedding_poor_match_queries_total"),
        # Not before the exporter has a limit to judge by.
        _answered(" and embedding_poor_match_queries_total"),
        BURN_WINDOWS,
    ),
    Ratio(
        "version",
        "embedding_empty_result_queries",
        "embedding_answered_queries",
        "embedding_empty_result_per_query",
        _rate("embedding_empty_result_queries_total"),
        _answered(),
        BURN_WINDOWS,
    ),
    Ratio(
        "version",
        "embedding_failed_queries",
        "embedding_queries",
        "embedding_failed_per_query",
        f"{_rate('embedding_failed_queries_total', 'error')}\nor\n0 * version:embedding_queries:rate5m",
        _rate("embedding_queries_total"),
    ),
    Ratio(
        "index",
        "embedding_documents_fresh",
        "embedding_documents_settled",
        "embedding_documents_fresh_per_settled",
        _rate("embedding_documents_fresh_total"),
        f"{_rate('embedding_documents_fresh_total')}\n  + {_rate('embedding_documents_late_total')}",
    ),
    Ratio(
        "version",
        "embedding_recall_at_10",
        "embedding_labelled_queries",
        "embedding_recall_at_10_per_labelled_query",
        _rate('embedding_recall_total{k="10"}', "k"),
        _rate("embedding_labelled_queries_total"),
    ),
    Ratio(
        "version",
        "embedding_outcomes_true",
        "embedding_outcomes",
        "embedding_outcomes_true_per_outcome",
        _rate('embedding_outcomes_total{value="true"}', "value", "band")
        + "\nor\n0 * version:embedding_outcomes:rate5m",
        _rate("embedding_outcomes_total", "value", "band"),
    ),
)

SLI: Final[Sequence[Record]] = [
    *(record for ratio in RATIOS for record in ratio.rates()),
    *(ratio.over(window) for ratio in RATIOS for window in SHORT_WINDOWS),
]
LONG_SLI: Final[Sequence[Record]] = [ratio.over(window) for ratio in RATIOS for window in ratio.long_windows]
