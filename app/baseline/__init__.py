"""What the present is held against. BASELINES names each kind."""

from app.baseline.file import BaselineFileError, from_bytes, to_bytes
from app.baseline.pinned import BaselineExists, NotEnoughEvents, Pinned
from app.baseline.reference import Origin, PinnedBaseline, State

BASELINES: dict[str, type[Pinned]] = {"pinned": Pinned}

__all__ = [
    "BASELINES",
    "BaselineExists",
    "BaselineFileError",
    "NotEnoughEvents",
    "Origin",
    "Pinned",
    "PinnedBaseline",
    "State",
    "from_bytes",
    "to_bytes",
]
