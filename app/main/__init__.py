"""The composition root: every part is made here and handed on."""

from app.main.application import access_files, create_app, create_store
from app.main.errors import StartError
from app.main.restoring import take_directory
from app.main.serving import serve
from app.main.ticker import Ticker

__all__ = ["StartError", "Ticker", "access_files", "create_app", "create_store", "serve", "take_directory"]
