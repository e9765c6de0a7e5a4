"""Thin HTTP routes over the parts that `Services` holds."""

from app.api.admission import Admission
from app.api.body import BodyReader
from app.api.doorstep import Doorstep
from app.api.route import MAIN, METRICS, DirectApp
from app.api.routes import INGEST_PATHS, add_routes
from app.api.services import Services

__all__ = [
    "INGEST_PATHS",
    "MAIN",
    "METRICS",
    "Admission",
    "BodyReader",
    "DirectApp",
    "Doorstep",
    "Services",
    "add_routes",
]
