"""The demo command: an exporter, a search service that goes wrong, and a narrator."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException
from typing import NamedTuple

from app.demo.acts import ACTS, SLICE_LABEL, Act
from app.demo.performance import DemoError, Performance
from app.demo.processes import check_alive, child_process, end_on_signals
from app.demo.watch import Reading, fetch

DEFAULT_PORT = 10877
HOST = "127.0.0.1"
READY_SECONDS = 60.0
_WATCHED = "a semantic search over Python's own docs"


EVENTS_PER_DAY = 37_000.0
"""As many as make each 1h window worth a score by night, and hardly a 5m window by day: 5m windows have more looks at a
healthy day in an act than a limit promises to be silent for."""


class Tempo(NamedTuple):
    """How fast the demonstration's days go by."""

    time_scale: float

    @property
    def hour_seconds(self) -> float:
        """How long an hour of the exporter takes."""
        return 3600.0 / self.time_scale


INTERACTIVE = Tempo(288.0)
"""A day in five minutes, some 120 events a second."""
FAST = Tempo(2880.0)
"""A day in half a minute, some 1,200 events a second, which a slow machine can send."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the demo command."""
    parser.add_argument("--once", action="store_true", help="play every act once; fails if one went unnoticed")
    parser.add_argument("--fast", action="store_true", help="a day in half a minute instead of five")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"where the exporter listens ({DEFAULT_PORT})")
    where.add_argument(
        "--exporter",
        metavar="URL",
        help="play for an exporter that runs already, with --time-scale"
        f" {INTERACTIVE.time_scale:g} (--fast: {FAST.time_scale:g})",
    )


def run(args: argparse.Namespace) -> int:
    """Play the demonstration. 0: all as promised; 1: not so; 2: it could not be played; 130: --once was interrupted."""
    tempo = FAST if args.fast else INTERACTIVE
    try:
        return _perform(tempo, once=args.once, port=args.port, url=args.exporter)
    except DemoError as problem:
        print(f"the demonstration cannot go on: {problem}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Nobody reads on, as after `| head`. Python would complain once more as it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        # Without --once this is how it ends.
        return 130 if args.once else 0


def _perform(tempo: Tempo, *, once: bool, port: int, url: str | None) -> int:
    began = time.monotonic()
    end_on_signals()
    children: dict[str, subprocess.Popen[str]] = {}
    with ExitStack() as stack:
        if url is None:
            check_port(port)
            _say(f"Starting the Embedding Drift Exporter and what it is to watch: {_WATCHED}.\n")
            children["exporter"] = stack.enter_context(child_process("app.cli", *_exporter_arguments(tempo, port)))
        else:
            _say(f"Starting what the exporter at {url} is to watch: {_WATCHED}.\n")
        base = f"http://{HOST}:{port}" if url is None else url.rstrip("/")
        traffic = stack.enter_context(child_process("app.demo.traffic", *_traffic_arguments(tempo, base), pipes=True))
        children["traffic"] = traffic
        wait_until_ready(f"{base}/-/ready", "exporter", children)
        _introduce(base, tempo, traffic)
        performance = _performance(base, tempo, traffic, children)
        performance.learn()
        while True:
            outcomes = performance.all_acts(ACTS)
            unlike = sum(not outcome.as_promised for outcome in outcomes)
            verdict = "all as promised" if unlike == 0 else f"{unlike} of {len(outcomes)} not as promised"
            _say("\n".join(f"  {number}. {outcome}" for number, outcome in enumerate(outcomes, start=1)))
            _say(f"{verdict}; {time.monotonic() - began:.0f} s since the start")
            if once:
                return 0 if unlike == 0 else 1
            _say("\nFrom the first act again, once no window remembers these; Ctrl-C ends it.")
            performance.forget()


def check_port(port: int, option: str = "--port") -> None:
    """Raise DemoError, with what to do, where the port cannot be listened on. `option` is what chooses it."""
    if not 1 <= port <= 65535:
        message = f"{option} is a number from 1 to 65535"
        raise DemoError(message)
    with socket.socket() as probe:
        # As servers do, or connections of an exporter that has just ended would seem to hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            message = (
                f"cannot listen on {HOST}:{port}: {problem.strerror}; end what listens there (another exporter?),"
                f" or choose another port with {option}"
            )
            raise DemoError(message) from problem


def _performance(
    base: str, tempo: Tempo, traffic: subprocess.Popen[str], children: Mapping[str, subprocess.Popen[str]]
) -> Performance:
    def read() -> Reading:
        check_alive(**children)
        try:
            return Reading.of(fetch(f"{base}/metrics"), fetch(f"{base}/v1/series"))
        except (OSError, HTTPException, ValueError) as problem:
            message = f"the exporter's pages could not be read ({type(problem).__name__}: {problem})"
            raise DemoError(message) from problem

    def send(act: Act) -> None:
        check_alive(**children)
        assert traffic.stdin is not None
        try:
            traffic.stdin.write(f"{act.name}\n")
            traffic.stdin.flush()
        except BrokenPipeError as problem:
            message = "the traffic process ended; its message stands above"
            raise DemoError(message) from problem

    return Performance(
        read=read,
        send=send,
        say=_say,
        monotonic=time.monotonic,
        unix_time=time.time,
        sleep=time.sleep,
        hour_seconds=tempo.hour_seconds,
    )


def _introduce(base: str, tempo: Tempo, traffic: subprocess.Popen[str]) -> None:
    _say(
        f"  landing page  {base}/          open it now: every series, its scores and pictures\n"
        f"  metrics       {base}/metrics   what Prometheus scrapes; the scores: grep drift_score\n"
        f"  API           {base}/docs"
    )
    assert traffic.stdout is not None
    ready = traffic.stdout.readline().strip()
    if not ready:
        message = "the traffic process ended before it was ready; its message stands above"
        raise DemoError(message)
    _say(
        f"  search        {ready}\n"
        f"  time          a day takes {24 * tempo.hour_seconds:.0f} s (time_scale {tempo.time_scale:g}), the 1h window"
        f" {tempo.hour_seconds:.3g} s; slice_labels is {SLICE_LABEL}, all else the configuration as shipped"
    )
    _say("                ten times as fast with --fast\n" if tempo is INTERACTIVE else "")


def _exporter_arguments(tempo: Tempo, port: int) -> list[str]:
    return [
        "serve",
        f"--time-scale={tempo.time_scale:g}",
        f"--listen={HOST}:{port}",
        f"--slice-labels={SLICE_LABEL}",
        "--log-level=warning",
    ]


def _traffic_arguments(tempo: Tempo, base: str) -> list[str]:
    options = {
        "--url": base,
        "--day-seconds": 24 * tempo.hour_seconds,
        "--events-per-day": EVENTS_PER_DAY,
        # The exporter refuses what is older than an hour: well within it, also when the exporter is busy.
        "--flush-seconds": tempo.hour_seconds / 25,
    }
    return [f"{name}={value}" for name, value in options.items()]


def wait_until_ready(url: str, name: str, children: Mapping[str, subprocess.Popen[str]]) -> None:
    """Wait until there is a page at the URL. Raises DemoError where there is none in time, or a child has ended."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        check_alive(**children)
        try:
            fetch(url, timeout_seconds=2.0)
        except OSError:
            time.sleep(0.1)
        else:
            return
    message = f"the {name} was not ready within {READY_SECONDS:.0f} s"
    raise DemoError(message)


def _say(line: str) -> None:
    print(line, flush=True)
