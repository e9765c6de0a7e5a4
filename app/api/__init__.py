"""Thin HTTP routes over the parts that `Services` holds."""

from app.api.admission import Admission
from app.api.body import BodyReader
from app.api.route import MAIN, METRICS, DirectApp
from app.api.routes import add_routes
from app.api.services import Services

__all__ = ["MAIN", "METRICS", "Admission", "BodyReader", "DirectApp", "Services", "add_routes"]
