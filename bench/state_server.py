"""The exporter with a state directory of `bench.fill`, on a clock that goes on from the moment that state was saved."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from unittest.mock import patch

import uvicorn

from app import allocator, logs
from app.config import Settings
from app.main import create_app, create_store, restoring, take_directory
from bench.onward import Onward


def main(port: int, folder: Path, began: float, interval_seconds: float) -> None:
    """Take the state up, then serve; it is saved so often."""
    # As the exporter's own command line does.
    allocator.settle(os.environ)
    logs.configure("warning", "logfmt")
    settings = Settings(state_dir=folder, max_state_mib=4096)
    directory = take_directory(settings)
    # No setting of the exporter: what snapshots cost is held against none. Fails where there is no such name any more.
    with patch.object(restoring, "INTERVAL_SECONDS", interval_seconds):
        app = create_app(settings, create_store(settings, directory), Onward(began), directory)
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False, server_header=False
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
