"""What the present is held against. BASELINES names each kind."""

from app.baseline.calibrate import Budget
from app.baseline.content import pictured
from app.baseline.file import BaselineFileError, from_bytes, to_bytes
from app.baseline.kept import VECTORS, Vectors, from_tree, to_tree
from app.baseline.pinned import BaselineExists, NotEnoughEvents, Pinned, Progress
from app.baseline.reference import Origin, PinnedBaseline, State
from app.baseline.uploaded import Reader, SeriesError

BASELINES: dict[str, type[Pinned]] = {"pinned": Pinned}

__all__ = [
    "BASELINES",
    "VECTORS",
    "BaselineExists",
    "BaselineFileError",
    "Budget",
    "NotEnoughEvents",
    "Origin",
    "Pinned",
    "PinnedBaseline",
    "Progress",
    "Reader",
    "SeriesError",
    "State",
    "Vectors",
    "from_bytes",
    "from_tree",
    "pictured",
    "to_bytes",
    "to_tree",
]
