"""The page docs/metrics.md, made from the catalogue: python -m app.metrics prints it."""

from __future__ import annotations

from app.metrics.catalog import GROUPS
from app.metrics.drift import BRIEF_STATISTICS
from app.metrics.evaluated import FULL_WINDOW
from app.metrics.family import SERIES_LABELS, Family

_BRIEF = ", ".join(f"`{name}`" for name in BRIEF_STATISTICS)

INTRODUCTION = f"""\
<!-- Made by `python -m app.metrics > docs/metrics.md`; change app/metrics, not this page. -->
# Metrics

Everything that `GET /metrics` exports. L stands for the labels of a series:
{", ".join(f"`{label}`" for label in SERIES_LABELS)}.

- Base units; ratios, never percent; no timestamps; no NaN: what is not known is absent.
- Counters and histograms are live. Windows, baselines and drift scores are as of
  `embedding_exporter_last_evaluation_timestamp_seconds`.
- A full series has at most 350 samples with the default windows and baselines. Drift scores are all there. Raw
  statistics are of window {FULL_WINDOW} and the pinned (or uploaded) baseline, of signals without a drift score only
  {_BRIEF}. Suspects are of that baseline alone; effects and KL against another one are of window {FULL_WINDOW} alone.
- Events past the limit of series are counted under `model="__other__"`; it has no windows, baselines or scores.
- Text format 0.0.4, or OpenMetrics 1.0.0 where the `Accept` header prefers it; `?name[]=` picks families or samples.
"""


def page() -> str:
    """The whole page in Markdown."""
    return INTRODUCTION + "".join(
        f"\n## {title}\n\n| family | type | labels | meaning |\n|---|---|---|---|\n" + "".join(map(_row, families))
        for title, families in GROUPS.items()
    )


def _row(family: Family) -> str:
    of_series = family.labels[: len(SERIES_LABELS)] == SERIES_LABELS
    labels = ["L"] if of_series else []
    labels += [f"`{label}`" for label in family.labels[len(SERIES_LABELS) if of_series else 0 :]]
    cells = (f"`{family.name}`", family.kind, ", ".join(labels), family.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
