"""Thin HTTP routes over the parts that `Services` holds."""

from app.api.route import DirectApp
from app.api.routes import add_routes
from app.api.services import Services

__all__ = ["DirectApp", "Services", "add_routes"]
