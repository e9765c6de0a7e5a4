"""What a baseline holds, as values and as plain arrays: what it is named by, and what a file of it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.distribution import Distribution
from app.drift.same_input import KnownInputs
from app.drift.sums import FrameSums, VectorSums
from app.frame import Frame
from app.model import Floats, SeriesKey
from app.series import Block, ResultKeys
from app.sketch import DistinctKeys

Arrays = dict[str, NDArray[np.generic]]

PICTURED_ROWS: Final = 512
"""Rows that a picture and distances between rows are made of: of all 2,048 they would cost sixteen times as much."""

BLOCK_SIGNALS: Final = ("norm", "top1_similarity")


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """All that a series is measured against; nothing of it changes once it is made."""

    signals: Mapping[str, Distribution]
    frame: Frame | None
    """None where there were too few vectors for one."""
    blocks: tuple[Block, ...]
    """Oldest first."""
    frame_sums: tuple[FrameSums, ...]
    """What each block's rows measured in the frame, without their fold's part in it; of no rows without a frame."""
    block_seconds: float
    """0 where the blocks have no time, as those of an uploaded sample."""
    sample_sums: FrameSums
    """Of all rows that the frame comes from, with their features."""
    components: NDArray[np.float32]
    """Coordinates of some of them along the leading components, see `pictured`; shape (n, 32 or less)."""
    known: KnownInputs | None
    top_inputs: Mapping[int, float]
    """Share of the vectors that the most frequent inputs had."""
    label_shares: Mapping[tuple[str, str], float]
    """Share of the events that had each slice label."""
    results: ResultKeys | None
    """Documents that queries found; None where none told ids."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        steps = sum(each.values.nbytes + each.cumulative.nbytes for each in self.signals.values())
        blocks = sum(block.nbytes for block in self.blocks) + sum(sums.nbytes for sums in self.frame_sums)
        known = 0 if self.known is None else self.known.keys.nbytes + self.known.directions.nbytes
        results = 0 if self.results is None else self.results.distinct.nbytes
        return (
            steps + blocks + known + results + self.components.nbytes + (0 if self.frame is None else self.frame.nbytes)
        )


def content_id(key: SeriesKey, content: Content) -> str:
    """Hash of all that a baseline measures with."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8)
    for name, array in sorted(pack(content).items()):
        digest.update(f"{name} {array.dtype} {array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def pictured(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most PICTURED_ROWS of them, evenly over the baseline's time, copied if they are fewer than there were."""
    rows = len(components)
    if rows <= PICTURED_ROWS:
        return components
    return components[np.linspace(0, rows - 1, PICTURED_ROWS).astype(np.intp)]


def pack(content: Content) -> Arrays:
    """The content as plain arrays."""
    arrays: Arrays = {
        "block_seconds": np.array(content.block_seconds, np.float64),
        "components": content.components,
        "top_inputs.keys": np.array(list(content.top_inputs), np.uint64),
        "top_inputs.shares": np.array(list(content.top_inputs.values()), np.float64),
        "labels.names": _text([f"{name}={value}" for name, value in content.label_shares]),
        "labels.shares": np.array(list(content.label_shares.values()), np.float64),
        "signals.names": _text(content.signals),
        **_prefixed("sample_sums", _frame_sums([content.sample_sums])),
        **_prefixed("frame_sums", _frame_sums(content.frame_sums)),
        **_prefixed("blocks", _blocks(content.blocks)),
    }
    for name, distribution in content.signals.items():
        arrays[f"signals.{name}.values"] = distribution.values
        arrays[f"signals.{name}.cumulative"] = distribution.cumulative
        arrays[f"signals.{name}.n"] = np.array(distribution.n)
    if content.frame is not None:
        arrays |= _prefixed("frame", content.frame.to_arrays())
    if content.known is not None:
        arrays["known.keys"] = content.known.keys
        arrays["known.directions"] = content.known.directions
        if content.known.projected_from is not None:
            arrays["known.projected_from"] = np.array(content.known.projected_from, np.int64)
    if content.results is not None:
        arrays["results.keys"] = content.results.distinct.keys
        arrays["results.below"] = np.array(content.results.distinct.below, np.uint64)
        arrays["results.mark"] = np.array(content.results.mark, np.uint64)
    return arrays


def unpack(arrays: Mapping[str, NDArray[np.generic]]) -> Content:
    """The content that `pack` was asked of; KeyError, ValueError or IndexError where the arrays are not of one."""
    names = _lines(arrays["signals.names"])
    keys = np.asarray(arrays["top_inputs.keys"], np.uint64).tolist()
    labels = [tuple(line.split("=", 1)) for line in _lines(arrays["labels.names"])]
    return Content(
        signals={
            name: Distribution(
                np.asarray(arrays[f"signals.{name}.values"], np.float64),
                np.asarray(arrays[f"signals.{name}.cumulative"], np.float64),
                int(np.asarray(arrays[f"signals.{name}.n"])),
            )
            for name in names
        },
        frame=Frame.from_arrays(_within("frame", arrays)) if "frame.mean" in arrays else None,
        blocks=_to_blocks(_within("blocks", arrays)),
        frame_sums=_to_frame_sums(_within("frame_sums", arrays)),
        block_seconds=float(np.asarray(arrays["block_seconds"], np.float64)),
        sample_sums=_to_frame_sums(_within("sample_sums", arrays))[0],
        components=np.asarray(arrays["components"], np.float32),
        known=KnownInputs(
            np.asarray(arrays["known.keys"], np.uint64),
            np.asarray(arrays["known.directions"], np.float16),
            int(np.asarray(arrays["known.projected_from"])) if "known.projected_from" in arrays else None,
        )
        if "known.keys" in arrays
        else None,
        top_inputs=dict(zip(keys, np.asarray(arrays["top_inputs.shares"], np.float64).tolist(), strict=True)),
        label_shares={
            (name, value): share
            for (name, value), share in zip(
                labels, np.asarray(arrays["labels.shares"], np.float64).tolist(), strict=True
            )
        },
        results=_to_results(_within("results", arrays)),
    )


