"""The service as it is run: processes of their own, with real sockets and signals."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from app.config.sources import ENVIRONMENT_PREFIX

START_SECONDS = 60
STOP_SECONDS = 30
"""Generous: what is asserted is that it ends, not how soon on a busy machine."""


class Process:
    """One exporter on a free port; its log is read from a file."""

    def __init__(self, folder, *flags, listen="127.0.0.1:0", context=None, program=("app.cli",)):
        """`program` is a module and its arguments before the command."""
        self.context = context  # of TLS
        self.headers = {}  # of every request
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program, "serve", "--listen", listen, *flags],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)},
        )

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def started(self):
        """Wait until it is ready; its port is in the log."""
        listening = self.wait_for(r"event=listening.* url=https?://([\w.:\[\]]+):(\d+)/", START_SECONDS)
        self.host, self.port = listening[1].strip("[]"), int(listening[2])
        deadline = time.monotonic() + START_SECONDS
        while self.ask("GET", "/-/ready")[0] != 200:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        return self

    def wait_for(self, pattern, seconds):
        """The first match in the log."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self.log())) is None:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        return found

    def ask(self, method, path, body=None, timeout=30, headers=(), port=None):
        address = self.host, port or self.port
        if self.context is None:
            connection = http.client.HTTPConnection(*address, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(*address, timeout=timeout, context=self.context)
        try:
            content_type = {} if body is None else {"Content-Type": "application/json"}
            headers = content_type | self.headers | dict(headers)
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def metric(self, name):
        """The value of the one sample of this name."""
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise AssertionError(f"no {name} in the scrape")

    def cpu_seconds(self):
        """Of all its threads so far, also those that ended."""
        # The kernel's clock of another process's CPU time (clock_getcpuclockid(3)).
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def starved_seconds(self):
        """That its main thread could have run so far and had no core: what a busy machine adds to its time."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9

    def running(self):
        return self._process.poll() is None

    def resident_bytes(self):
        """Of memory, now."""
        return self._status("VmRSS")

    def peak_resident_bytes(self):
        """The most that it ever had."""
        return self._status("VmHWM")

    def _status(self, name):
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1024

    def descriptors(self):
        """How many it has open."""
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def connect(self, sent=b""):
        connection = socket.create_connection((self.host, self.port), timeout=30)
        connection.sendall(sent)
        return connection

    def signal(self, number):
        self._process.send_signal(number)

    def exit_code(self, seconds=STOP_SECONDS):
        return self._process.wait(seconds)


class Pair:
    """Replies of an exporter and, in turns, of one beside it that nobody troubles: how slow the machine is just now."""

    def __init__(self, made, quiet):
        self._made, self._quiet = made, quiet
        self.seconds, self.quiet_seconds = [], []

    def ask(self, path):
        """What the first of the two answers."""
        begun = time.perf_counter()
        reply = self._made.ask("GET", path)
        between = time.perf_counter()
        assert 200 == self._quiet.ask("GET", path)[0]
        self.seconds.append(between - begun)
        self.quiet_seconds.append(time.perf_counter() - between)
        return reply

    def p99(self):
        """Of its replies; of fewer than a hundred all but the slowest."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99) - 1]

    def within(self, seconds):
        """A limit, or where the machine is so slow, three times what the slowest reply of the other took."""
        return max(seconds, 3 * max(self.quiet_seconds))


@contextmanager
def process(folder, *flags, **options):
    made = Process(folder, *flags, **options)
    try:
        yield made
    finally:
        made.close()


HALF_A_HEAD = b"GET /metrics HTTP/1.1\r\nHost: test\r\n"
HALF_SENT = b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


def read_to_end(connection):
    """All that comes until the other side closes."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received
