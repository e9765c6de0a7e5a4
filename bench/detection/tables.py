"""The measurements as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.detection.rules import RULES
from bench.detection.shuffled import Measured, Readings, exceeding, threshold
from bench.detection.stream import Plan as StreamPlan
from bench.detection.stream import Seen, Streamed
from bench.detection.windows import NULL, Cell

FALSE_ALARM_RATE = 0.01
"""At which detectors are compared."""


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its first column is on the left, the others on the right.

    >>> print(markdown(["n", "seen"], [["100", "5 %"]]))
    | n | seen |
    |---|--:|
    | 100 | 5 % |
    """
    rule = "|" + "|".join(["---"] + ["--:"] * (len(header) - 1)) + "|"
    first, *others = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return "\n".join([first, rule, *others])


def share(hits: int, windows: int) -> str:
    """Hits of windows in percent with the binomial standard error; at 0 and 100 % the 95 % bound instead.

    >>> share(30, 120), share(0, 300), share(60, 60)
    ('25 ± 4 %', '0 % (< 1.0)', '100 % (> 95)')
    """
    if windows == 0:
        return "-"
    if hits == 0:
        return f"0 % (< {300 / windows:.1f})"
    if hits == windows:
        return f"100 % (> {100 - 300 / windows:.0f})"
    p = hits / windows
    percent, error = 100 * p, 100 * np.sqrt(p * (1 - p) / windows)
    digits = 1 if error < 1 else 0
    return f"{percent:.{digits}f} ± {error:.{digits}f} %"


def rates(measured: Measured, *, healthy: bool) -> str:
    """How often the whole family is above its limit, by the size of the window; false alarms, or power."""
    sizes = sorted({cell.n for cell in measured})
    rows = []
    for (case, part), cells in _by_row(measured, healthy=healthy).items():
        by_size = {cell.n: readings for cell, readings in cells}
        counts = [_above(by_size.get(n), "score", 1.0) for n in sizes]
        rows.append([_title(case, part), *counts])
    return markdown(["score > 1", *(f"n = {n}" for n in sizes)], rows)


def statistics(measured: Measured, n: int) -> str:
    """How often each statistic alone is above its limit, in percent of the windows of one size."""
    names = list(dict.fromkeys(name for readings in measured.values() for name in readings.values))
    rows = []
    for cell, readings in measured.items():
        if cell.n == n:
            found = [_percent(readings.values.get(name, ()), 1.0) for name in names]
            rows.append([_title(cell.case, cell.share), str(readings.windows), *found])
    return markdown([f"above 1 in % (n = {n})", "windows", *names], rows)


def changed_shares(measured: Measured, n: int) -> str:
    """The estimated share of changed events and its lower bound against the truth."""
    rows = []
    for cell, readings in measured.items():
        bounds = readings.effects.get("changed_share_lower_bound", ())
        if cell.n == n and len(bounds):
            estimates = readings.effects.get("changed_share", ())
            rows.append(
                [
                    _title(cell.case, cell.share),
                    f"{100 * np.median(estimates):.1f} %" if len(estimates) else "-",
                    f"{100 * np.median(bounds):.1f} %",
                    share(exceeding(bounds, cell.share), len(bounds)),
                ]
            )
    return markdown(
        [f"changed share (n = {n})", "estimate, median", "lower bound, median", "bound above the truth"], rows
    )


def causes(measured: Measured, n: int) -> str:
    """What the diagnosis names, most frequent first."""
    rows = []
    for cell, readings in measured.items():
        if cell.n == n and cell.share in {0.0, 1.0}:
            named = ", ".join(f"{cause} {count}" for cause, count in readings.causes.most_common(3))
            rows.append([_title(cell.case, cell.share), str(readings.windows), named or "nothing"])
    return markdown([f"window (n = {n})", "windows", "causes named"], rows)


