"""Thin HTTP routes over the parts that `Services` holds."""

from app.api.admission import Admission
from app.api.body import BodyReader
from app.api.route import DirectApp
from app.api.routes import add_routes
from app.api.services import Services

__all__ = ["Admission", "BodyReader", "DirectApp", "Services", "add_routes"]