def _to_results(arrays: Mapping[str, NDArray[np.generic]]) -> ResultKeys | None:
    if not arrays:
        return None
    keys, below, mark = (np.asarray(arrays[name], np.uint64) for name in ("keys", "below", "mark"))
    return ResultKeys(DistinctKeys.of(keys, int(below)), int(mark))


def _frame_sums(sums: Sequence[FrameSums]) -> Arrays:
    return {
        "n": np.array([each.n for each in sums], np.int64),
        "scalars": np.array(
            [[each.depth, each.depth_squares, each.distance, each.distance_squares] for each in sums]
        ).reshape(-1, 4),
        "below": np.array([each.below for each in sums], np.int64),
        "novel": _stacked([each.novel for each in sums]),
        "features": _stacked([each.features for each in sums]),
    }


def _to_frame_sums(arrays: Mapping[str, NDArray[np.generic]]) -> tuple[FrameSums, ...]:
    rows = np.asarray(arrays["n"], np.int64).tolist()
    scalars = np.asarray(arrays["scalars"], np.float64).tolist()
    below = np.asarray(arrays["below"], np.int64)
    novel, features = _unstacked(arrays["novel"], len(rows)), _unstacked(arrays["features"], len(rows))
    return tuple(
        FrameSums(n, depth, depth_squares, distance, distance_squares, below[i], novel[i], features[i])
        if n
        else FrameSums.none()
        for i, (n, (depth, depth_squares, distance, distance_squares)) in enumerate(zip(rows, scalars, strict=True))
    )


def _blocks(blocks: Sequence[Block]) -> Arrays:
    counts = [[dict(block.signals).get(name, 0) for name in BLOCK_SIGNALS] for block in blocks]
    return {
        "start": np.array([block.start for block in blocks], np.float64),
        "counts": np.array([[block.events, block.invalid, block.vectors.n] for block in blocks], np.int64).reshape(
            -1, 3
        ),
        "squares": np.array([block.vectors.squares for block in blocks], np.float64),
        "totals": _stacked([block.vectors.total for block in blocks]),
        "signals": np.array(counts, np.int64).reshape(-1, len(BLOCK_SIGNALS)),
        "quantiles": np.concatenate([np.empty(0, np.float32), *(_ordered(block) for block in blocks)]),
        "steps": np.array([block.quantiles.size for block in blocks], np.int64),
    }


def _to_blocks(arrays: Mapping[str, NDArray[np.generic]]) -> tuple[Block, ...]:
    starts = np.asarray(arrays["start"], np.float64).tolist()
    counts = np.asarray(arrays["counts"], np.int64).tolist()
    squares = np.asarray(arrays["squares"], np.float64).tolist()
    totals = _unstacked(arrays["totals"], len(starts))
    signals = np.asarray(arrays["signals"], np.int64).tolist()
    quantiles = np.asarray(arrays["quantiles"], np.float32)
    ends = np.cumsum(np.asarray(arrays["steps"], np.int64)).tolist()
    return tuple(
        Block(
            start,
            events,
            invalid,
            VectorSums(n, totals[i], squares[i]) if n else VectorSums.none(),
            tuple((name, count) for name, count in zip(BLOCK_SIGNALS, signals[i], strict=True) if count),
            quantiles[ends[i - 1] if i else 0 : ends[i]],
        )
        for i, (start, (events, invalid, n)) in enumerate(zip(starts, counts, strict=True))
    )


def _ordered(block: Block) -> NDArray[np.float32]:
    """The block's quantiles in the order of BLOCK_SIGNALS."""
    parts = [block.steps_of(name) for name in BLOCK_SIGNALS]
    return np.concatenate([np.empty(0, np.float32), *parts])


def _stacked(rows: Sequence[NDArray[np.generic] | Floats]) -> NDArray[np.float32]:
    """Rows of one width as a matrix, those that are empty as zeros."""
    width = max((row.size for row in rows), default=0)
    matrix = np.zeros((len(rows), width), np.float32)
    for i, row in enumerate(rows):
        matrix[i, : row.size] = row
    return matrix


def _unstacked(matrix: NDArray[np.generic], rows: int) -> list[NDArray[np.float32]]:
    return list(np.asarray(matrix, np.float32).reshape(rows, -1)) if rows else []


def _text(lines: Iterable[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _lines(array: NDArray[np.generic]) -> list[str]:
    return np.asarray(array, np.uint8).tobytes().decode().split("\n") if array.size else []


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _within(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    start = len(prefix) + 1
    return {name[start:]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
