"""The search service under observation."""

from __future__ import annotations

from app.demo.acts import ACTS, Act
from app.demo.audience import Audience
from app.demo.corpus import Corpus, Question
from app.demo.lsa import LatentSemanticModel, Vectors
from app.demo.search import Hits, Index
from app.demo.tokenizer import TOKENIZERS, uncased


class SearchService:
    """The search under observation: users, tokenizer, model and index, in the state that an act puts them in."""

    def __init__(self, corpus: Corpus, *, seed: int = 7) -> None:
        """Train the model and index the passages; about two seconds."""
        texts = [passage.text for passage in corpus.passages]
        self.passages = len(texts)
        self.model = LatentSemanticModel.fit(texts, uncased, seed=seed)
        index = Index.of(self.model.embed(texts, uncased))
        self._audience = Audience(corpus.questions, corpus.new_questions, seed)
        self._indexes = {share: index.first(round(share * len(texts))) for share in {act.indexed_share for act in ACTS}}

    def questions(self, act: Act, count: int, day: float) -> list[Question]:
        """What users ask next, at a time in days."""
        return self._audience.ask(count, day, act.new_share)

    def answer(self, act: Act, questions: list[Question]) -> tuple[Vectors, list[Hits]]:
        """The embedding of each question, as the model gives it, and its best passages."""
        texts = [question.text for question in questions]
        vectors = self.model.embed(texts, TOKENIZERS[act.tokenizer], unit_length=act.unit_length)
        return vectors, self._indexes[act.indexed_share].search(vectors)
