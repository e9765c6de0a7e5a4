"""The exporter as a tutorial would write it, kept as the reference of the ingest figures.

FastAPI with a pydantic model of the body, `numpy.linalg.norm` per event, one `Histogram.labels(...).observe(...)` per
score; nothing slower than that: an async route without dependencies or middleware, no response model, uvicorn with
uvloop and httptools and without an access log. It keeps no vectors, windows, baselines or scores.
"""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from prometheus_client import Histogram
from pydantic import BaseModel

LABELS = ("model", "model_version", "tokenizer_version")
NORM = Histogram("embedding_norm", "L2 norm of the vectors.", LABELS)
SIMILARITY = Histogram(
    "embedding_result_similarity", "Similarity of the results.", LABELS, buckets=[step / 20 for step in range(21)]
)


class Event(BaseModel):
    """One sampled query with its results."""

    model: str
    model_version: str
    tokenizer_version: str
    embedding: list[float]
    scores: list[float]
    event_id: str | None = None
    query_id: str | None = None
    input_hash: str | None = None
    ids: list[str] | None = None


app = FastAPI()


@app.post("/v1/events", status_code=202, response_model=None)
async def ingest(events: list[Event]) -> dict[str, int]:
    """Observe the norm and the scores of every event."""
    for event in events:
        labels = event.model, event.model_version, event.tokenizer_version
        NORM.labels(*labels).observe(float(np.linalg.norm(event.embedding)))
        for score in event.scores:
            SIMILARITY.labels(*labels).observe(score)
    return {"accepted": len(events)}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning", access_log=False)
