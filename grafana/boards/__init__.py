"""The dashboards, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana.boards.debug import DEBUG
from grafana.boards.drift_and_outcomes import DRIFT_AND_OUTCOMES
from grafana.boards.executive import EXECUTIVE
from grafana.boards.exporter import EXPORTER
from grafana.boards.on_call import ON_CALL
from grafana.boards.worst_queries import WORST_QUERIES
from grafana.dashboard import Dashboard

BOARDS: Final[Sequence[Dashboard]] = (EXECUTIVE, ON_CALL, DEBUG, DRIFT_AND_OUTCOMES, EXPORTER)

OPTIONAL: Final[Sequence[Dashboard]] = (WORST_QUERIES,)
"""What needs a data source that Grafana does not come with: not provisioned."""
