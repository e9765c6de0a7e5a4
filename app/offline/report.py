"""A comparison as text for people and as JSON for programs."""

from __future__ import annotations

import math
from dataclasses import asdict

from app.compare import Comparison
from app.drift.calibration import Reading
from app.drift.effects import Effects
from app.drift.same_input import MINIMUM_MATCHES


def drifted(comparison: Comparison) -> bool:
    """Whether the largest score of the alarm family is above its limit."""
    return comparison.score > 1


def by_score(comparison: Comparison) -> list[Reading]:
    """What was read, the largest score first."""
    return sorted(comparison.scores, key=lambda reading: (-reading.score, reading.statistic))


def as_json(comparison: Comparison) -> dict[str, object]:
    """The comparison as what JSON knows; null where a number is not known or not finite."""
    return {
        "drift": drifted(comparison),
        "score": _number(comparison.score),
        "scores": [
            {
                "statistic": reading.statistic,
                "signal": reading.signal,
                "value": _number(reading.value),
                "limit": _number(reading.limit),
                "score": _number(reading.score),
            }
            for reading in by_score(comparison)
        ],
        "effects": {name: _number(value) for name, value in asdict(comparison.effects).items()},
        "diagnosis": [suspect._asdict() for suspect in comparison.diagnosis],
    }


def as_text(comparison: Comparison) -> str:
    """A verdict, the table of scores, the effects in words, and what probably happened."""
    readings = by_score(comparison)
    verdict = "drift" if drifted(comparison) else "no drift"
    rows = [("statistic", "signal", "value", "limit", "score", "")]
    rows += [
        (r.statistic, r.signal, f"{r.value:.4f}", f"{r.limit:.4f}", f"{r.score:.2f}", "drift" if r.score > 1 else "")
        for r in readings
    ]
    parts = [
        f"{verdict}: the largest score is {comparison.score:.2f} ({readings[0].statistic}), the limit is 1",
        "\n".join(_row(row) for row in rows),
        _block("what changed", in_words(comparison.effects)),
    ]
    causes = [f"{suspect.title}: {suspect.evidence}" for suspect in comparison.diagnosis]
    if causes or drifted(comparison):
        parts.append(_block("what probably happened", causes or ["no known cause has this pattern"]))
    return "\n\n".join(parts)


def in_words(effects: Effects) -> list[str]:
    """Each effect that is known, as a sentence."""
    lines = []
    if effects.changed_share_lower_bound is not None and effects.changed_share is not None:
        at_least, estimate = _percent(effects.changed_share_lower_bound), _percent(effects.changed_share)
        lines.append(
            f"at least {at_least} of the vectors are unlike anything in the reference (best estimate {estimate})"
        )
    if effects.mean_displacement is not None:
        lines.append(f"the mean moved by {max(effects.mean_displacement, 0.0):.2f} squared standard deviations")
    if effects.variance_log_ratio is not None:
        lines.append(f"the variance of the vectors changed by {_change(math.expm1(effects.variance_log_ratio))}")
    if effects.norm_change_ratio is not None:
        lines.append(f"their mean length changed by {_change(effects.norm_change_ratio)}")
    if effects.invalid_share:
        lines.append(f"{_percent(effects.invalid_share)} of the vectors are invalid (zero or not finite)")
    if effects.same_input_changed_ratio is not None:
        few = f", {MINIMUM_MATCHES} are needed for a score" if effects.same_input_matches < MINIMUM_MATCHES else ""
        lines.append(
            f"{_percent(effects.same_input_changed_ratio)} of {effects.same_input_matches} known inputs give another"
            f" vector (median cosine {effects.same_input_cosine:.5f}){few}"
        )
    if effects.same_input_inconsistent_ratio:
        lines.append(
            f"{_percent(effects.same_input_inconsistent_ratio)} of the inputs that came again gave another vector"
        )
    return lines


def _row(cells: tuple[str, str, str, str, str, str]) -> str:
    statistic, signal, value, limit, score, verdict = cells
    return f"{statistic:12}{signal:16}{value:>10}{limit:>10}{score:>8}  {verdict}".rstrip()


def _block(title: str, lines: list[str]) -> str:
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines)])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _change(ratio: float) -> str:
    """A relative change with its direction.

    >>> _change(-0.125)
    '-12.5 %'
    """
    return f"{100 * ratio:+.1f} %"


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
