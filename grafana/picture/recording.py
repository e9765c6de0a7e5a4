"""The demonstration, recorded by a Prometheus with our rules up to a moment that is worth looking at."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import yaml

from app.demo.acts import BY_NAME
from app.demo.processes import child_process, program
from app.demo.run import HOST, INTERACTIVE, wait_until_ready
from prometheus import template
from prometheus.stack import prometheus_command

TOLD: Final = f"named {BY_NAME['tokenizer_silent'].cause} after"
"""What the demonstration says when the moment has come: somebody is being paged, and the acts before are remembered."""
AFTERWARDS_SECONDS: Final = 2.0
"""So that Prometheus has scraped the moment, and evaluated the rules of it."""
SCRAPE_SECONDS: Final = 0.5
"""Between scrapes, and the most that one may take: on a busy machine the fifth of a second that the pace leads to is
too short. Two fit into the shortest rate of a rule."""


class PictureError(Exception):
    """The pictures cannot be drawn; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded, beside Prometheus' data."""

    begin: float
    """Unix time."""
    end: float
    """What the pictures take for now."""
    time_scale: float

    @classmethod
    def read(cls, directory: Path) -> Recording:
        """That of an earlier run. Raises PictureError where there is none."""
        try:
            return cls(**json.loads((directory / "recording.json").read_text()))
        except (OSError, ValueError, TypeError) as problem:
            message = f"there is no recording to draw again ({type(problem).__name__}): run it without --again first"
            raise PictureError(message) from problem


def record(directory: Path) -> Recording:
    """Play the demonstration, some ten minutes, and keep what Prometheus made of it; what was there is removed."""
    shutil.rmtree(directory, ignore_errors=True)
    port = free_port()
    rules = directory / "rules-on"
    template.write(rules, INTERACTIVE.time_scale, {"exporter": f"{HOST}:{port}"})
    configuration = yaml.safe_load((rules / "prometheus.yml").read_text())
    configuration["global"]["scrape_interval"] = f"{1000 * SCRAPE_SECONDS:.0f}ms"
    del configuration["alerting"]
    (rules / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with prometheus(rules, directory):
        begin = time.time()
        made = Recording(begin, _play(port), INTERACTIVE.time_scale)
    (directory / "recording.json").write_text(json.dumps(asdict(made)))
    return made


@contextmanager
def recorded(directory: Path) -> Iterator[str]:
    """A Prometheus that answers of what was recorded, and neither scrapes nor evaluates; its address."""
    idle = directory / "idle"
    idle.mkdir(exist_ok=True)
    (idle / "prometheus.yml").write_text("scrape_configs: []\n")
    with prometheus(idle, directory) as url:
        yield url


@contextmanager
def prometheus(configuration: Path, data: Path) -> Iterator[str]:
    """A Prometheus until the block ends; its address."""
    binary = shutil.which("prometheus")
    if binary is None:
        raise PictureError("prometheus is missing: install the Debian package prometheus")
    address = f"{HOST}:{free_port()}"
    with program(*prometheus_command(binary, configuration, data, address)) as running:
        wait_until_ready(f"http://{address}/-/ready", "Prometheus", {"Prometheus": running})
        yield f"http://{address}"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _play(port: int) -> float:
    """The moment, before anything ends."""
    with child_process("app.cli", "demo", "--once", f"--port={port}", pipes=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if TOLD in line:
                moment = time.time()
                time.sleep(AFTERWARDS_SECONDS)
                return moment
        message = f"the demonstration ended with code {demo.wait()} and never said {TOLD!r}: run it again"
        raise PictureError(message)
