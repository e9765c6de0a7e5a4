"""The exporter, started with full series, that evaluates them, or freezes a baseline, over and over when told to."""

from __future__ import annotations

import gc
import json
import os
import sys

import uvicorn
from fastapi import Request, Response

from app import allocator, logs
from app.api import DirectApp, Services
from app.config import Settings
from app.main import create_app, create_store
from bench.fill import full_store, room_mib
from bench.full import EVALUATIONS, FREEZING, Beside, FastClock, Learned


def main(port: int, count: int) -> None:
    """Fill `count` series, then serve."""
    # As the exporter's own command line does.
    allocator.settle(os.environ)
    logs.configure("warning", "logfmt")
    settings = Settings(max_series=count, max_state_mib=room_mib(count))
    clock, learned = FastClock(), Learned()
    app = create_app(settings, create_store(settings), clock)
    assert isinstance(app, DirectApp)
    # As `serve` does, before the first event.
    gc.collect()
    gc.freeze()
    services: Services = app.services
    full_store(services.store, services.pinned, count)
    evaluator = services.evaluator
    # The first evaluation learns every series' limits.
    evaluator.tick(clock.now())
    services.ready = True
    beside = Beside(clock, {EVALUATIONS: evaluator.tick, FREEZING: learned.make})

    async def order(request: Request) -> Response:
        """Change what goes on beside, and for how long a thread may keep the interpreter."""
        wanted = json.loads(await request.body())
        beside.stop()
        sys.setswitchinterval(wanted["switch_seconds"])
        beside.start(wanted["beside"])
        return Response()

    app.add_api_route("/bench", order, methods=["POST"], response_model=None)
    # Without its lifespan: that evaluates every ten seconds, when told to or not.
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
