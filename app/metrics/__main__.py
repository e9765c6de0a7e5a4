"""Print docs/metrics.md."""

from __future__ import annotations

import sys

from app.metrics.reference import page

sys.stdout.write(page())
