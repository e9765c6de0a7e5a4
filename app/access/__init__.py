"""Who may do what: tokens, passwords and certificates from files that are read again when they change."""

from app.access.access import Access, Refusal
from app.access.errors import AccessError
from app.access.files import Files
from app.access.role import Role

__all__ = ["Access", "AccessError", "Files", "Refusal", "Role"]