def side_by_side(ours: Measured | None, peers: Measured, n: int) -> str:
    """Power at thresholds tuned to the same false-alarm rate on the same null windows; the best of a row is bold."""
    columns = dict.fromkeys(next(iter(peers.values())).values, peers)
    if ours is not None:
        columns = {"score": ours, **columns}
    null = next(cell for cell in peers if cell.case == NULL and cell.n == n)
    limits = {name: threshold(source[null].values[name], FALSE_ALARM_RATE) for name, source in columns.items()}
    rows = []
    for cell, readings in peers.items():
        if cell.n != n or cell == null:
            continue
        found = {name: exceeding(source[cell].values[name], limits[name]) for name, source in columns.items()}
        best = max(found.values()) if cell.share > 0 else -1
        shown = [
            f"**{_rate(hits, readings.windows)}**" if hits == best else _rate(hits, readings.windows)
            for hits in found.values()
        ]
        rows.append([_title(cell.case, cell.share), str(readings.windows), *shown])
    header = ["ours" if name == "score" else name for name in columns]
    rate = f"{100 * FALSE_ALARM_RATE:g} %"
    return markdown([f"seen in % (n = {n}; {rate} of {peers[null].windows} nulls)", "windows", *header], rows)


def calm(streamed: Streamed) -> str:
    """What the rules do on healthy traffic."""
    rows = []
    for name, result in streamed.calm.items():
        above = ", ".join(
            f"{window} {100 * result.above[window] / count:.3g} %" for window, count in result.evaluations.items()
        )
        by_rule = ", ".join(f"{rule.name} {result.alarms[rule.name]}" for rule in RULES if result.alarms[rule.name])
        days = f"{result.series_days:.0f}"
        rows.append([name, days, str(result.pages), str(result.tickets), by_rule or "none", above or "none"])
    return markdown(
        ["healthy traffic", "series-days", "pages", "tickets", "alarms by rule", "evaluations above 1"], rows
    )


def delays(streamed: Streamed, plan: StreamPlan) -> str:
    """How soon a lasting or growing change is seen."""
    rows = []
    for scenario in plan.injected:
        seen = [each for each in streamed.seen[scenario.name] if np.isfinite(each.delay_seconds)]
        rows.append(
            [
                scenario.name,
                f"{scenario.severity} within {scenario.within_seconds / 3600:g} h",
                share(len(seen), len(streamed.seen[scenario.name])),
                _spread(seen, "delay_seconds", 60, "min"),
                _spread(seen, "delay_events", 1, "events"),
                f"{100 * np.median([each.share for each in seen]):.0f} %" if seen else "-",
            ]
        )
    return markdown(["injected", "wanted", "seen", "delay, median (90 %)", "in events", "share by then"], rows)


def _spread(seen: Sequence[Seen], name: str, unit: float, word: str) -> str:
    if not seen:
        return "-"
    middle, late = np.quantile([getattr(each, name) / unit for each in seen], [0.5, 0.9])
    return f"{middle:,.0f} ({late:,.0f}) {word}"


def _by_row(measured: Measured, *, healthy: bool) -> Mapping[tuple[str, float], list[tuple[Cell, Readings]]]:
    rows: dict[tuple[str, float], list[tuple[Cell, Readings]]] = {}
    for cell, readings in measured.items():
        if (cell.kind in {"none", "benign"}) == healthy:
            rows.setdefault((cell.case, cell.share), []).append((cell, readings))
    return rows


def _above(readings: Readings | None, name: str, limit: float) -> str:
    if readings is None:
        return "-"
    values = readings.values.get(name, ())
    return f"{exceeding(values, limit)}/{len(values)}: {share(exceeding(values, limit), len(values))}"


def _percent(values: Sequence[float], limit: float) -> str:
    return _rate(exceeding(values, limit), len(values)) if len(values) else "-"


def _rate(hits: int, windows: int) -> str:
    return f"{100 * hits / windows:.{1 if windows >= 500 and hits < 0.1 * windows else 0}f}"


def _title(case: str, part: float) -> str:
    return f"{case}, {100 * part:g} %" if part > 0 else case
