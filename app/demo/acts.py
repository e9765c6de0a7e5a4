"""The acts of the demonstration: what goes wrong in the search service, and where it must show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MODEL = "python-docs-lsa"
MODEL_VERSION = "1"
TOKENIZER_VERSION = "1"
WINDOW = "1h"
"""The window that acts are told by: it fills within an act and empties after it."""


class Sign(StrEnum):
    """What the exporter must show of an act."""

    NOTHING = "nothing"
    NEW_VERSION = "new_version"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Act:
    """One act: the state of the search service while it lasts, and what to look at."""

    name: str
    title: str
    story: str
    sign: Sign
    signals: tuple[str, ...] = ()
    """The signals whose score passes its limit; the first is the one to look at."""
    tokenizer: str = "uncased"
    tokenizer_version: str = TOKENIZER_VERSION
    unit_length: bool = True
    """Whether the model scales its input to unit length."""
    new_share: float = 0.0
    """The share of sessions that come for what the index does not cover."""
    indexed_share: float = 1.0
    """How far the indexing job came through the documents."""

    @property
    def look_at(self) -> str:
        """The samples that tell of the act, as one would ask Prometheus for them."""
        match self.sign:
            case Sign.NOTHING:
                return "embedding_drift_score"
            case Sign.NEW_VERSION:
                return f'embedding_version_first_seen_timestamp_seconds{{tokenizer_version="{self.tokenizer_version}"}}'
            case Sign.SCORE:
                return f'embedding_drift_score{{signal="{self.signals[0]}",window="{WINDOW}"}}'


HEALTHY = Act(
    name="healthy",
    title="an ordinary day",
    story="Nothing changes but the hour, and with it what users come for. Every score must stay below 1.",
    sign=Sign.NOTHING,
)
ACTS: tuple[Act, ...] = (
    HEALTHY,
    Act(
        name="tokenizer_announced",
        title="a new tokenizer, announced",
        story="The queries go through another tokenizer, and the service says so: its events carry tokenizer_version"
        ' "2". They make a series of their own, with a baseline of its own to learn.',
        sign=Sign.NEW_VERSION,
        tokenizer="cased",
        tokenizer_version="2",
    ),
    Act(
        name="tokenizer_silent",
        title="the same new tokenizer, and nobody says so",
        story="The same upgrade slips in under the old version. Half the words are now unknown to the model:"
        " the vectors get short, and the searches still answer.",
        sign=Sign.SCORE,
        signals=("norm",),
        tokenizer="cased",
    ),
    Act(
        name="normalisation_lost",
        title="a lost normalisation",
        story="The model no longer scales its input to unit length. The engine compares by cosine, so every result and"
        " every similarity stays as it was; only the norms tell.",
        sign=Sign.SCORE,
        signals=("norm",),
        unit_length=False,
    ),
    Act(
        name="new_topic",
        title="users ask about something new",
        story="Half of the users now ask about graphical interfaces: tkinter, turtle and curses are not in the index,"
        " and the model never read about them.",
        sign=Sign.SCORE,
        signals=("top1_similarity", "similarity_mean", "norm"),
        new_share=0.5,
    ),
    Act(
        name="stale_index",
        title="a stale index",
        story="The indexing job stopped after two thirds of the documents, before the last modules and the language"
        " reference. The queries are as ever, and so are their norms; but what many of them look for is not there.",
        sign=Sign.SCORE,
        signals=("similarity_mean", "top1_similarity"),
        indexed_share=2 / 3,
    ),
)
BY_NAME: Mapping[str, Act] = {act.name: act for act in ACTS}
