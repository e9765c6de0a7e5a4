"""Sockets to requests: uvicorn, behind listeners that keep slow, silent and too many clients from harm.

`app.main` gives the application and the sockets; requests come out as ASGI.
"""

from app.server.connections import Connections
from app.server.listener import Listener
from app.server.server import Server, enough_descriptors

__all__ = ["Connections", "Listener", "Server", "enough_descriptors"]
