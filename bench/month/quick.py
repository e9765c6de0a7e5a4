"""The month in little, and its controls: a new tokenizer must page, new topics open a ticket at least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.detection.traffic import DAY, Injection
from bench.month.fleet import Member

QUICK_DAYS: Final = 2.3
CHANGE_SECONDS: Final = 1.5 * DAY
"""When something changes: half a day after the baseline is final, at noon."""

QUICK: Final[Sequence[Member]] = (Member("calm", "quiet", 302),)

PAGED: Final = Member("tokenizer", "usual", 303, new_tokenizer_at=CHANGE_SECONDS)
TOLD: Final = Member("topics", "usual", 304, injection=Injection(CHANGE_SECONDS, 0.25))

CONTROLS: Final[Sequence[Member]] = (PAGED, TOLD)
