"""The search service under observation."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.demo.acts import ACTS, HEALTHY, TOKENIZER_VERSION, Act
from app.demo.audience import Audience
from app.demo.corpus import Corpus, Question
from app.demo.lsa import LatentSemanticModel, Vectors
from app.demo.search import Hits, Index
from app.demo.tokenizer import TOKENIZERS

JUDGED_SHARE = 5
"""Of one question in so many the right documents are told with its events: the same ones again and again."""
LEAST_SIMILARITY = 0.25
"""Where the best passage is less similar, the service says that it found nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the service made of a question."""

    embedding: Vectors | None
    """Shape (dimensions,); None where the question has no token."""
    hits: Hits
    tokenizer_version: str

    @property
    def no_answer(self) -> bool:
        """Whether the user is told that nothing was found."""
        return not self.hits.scores or self.hits.scores[0] < LEAST_SIMILARITY


class SearchService:
    """The search under observation: users, tokenizer, model and index, in the state that an act puts them in."""

    def __init__(self, corpus: Corpus, *, seed: int = 7) -> None:
        """Train the model and index the passages; about two seconds."""
        texts = [passage.text for passage in corpus.passages]
        trained_with = TOKENIZERS[HEALTHY.tokenizer]
        self.passages = len(texts)
        self.model = LatentSemanticModel.fit(texts, trained_with, seed=seed)
        index = Index.of(self.model.embed(texts, trained_with))
        self._passages_of: dict[str, frozenset[int]] = {}
        for number, passage in enumerate(corpus.passages):
            self._passages_of[passage.name] = self._passages_of.get(passage.name, frozenset()) | {number}
        self._rng = np.random.default_rng(seed)
        self._audience = Audience(corpus.questions, corpus.new_questions, seed)
        self._indexes = {share: index.first(round(share * len(texts))) for share in {act.indexed_share for act in ACTS}}

    def questions(self, act: Act, count: int, day: float) -> list[Question]:
        """What users ask next, at a time in days."""
        return self._audience.ask(count, day, act.new_share, act.flood_share)

    def answer(self, act: Act, questions: list[Question]) -> list[Answer]:
        """The embedding of each question and its best passages."""
        upgraded = self._rng.random(len(questions)) < act.tokenizer_share
        vectors = self._embed(act, [question.text for question in questions], upgraded)
        hits = self._indexes[act.indexed_share].search(vectors)
        failed = self._rng.random(len(questions)) < act.zeros_share
        return [
            Answer(
                np.zeros_like(vector) if fails else vector if found.ids else None,
                Hits([], []) if fails else found,
                act.tokenizer_version if is_upgraded else TOKENIZER_VERSION,
            )
            for vector, found, fails, is_upgraded in zip(vectors, hits, failed, upgraded, strict=True)
        ]

    def relevant(self, question: Question) -> frozenset[int]:
        """The passages that the question was taken from: none for what the service was never given."""
        return self._passages_of.get(question.about, frozenset())

    def judged(self, question: Question) -> bool:
        """Whether somebody has said which passages are relevant to this question."""
        return zlib.crc32(question.text.encode()) % JUDGED_SHARE == 0 and bool(self.relevant(question))

    def _embed(self, act: Act, texts: list[str], upgraded: NDArray[np.bool_]) -> Vectors:
        vectors = self.model.embed(texts, TOKENIZERS[act.tokenizer], unit_length=act.unit_length)
        if upgraded.all():
            return vectors
        others = self.model.embed(texts, TOKENIZERS[HEALTHY.tokenizer], unit_length=act.unit_length)
        return np.where(upgraded[:, None], vectors, others)
