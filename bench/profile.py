"""Where an exporter's CPU goes, by layer, batch and dimension: its stack, sampled by the CPU time that it takes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.bodies import Encoding
from bench.load import Pool, Shape, drive
from bench.plan import Plan
from bench.report import Report, Spread, Table
from bench.sampled import DECODING, IDS, OTHER, RECEIVING, STORING
from bench.server import Server

PART: Final = "profile"
ENCODINGS: Final[tuple[Encoding, ...]] = ("base64", "msgpack")
BATCHES: Final = (1, 16, 64, 256)
DIMENSIONS: Final = (384, 768, 1536, 3072)
ANSWER_SECONDS: Final = 10.0
TURNS: Final = 2.0
"""As long as others: a sample is of some four milliseconds."""
MICRO: Final = 1e6

SHOWN: Final = (RECEIVING, DECODING, IDS, STORING, OTHER)


@dataclass(slots=True)
class Profile:
    """One shape and dimension in all rounds."""

    cpu: list[float] = field(default_factory=list)
    """Seconds an event."""
    samples: Counter[str] = field(default_factory=Counter)
    """By layer."""


Case = tuple[Encoding, int, int]
"""Format, batch and dimension."""


def measure(plan: Plan) -> Report:
    """Drive an exporter with each format, batch and dimension in turn."""
    found: dict[Case, Profile] = defaultdict(Profile)
    rounds = max(1, plan.rounds // 2)
    # A series has one dimension.
    pools = {
        (encoding, batch, dimension): Pool(Shape(encoding, batch), first=dimension, dimension=dimension)
        for encoding in ENCODINGS
        for batch in BATCHES
        for dimension in DIMENSIONS
    }
    with TemporaryDirectory() as folder:
        file = Path(folder) / "counts.json"
        listen = ["--listen", "127.0.0.1:{port}", "--log-level", "warning", "--max-state-mib", "1024"]
        with Server("exporter", "bench.sampled", str(file), "serve", *listen) as server:
            for pool in pools.values():
                drive(server, pool, plan.turn_seconds / 4)
            for _ in range(rounds):
                for case, pool in pools.items():
                    counted(server, file)
                    found[case].cpu.append(drive(server, pool, TURNS * plan.turn_seconds).cpu_per_event)
                    found[case].samples += counted(server, file)
    return report(found, rounds)


def counted(server: Server, file: Path) -> Counter[str]:
    """What the server counted since it was asked last; RuntimeError where it does not say."""
    file.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        if file.exists():
            return Counter(json.loads(file.read_text(encoding="ascii")))
        time.sleep(0.01)
    raise RuntimeError(f"no counts within {ANSWER_SECONDS:g} s:\n{server.output()}")


def report(found: Mapping[Case, Profile], rounds: int) -> Report:
    """Shares of the samples."""
    rows = []
    for (encoding, batch, dimension), profile in found.items():
        samples = profile.samples.total()
        shares = [f"{100 * profile.samples[layer] / samples:.0f} %" for layer in SHOWN]
        cpu = Spread.of(MICRO * each for each in profile.cpu)
        rows.append((encoding, f"{batch}", f"{dimension:,}", *shares, f"{samples:,}", str(cpu)))
    caption = (
        "Shares of the exporter's CPU by layer. Receiving is HTTP and the way of a request to its reply; ids are keyed "
        "hashes, repeats, queries and outcomes; storing is folding and measuring; other is evaluations and the like:"
    )
    columns = ("format", "batch", "dimension", *SHOWN, "samples", "CPU, microseconds an event")
    return Report(PART, [], [(caption, Table(columns, rows))], rounds)
