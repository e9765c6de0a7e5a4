"""The rule for text that becomes a label value of a metric."""

from __future__ import annotations

import unicodedata

from app.model import OTHER

_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters (C0, DEL, C1), lone surrogates, and U+2028 and U+2029, which end lines."""


def clean_label(text: str, limit_bytes: int) -> str:
    r"""The text in Unicode's composed form (NFC), fit for a label value.

    Raises ValueError that says what would be right: at most `limit_bytes` of UTF-8 before and after composing,
    no control characters, line separators or lone surrogates, not the reserved `__other__`.

    >>> clean_label("Cafe\u0301", limit_bytes=128) == "Caf\u00e9"
    True
    """
    # The length is looked at first: composing a long run of combining marks takes quadratic time.
    if len(text) > limit_bytes:
        raise ValueError(f"must be at most {limit_bytes} bytes long")
    if not (text.isascii() and text.isprintable()):
        if any(unicodedata.category(character) in _FORBIDDEN for character in text):
            raise ValueError("must be valid Unicode without control characters and line separators")
        text = unicodedata.normalize("NFC", text)
        if len(text.encode()) > limit_bytes:
            raise ValueError(f"must be at most {limit_bytes} bytes long")
    if text == OTHER:
        raise ValueError(f"must not be {OTHER}: it is kept for events past the limit of series")
    return text
