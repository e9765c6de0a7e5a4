"""A real Prometheus on a directory of data: started, asked, ended."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.demo.processes import program
from prometheus.stack import prometheus_command

READY_SECONDS: Final = 300.0
"""Hundreds of blocks are opened first."""
QUERY_SECONDS: Final = 600.0

FLAGS: Final = (
    "--storage.tsdb.retention.time=10y",
    # Thirty days of every score of sixty-four series at once.
    "--query.max-samples=1000000000",
    "--query.timeout=10m",
    "--log.level=error",
)


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    url: str

    def over(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """What an expression gives at each step, as Prometheus tells it: `metric` and `values` of each series."""
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        result: list[dict[str, Any]] = self._asked("/api/v1/query_range", asked)["result"]
        return result

    def at(self, expression: str, when: float) -> list[dict[str, Any]]:
        """What an expression gives at a time: `metric` and `value` of each series."""
        result: list[dict[str, Any]] = self._asked("/api/v1/query", {"query": expression, "time": f"{when:.3f}"})[
            "result"
        ]
        return result

    def own(self, name: str) -> dict[str, float]:
        """One family of its own metrics: the value of each line by its labels as they are written."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=QUERY_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        found = [
            line.removeprefix(name).rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} "))
        ]
        return {labels: float(value) for labels, _, value in found}

    def _asked(self, path: str, asked: Mapping[str, str]) -> Any:
        body = urllib.parse.urlencode(asked).encode()
        try:
            with urllib.request.urlopen(f"{self.url}{path}", body, timeout=QUERY_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            message = f"Prometheus refused a query: {refused.read().decode()[:500]}"
            raise RuntimeError(message) from refused


@contextmanager
def server(binary: str, configuration: Path, data: Path) -> Iterator[Server]:
    """A Prometheus with the configuration in a directory and the blocks in `data`, on a free port of loopback.

    Raises RuntimeError where it ends or is not ready in time.
    """
    address = f"127.0.0.1:{free_port()}"
    # It warns of blocks that overlap, at length: rules are recorded beside what they were recorded from.
    shipped = [each for each in prometheus_command(binary, configuration, data, address) if "log.level" not in each]
    with program(*shipped, *FLAGS) as process:
        found = Server(f"http://{address}")
        _wait(found, process)
        yield found


def _wait(found: Server, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            message = f"Prometheus ended with code {process.returncode}; its message stands above"
            raise RuntimeError(message)
        try:
            with urllib.request.urlopen(f"{found.url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    message = f"Prometheus was not ready after {READY_SECONDS:g} s"
    raise RuntimeError(message)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
