"""The search service under observation."""

from __future__ import annotations

import numpy as np

from app.demo.acts import ACTS, HEALTHY, Act
from app.demo.audience import Audience
from app.demo.corpus import Corpus, Question
from app.demo.lsa import LatentSemanticModel, Vectors
from app.demo.search import Hits, Index
from app.demo.tokenizer import TOKENIZERS


class SearchService:
    """The search under observation: users, tokenizer, model and index, in the state that an act puts them in."""

    def __init__(self, corpus: Corpus, *, seed: int = 7) -> None:
        """Train the model and index the passages; about two seconds."""
        texts = [passage.text for passage in corpus.passages]
        trained_with = TOKENIZERS[HEALTHY.tokenizer]
        self.passages = len(texts)
        self.model = LatentSemanticModel.fit(texts, trained_with, seed=seed)
        index = Index.of(self.model.embed(texts, trained_with))
        self._rng = np.random.default_rng(seed)
        self._audience = Audience(corpus.questions, corpus.new_questions, seed)
        self._indexes = {share: index.first(round(share * len(texts))) for share in {act.indexed_share for act in ACTS}}

    def questions(self, act: Act, count: int, day: float) -> list[Question]:
        """What users ask next, at a time in days."""
        return self._audience.ask(count, day, act.new_share, act.flood_share)

    def answer(self, act: Act, questions: list[Question]) -> tuple[list[Vectors | None], list[Hits]]:
        """The embedding of each question, None where it has no token, and its best passages."""
        vectors = self._embed(act, [question.text for question in questions])
        hits = self._indexes[act.indexed_share].search(vectors)
        embeddings = [vector if found.ids else None for vector, found in zip(vectors, hits, strict=True)]
        for i in np.flatnonzero(self._rng.random(len(questions)) < act.zeros_share).tolist():
            embeddings[i], hits[i] = np.zeros_like(vectors[i]), Hits([], [])
        return embeddings, hits

    def _embed(self, act: Act, texts: list[str]) -> Vectors:
        vectors = self.model.embed(texts, TOKENIZERS[act.tokenizer], unit_length=act.unit_length)
        if act.tokenizer_share == 1:
            return vectors
        others = self.model.embed(texts, TOKENIZERS[HEALTHY.tokenizer], unit_length=act.unit_length)
        return np.where(self._rng.random((len(texts), 1)) < act.tokenizer_share, vectors, others)
