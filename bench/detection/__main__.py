"""`python -m bench.detection`: measure and print the tables."""

from __future__ import annotations

import os

# Read by OpenBLAS on import: there is a process a core already, and threads within them only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.detection import ours, page, peers, shuffled, stream, tables
from bench.detection.centroid_stream import CentroidStream
from bench.detection.data import DataSet, load
from bench.detection.our_stream import OurStream
from bench.detection.synthetic import synthetic

PAGE = Path("docs/drift.md")
WINDOW = 500
"""Events in the windows of the tables that show one size."""

PEERS = shuffled.Plan(splits=32, healthy=40, drifting=6, sizes=(WINDOW,), baselines=("plain",))
PEERS_QUICK = replace(PEERS, splits=4)


def measure_shuffled(data: DataSet, *, quick: bool) -> str:
    """False alarms, power, effects and diagnosis of ours."""
    plan = shuffled.QUICK if quick else shuffled.Plan()
    measured = shuffled.measure(data, {"ours": ours.fit}, plan)["ours"]
    return "\n\n".join(
        [
            _source(data, f"{plan.splits} baselines of 2,000 with a tenth of the topics held out"),
            tables.rates(measured, healthy=True),
            tables.rates(measured, healthy=False),
            tables.statistics(measured, WINDOW),
            tables.changed_shares(measured, WINDOW),
            tables.causes(measured, WINDOW),
        ]
    )


def measure_peers(data: DataSet, *, quick: bool) -> str:
    """Ours and simple detectors on the same windows at the same false-alarm rate."""
    plan = PEERS_QUICK if quick else PEERS
    measured = shuffled.measure(data, {"ours": ours.fit, "peers": peers.fit}, plan)
    return "\n\n".join(
        [
            _source(data, f"{plan.splits} baselines of 2,000, thresholds tuned on the same windows without drift"),
            tables.side_by_side(measured["ours"], measured["peers"], WINDOW),
        ]
    )


def measure_stream(data: DataSet, *, quick: bool) -> str:
    """Alarms and delays of the rules, for each detector that runs on a stream."""
    plan = stream.QUICK if quick else stream.FULL
    parts = [_source(data, "simulated traffic of 40 to 160 events a minute, evaluated every 30 s")]
    for name, make in STREAMS.items():
        streamed = stream.measure(data, make, plan)
        parts += [f"**{name}**", tables.calm(streamed), tables.delays(streamed, plan)]
    return "\n\n".join(parts)


STREAMS: Mapping[str, stream.Maker] = {"ours": OurStream, "centroid": CentroidStream}

PARTS: Mapping[str, Callable[..., str]] = {
    "shuffled": measure_shuffled,
    "stream": measure_stream,
    "peers": measure_peers,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of the parts asked for and, if told so, put them into docs/drift.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIRECTORY", help=".npz files; synthetic vectors without it")
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows and series: minutes, wide errors")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)}; all by default")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE}, between each part's markers")
    options = parser.parse_args(arguments)

    data = synthetic() if options.data is None else load(options.data)
    for part in options.parts:
        text = PARTS[part](data, quick=options.quick)
        print(f"\n## {part}\n\n{text}", flush=True)
        if options.write:
            page.replace(PAGE, part, text)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"unknown part {part!r}; one or more of {','.join(PARTS)}")
    return parts


def _source(data: DataSet, plan: str) -> str:
    rows, dimension = data.vectors.shape
    name = data.name if data.name == "synthetic" else data.name.upper()
    return f"{name}: {rows:,} vectors of {dimension} dimensions, {len(set(data.topics.tolist()))} topics; {plan}."


if __name__ == "__main__":
    main()
