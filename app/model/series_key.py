"""What a series is called."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Literal, NamedTuple

Kind = Literal["query", "document", "__other__"]

OTHER: Final = "__other__"
"""The label value of the series that events fold into past a limit; no client may send it."""


class SeriesKey(NamedTuple):
    """The identity of a series: whose vectors they are, through which tokenizer, from which side."""

    model: str
    model_version: str
    tokenizer_version: str
    kind: Kind

    @property
    def id(self) -> str:
        """A short name for URLs: the same for the same key, on every replica.

        >>> SeriesKey("e5", "2", "1", "query").id
        '51f942d38af68904'
        """
        return blake2b("\x00".join(self).encode(), digest_size=8).hexdigest()

    @property
    def default_space(self) -> str:
        """The vector space of its vectors where no sender names one: a tokenizer change stays in it.

        >>> SeriesKey("e5", "2", "1", "query").default_space, SeriesKey("e5", "", "1", "query").default_space
        ('e5@2', 'e5')
        """
        # Not a slash, which names of models have themselves.
        return f"{self.model}@{self.model_version}" if self.model_version else self.model


FOLDED = SeriesKey(OTHER, OTHER, OTHER, OTHER)
