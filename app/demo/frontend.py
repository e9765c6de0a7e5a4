"""The search page: answers its users, and records for the exporter what it knows of each query."""

from __future__ import annotations

import hashlib
import time

from embedding_drift_client import DriftClient, Outcome

from app.demo.acts import SLICE_LABEL, Act
from app.demo.corpus import Question
from app.demo.service import SearchService
from app.demo.users import Users


class Frontend:
    """Answers questions, some dozens at a time; what came of them becomes known when the next ones are asked."""

    def __init__(self, service: SearchService, users: Users, client: DriftClient) -> None:
        self._service = service
        self._users = users
        self._client = client
        self._queries = 0
        self._reactions: list[tuple[str, Outcome]] = []
        """Of the last queries, by their ids."""

    def serve(self, act: Act, questions: list[Question]) -> None:
        """Tell what came of the last queries; answer these and record an event for each.

        All of them took as long as their batch.
        """
        for query_id, outcome in self._reactions:
            self._client.outcome(query_id, **outcome)
        self._reactions = []
        began = time.perf_counter()
        answers = self._service.answer(act, questions)
        latency_seconds = time.perf_counter() - began
        for question, answer in zip(questions, answers, strict=True):
            query_id, relevant = f"q{self._queries}", self._service.relevant(question)
            self._queries += 1
            self._client.record(
                tokenizer_version=answer.tokenizer_version,
                labels={SLICE_LABEL: question.part},
                query_id=query_id,
                input_hash=hashlib.blake2b(question.text.encode(), digest_size=16).hexdigest(),
                embedding=answer.embedding,
                scores=answer.hits.scores,
                ids=answer.hits.ids,
                result_count=len(answer.hits.scores),
                relevant=list(relevant) if self._service.judged(question) else None,
                outcome={"no_answer": answer.no_answer},
                latency_seconds=latency_seconds,
            )
            reaction = self._users.outcome([] if answer.no_answer else answer.hits.ids, relevant)
            if reaction is not None:
                self._reactions.append((query_id, reaction))
