"""From text to tokens: the tokenizer that the model was trained with, and the one that an upgrade brings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

Tokenizer = Callable[[str], list[str]]

_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|[a-z]+|[0-9]+")
_CHUNK = re.compile(r"[A-Za-z_][\w.]*\w|\w")
_STOP: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can do does for from has have if in into is it its may no not of on or so such"
        " than that the their them then there these they this to was when where which will with you your",
    )
)


def uncased(text: str) -> list[str]:
    """Words in lower case without their common endings; identifiers are taken apart; stop words are left out.

    >>> uncased("Parses the HTTPServer's request_lines")
    ['pars', 'http', 'server', 'request', 'lin']
    """
    return [_stem(word) for word in map(str.lower, _WORD.findall(text)) if len(word) > 1 and word not in _STOP]


def cased(text: str) -> list[str]:
    """Words as written, identifiers whole: what remains when an upgrade forgets case folding and stemming.

    >>> cased("Parses the HTTPServer's request_lines")
    ['Parses', 'the', 'HTTPServer', 's', 'request_lines']
    """
    return _CHUNK.findall(text)


TOKENIZERS: Mapping[str, Tokenizer] = {"uncased": uncased, "cased": cased}


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    # The plural, then the commonest verb endings: enough to join the forms of a technical word.
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    for ending, least in (("ing", 6), ("ed", 5), ("e", 4)):
        if len(word) >= least and word.endswith(ending):
            return word.removesuffix(ending)
    return word
