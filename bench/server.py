"""A server as a child process: started on a core of its own, its CPU time and memory read from outside, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 120.0
"""Full series take half a minute to be made, or longer beside other programs."""
STOP_SECONDS: Final = 10.0

CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]
"""The same as the server's where there is but one."""


class Server:
    """One server process, listening on a loopback port of its own.

    `module` is run with `python -m`; `{port}` in its arguments stands for the port.
    """

    def __init__(self, name: str, module: str, *arguments: str) -> None:
        self.name = name
        self.port = free_port()
        self._command = [sys.executable, "-m", module, *(word.format(port=self.port) for word in arguments)]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )
        try:
            os.sched_setaffinity(self.pid, {SERVER_CORE})
            self._wait_until_listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The process id; RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU time of the whole process so far, user and system, all threads, also those that ended."""
        # The kernel's clock id of another process's CPU time (clock_getcpuclockid(3)): nanoseconds, where
        # /proc/PID/stat counts in hundredths of a second.
        return time.clock_gettime((~self.pid << 3) | 2)

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return resident_bytes(self.pid)

    def peak_bytes(self) -> int:
        """The most resident memory that it had since its start."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def output(self) -> str:
        """The end of what the process wrote."""
        self._output.seek(0)
        return self._output.read()[-4000:].decode(errors="replace")

    def _wait_until_listening(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at start:\n{self.output()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} did not listen within {START_SECONDS:g} s:\n{self.output()}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
