"""The simulated series as blocks of a Prometheus: their lines with times and target labels, through promtool."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from bench.month.exporter import BEGINS, Scraped
from prometheus.thresholds import JOB

INSTANCE: Final = "127.0.0.1:10877"
TARGET: Final = f'job="{JOB}",instance="{INSTANCE}"'

BLOCK_SECONDS: Final = 54 * 3600
"""One of the spans that Prometheus compacts to. promtool goes through its file once for each block of it."""
BLOCK_FLAG: Final = f"--max-block-duration={BLOCK_SECONDS // 3600}h"

UP_SECONDS: Final = 150.0


def load(promtool: str, series: Sequence[Iterator[Scraped]], begins: float, data: Path) -> int:
    """Write blocks of all series into a directory of data, the first midnight being at `begins`; return the samples.

    Takes the disk of one block's text at a time, a gigabyte for sixty-four series.
    """
    reading = [_Reading(each) for each in series]
    samples = 0
    data.mkdir(parents=True, exist_ok=True)
    file = data.parent / "openmetrics.txt"
    # Blocks begin at whole multiples of their span.
    end = (begins // BLOCK_SECONDS + 1) * BLOCK_SECONDS
    while any(each.next is not None for each in reading):
        last = end
        with file.open("wb") as out:
            for each in reading:
                samples += _write(out, each, begins, last)
            samples += _write_target(
                out, begins, max(begins, end - BLOCK_SECONDS), min(end, _latest(reading, begins) + 1)
            )
            out.write(b"# EOF\n")
        create_blocks(promtool, "openmetrics", str(file), str(data))
        end += BLOCK_SECONDS
    file.unlink()
    return samples


class _Reading:
    """A series, read on and on."""

    def __init__(self, series: Iterator[Scraped]) -> None:
        self._series = series
        self.next: Scraped | None = None
        self.last = 0.0
        self.advance()

    def advance(self) -> None:
        """Go on to the next scrape; None after the last."""
        self.next = next(self._series, None)
        if self.next is not None:
            self.last = self.next.now


def _latest(reading: Sequence[_Reading], begins: float) -> float:
    return begins + max(each.last for each in reading)


def _write(out: BinaryIO, series: _Reading, begins: float, end: float) -> int:
    """The lines of one series until a time."""
    samples = 0
    while series.next is not None and begins + series.next.now < end:
        now, dated, plain = series.next
        at = begins + now
        text = _moved(dated, begins - BEGINS) + plain
        samples += text.count(b"\n")
        out.write(stamped(text, at))
        series.advance()
    return samples


def stamped(lines: bytes, at: float) -> bytes:
    """Lines of a scrape as those of a backfill: labels of the target, and the time.

    >>> stamped(b'a{b="c"} 1.0\\n', 60.0)
    b'a{job="embedding-drift-exporter",instance="127.0.0.1:10877",b="c"} 1.0 60\\n'
    """
    return lines.replace(b"{", f"{{{TARGET},".encode()).replace(b"\n", b" %d\n" % at)


def _moved(lines: bytes, seconds: float) -> bytes:
    """Lines whose values are times, as of so much later."""
    moved = []
    for line in lines.splitlines():
        head, _, value = line.rpartition(b" ")
        moved.append(b"%s %r\n" % (head, float(value) + seconds))
    return b"".join(moved)


def _write_target(out: BinaryIO, begins: float, first: float, end: float) -> int:
    """What is of the target and the exporter as a whole: it is up, it evaluates, nothing is folded."""
    samples = 0
    steps = range(int((first - begins) // UP_SECONDS), int((end - begins) // UP_SECONDS) + 1)
    for step in steps:
        at = begins + step * UP_SECONDS
        if first <= at < end:
            out.write(
                b"up{%(target)s} 1 %(at)d\n"
                b"embedding_exporter_last_evaluation_timestamp_seconds{%(target)s} %(at)d %(at)d\n"
                b"embedding_exporter_folded_events_total{%(target)s} 0 %(at)d\n"
                % {b"target": TARGET.encode(), b"at": int(at)}
            )
            samples += 3
    return samples


def create_blocks(promtool: str, *arguments: str) -> None:
    """Run `promtool tsdb create-blocks-from`; raises RuntimeError with what it said where it fails."""
    command = [promtool, "tsdb", "create-blocks-from", "--quiet", BLOCK_FLAG, *arguments]
    # The binary is that of the system, the arguments are our own.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"promtool tsdb create-blocks-from {arguments[0]}: {done.stderr.strip()[-500:]}"
        raise RuntimeError(message)
