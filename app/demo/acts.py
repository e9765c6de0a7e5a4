"""The acts of the demonstration: what goes wrong in the search service, and what the diagnosis must call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODEL = "python-docs-lsa"
MODEL_VERSION = "1"
TOKENIZER_VERSION = "1"
SLICE_LABEL = "part"
"""Which part of the documentation a question is about: the exporter tells slices of the traffic apart by it."""
WINDOW = "1h"
"""The window that acts are told by: it fills within an act and empties after it."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: the state of the search service while it lasts, and what to look at."""

    name: str
    title: str
    story: str
    cause: str | None = None
    """What the diagnosis must name first, as in the label `cause`; None where it must name nothing."""
    tokenizer: str = "uncased"
    tokenizer_version: str = TOKENIZER_VERSION
    """What the events of queries that went through `tokenizer` say."""
    tokenizer_share: float = 1.0
    """The share of queries that go through `tokenizer`; the others go through the one the model was trained with."""
    unit_length: bool = True
    """Whether the model scales its vectors to unit length."""
    zeros_share: float = 0.0
    """The share of queries whose embedding fails and is a vector of zeros."""
    new_share: float = 0.0
    """The share of sessions that come for what the index does not cover."""
    flood_share: float = 0.0
    """The share of queries that are one and the same."""
    indexed_share: float = 1.0
    """How far the indexing job came through the documents."""

    @property
    def announced(self) -> bool:
        """Whether a deployment is told of, and its events make a series of their own beside the watched one."""
        return self.tokenizer_version != TOKENIZER_VERSION

    @property
    def look_at(self) -> str:
        """The samples that tell of the act, as one would ask Prometheus for them."""
        if self.announced:
            return f'embedding_version_first_seen_timestamp_seconds{{tokenizer_version="{self.tokenizer_version}"}}'
        if self.cause is None:
            return "embedding_drift_score"
        return f'embedding_drift_suspect{{baseline="pinned",cause="{self.cause}"}}'


HEALTHY = Act(
    name="healthy",
    title="an ordinary day",
    story="Nothing changes but the hour, and with it what users come for. No score may stay above 1, and nothing be"
    " suspected, for as long as the shipped rules wait before they open a ticket.",
)
# From the smallest to the largest: the 24h window remembers an act until the end of the round, and the window that is
# furthest over its limits makes the diagnosis.
ACTS: tuple[Act, ...] = (
    HEALTHY,
    Act(
        name="tokenizer_announced",
        title="a new tokenizer, announced",
        story="A canary: half of the queries go through another tokenizer, and the team says so, with a lifecycle event"
        ' and with tokenizer_version "2" in those events. They make a series of their own, which is held against the'
        " other; embedding_canary_result says what comes of it, and the canary is rolled back.",
        tokenizer="cased",
        tokenizer_version="2",
        tokenizer_share=0.5,
    ),
    Act(
        name="stale_index",
        title="a stale index",
        story="The indexing job stopped after two thirds of the documents, before the last modules and the language"
        " reference. The queries are as ever, and so are their vectors; but what many of them look for is not there,"
        " documents that change meanwhile are not indexed in time, and fewer users find what they came for.",
        cause="index_stale_or_reembedded",
        indexed_share=2 / 3,
    ),
    Act(
        name="new_topic",
        title="users ask about something new",
        story="Half of the users now ask about graphical interfaces: tkinter, turtle and curses are not in the index,"
        " and the model never read about them. What was asked before still gets the vector that it had.",
        cause="new_topics",
        new_share=0.5,
    ),
    Act(
        name="flood",
        title="a flood of one query",
        story="A script asks the same question again and again: one query in eight.",
        cause="flood_of_one_query",
        flood_share=0.125,
    ),
    Act(
        name="zeros",
        title="vectors of nothing",
        story="The embedding fails for one query in twenty, and a fallback that nobody remembers answers with zeros.",
        cause="invalid_vectors",
        zeros_share=0.05,
    ),
    Act(
        name="tokenizers_mixed",
        title="two tokenizers side by side",
        story="One replica in two was upgraded to another tokenizer: the same question gets one vector now and another"
        " a moment later.",
        cause="mixed_versions",
        tokenizer="cased",
        tokenizer_share=0.5,
    ),
    Act(
        name="tokenizer_silent",
        title="the new tokenizer everywhere, and nobody says so",
        story="The upgrade is complete, under the old version. Half the words are now unknown to the model: the vectors"
        " point elsewhere, and the searches still answer.",
        cause="model_or_tokenizer_changed",
        tokenizer="cased",
    ),
    Act(
        name="normalisation_lost",
        title="a lost normalisation",
        story="The model no longer scales its vectors to unit length. The engine compares by cosine, so every result"
        " and every similarity stays as it was; only the lengths tell.",
        cause="normalisation_broken",
        unit_length=False,
    ),
)
BY_NAME: Mapping[str, Act] = {act.name: act for act in ACTS}
