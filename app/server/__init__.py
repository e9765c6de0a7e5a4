"""Sockets to requests: uvicorn, behind listeners that keep slow, silent and too many clients from harm.

`app.main` gives the application and the sockets; requests come out as ASGI.
"""

from app.server.connections import Connections
from app.server.server import enough_descriptors, make_server

__all__ = ["Connections", "enough_descriptors", "make_server"]
