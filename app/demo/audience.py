"""Who asks what and when: sessions of related questions, with the rhythm of a day."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from app.demo.corpus import Question

SESSIONS = 32
"""Users at a time; each asks two or three questions in a row before another takes the seat."""
SESSION_END_PROBABILITY = 0.4
SAME_DOCUMENT_PROBABILITY = 0.3
RATE_AMPLITUDE = 0.5
TOPIC_AMPLITUDE = 0.15


def rate_factor(day: float) -> float:
    """The rate of traffic over its mean at this time, in days: the busiest is noon, the quietest midnight.

    >>> rate_factor(0.0), rate_factor(0.5), rate_factor(1.25)
    (0.5, 1.5, 1.0)
    """
    return round(1 - RATE_AMPLITUDE * math.cos(2 * math.pi * day), 9)


class Audience:
    """Draws questions as users would ask them. The same seed and calls give the same questions.

    A session stays with one topic and often with one document. What users come for moves over the day: the log-weight
    of each topic swings by `TOPIC_AMPLITUDE` around its mean, each with a phase of its own.
    """

    def __init__(self, questions: Sequence[Question], new_questions: Sequence[Question], seed: int = 7) -> None:
        self._questions = [*questions, *new_questions]
        self._rng = np.random.default_rng(seed)
        self._first_new = len(questions)
        topics: dict[str, list[int]] = {}
        documents: dict[str, list[int]] = {}
        for i, question in enumerate(self._questions):
            topics.setdefault(question.topic, []).append(i)
            documents.setdefault(question.about, []).append(i)
        self._of_topic = [np.array(topics[question.topic]) for question in self._questions]
        self._of_document = [np.array(documents[question.about]) for question in self._questions]
        names = list(topics)
        position = {name: i for i, name in enumerate(names)}
        self._topic = np.array([position[question.topic] for question in questions], dtype=np.intp)
        self._phase = self._rng.uniform(size=len(names))
        self._current: list[int | None] = [None] * SESSIONS

    def ask(self, count: int, day: float, new_share: float = 0.0, flood_share: float = 0.0) -> list[Question]:
        """The next questions at this time, in days.

        A share of the new sessions comes for what is not indexed; another share of all questions is the first one.
        """
        weights = np.exp(TOPIC_AMPLITUDE * np.cos(2 * math.pi * (day - self._phase[self._topic])))
        cumulative = np.cumsum(weights)
        seats = self._rng.integers(SESSIONS, size=count).tolist()
        asked = [self._next(seat, cumulative, new_share) for seat in seats]
        if flood_share:
            asked = [
                0 if flooded else i for i, flooded in zip(asked, self._rng.random(count) < flood_share, strict=True)
            ]
        return [self._questions[i] for i in asked]

    def _next(self, seat: int, cumulative: np.ndarray[tuple[int], np.dtype[np.float64]], new_share: float) -> int:
        rng, last = self._rng, self._current[seat]
        if last is None or rng.random() < SESSION_END_PROBABILITY:
            if rng.random() < new_share:
                chosen = int(rng.integers(self._first_new, len(self._questions)))
            else:
                chosen = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        else:
            related = self._of_document[last] if rng.random() < SAME_DOCUMENT_PROBABILITY else self._of_topic[last]
            chosen = int(related[rng.integers(related.size)])
        self._current[seat] = chosen
        return chosen
