"""What the tests share: programs of the system, and how they are started."""

import logging
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

# Prometheus and promtool live for seconds here: a quarter of their time was the collection of garbage.
os.environ.setdefault("GOGC", "800")
# Rich, which schemathesis brings, would draw every array of every frame of an exception that is logged: half a minute.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

DEADLINE_SECONDS = 30.0
"""For the slowest machine; usually all is there after three seconds."""


def _program(name, package):
    """The path of a program of the system; without it the test is skipped, and in CI it fails."""
    path = shutil.which(name)
    if path is None:
        reason = f"needs {name}, from Debian's package {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def promtool():
    """Path of promtool."""
    return _program("promtool", "prometheus")


@pytest.fixture(scope="session")
def prometheus():
    """Path of the Prometheus server."""
    return _program("prometheus", "prometheus")


@pytest.fixture
def logging_as_it_was():
    """Logging is one for the whole process: put back what was."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**configured)


@dataclass
class Process:
    """A program that listens on a loopback port of its own; what it writes goes to a file."""

    url: str
    log: Path
    popen: subprocess.Popen

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return reply.read().decode()

    def until(self, condition):
        """Ask again and again until the condition gives something; the failure shows what the program wrote."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                found = condition()
            except (OSError, urllib.error.HTTPError):
                found = None
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"not within {DEADLINE_SECONDS:g} s, or it ended:\n{self.log.read_text()[-4000:]}")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A function that starts a program on a free port; all are killed in the end."""
    started = []

    def run(name, command, ready):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        log = tmp_path_factory.mktemp(name) / "log"
        with log.open("w") as output:
            words = [word.format(address=address) for word in command]
            popen = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        started.append(popen)
        process = Process(f"http://{address}", log, popen)
        process.until(lambda: process.get(ready))
        return process

    yield run
    for popen in started:
        popen.kill()
        popen.wait()
