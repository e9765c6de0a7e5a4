"""A FastAPI route that reads its body and does nothing with it: the floor of what a request costs.

It also stands in for an exporter when the client is measured: it accepts whatever it is sent.
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/v1/events")
async def ingest(request: Request) -> Response:
    """Read the body, and reply as if one event had been accepted."""
    await request.body()
    return Response(b'{"accepted":1}', 202, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning", access_log=False)
