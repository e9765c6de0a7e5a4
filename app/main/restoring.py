"""What there is before the first request: the state directory, what it holds, and the baselines of the settings."""

from __future__ import annotations

import gc

import structlog

from app.baseline import VECTORS, Pinned, Reader
from app.clock import Clock
from app.config import Settings
from app.main.errors import StartError
from app.main.ticker import SHORTEST_TICK_SECONDS
from app.state import INTERVAL_SECONDS, Keeper, Kept, Mode, StateDirectory, StateError

log = structlog.get_logger("app.main")


def take_directory(settings: Settings) -> StateDirectory | None:
    """Own the state directory that the settings ask for.

    Raises:
        StartError: it belongs to another process, or cannot be written.
    """
    if settings.state_dir is None:
        if settings.state_mode == "journal":
            raise StartError("--state-mode journal needs --state-dir: there is nowhere to write")
        log.info("no --state-dir: a restart forgets windows and learned baselines")
        return None
    try:
        return StateDirectory.take(settings.state_dir)
    except StateError as error:
        message = f"--state-dir {error}"
        raise StartError(message) from error


def restored(settings: Settings, directory: StateDirectory, kept: Kept) -> Keeper:
    """What keeps the state in a directory, after it took up what is there."""
    interval_seconds = max(SHORTEST_TICK_SECONDS, INTERVAL_SECONDS / settings.time_scale)
    vectors = next(each for each in VECTORS if each == settings.persist_vectors)
    mode: Mode = "journal" if settings.state_mode == "journal" else "snapshot"
    keeper = Keeper(directory, kept, interval_seconds, vectors=vectors, mode=mode)
    # What is taken up stays: the collector would go through it again and again, for a fifth of the time.
    gc.disable()
    try:
        keeper.restore()
    except StateError as error:
        message = f"--state-dir {error}"
        raise StartError(message) from error
    finally:
        gc.enable()
    return keeper


def load_baselines(settings: Settings, pinned: Pinned, input_key: bytes, clock: Clock, keeper: Keeper | None) -> None:
    """Take the baselines of the settings, but for those that were taken before a restart: others may have followed."""
    reader = Reader(input_key, settings.max_label_bytes, settings.max_dimension, pinned.projected)
    for path in settings.baseline:
        try:
            now, offset = clock.reading()
            baseline = reader.baseline(path.read_bytes(), {}, now + offset).moved(-offset)
            if keeper is None or not keeper.baselines.knows(baseline):
                pinned.adopt(baseline)
        except (OSError, ValueError) as error:
            message = f"--baseline {path}: {error}"
            raise StartError(message) from error
