"""Which samples the shipped rules read: nothing else is kept of thirty days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from prometheus.alerts import ALERTING
from prometheus.families import LABELS
from prometheus.recording import RECORDING

_NAME: Final = re.compile(r"(?<![\w:])([a-z_:]\w*(?::\w+)*)")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def names_in(expression: str) -> frozenset[str]:
    """Every name of a metric in an expression, and other words beside; what stands in quotes is none.

    >>> sorted(names_in('rate(a_total{b="c_total"}[5m]) > series:x:max'))
    ['a_total', 'b', 'rate', 'series:x:max']
    """
    return frozenset(_NAME.findall(_QUOTED.sub('""', expression)))


def _expressions() -> Iterator[str]:
    for group in (*RECORDING, *ALERTING):
        for rule in group.rules:
            yield rule.rendered()["expr"]


SAMPLES: Final = frozenset(
    name for expr in _expressions() for name in names_in(expr) if "model" in LABELS.get(name, ())
)
"""Names of samples of a series, as `embedding_queries_total`; what is of an exporter as a whole, each would bring."""
